//! An entry as one account sees it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Map;

use super::entry::{Entry, Part};
use super::field::FormField;
use super::installation::{Installation, Params};

/// Belongs to the pair of account and integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not installed.
    Available,
    /// Installed.
    Installed,
}

/// A catalog entry together with what the account stored for it.
#[derive(Clone, Debug)]
pub struct Integration {
    /// The shared entry.
    pub entry: Arc<Entry>,
    /// The account's own row, if it ever installed the entry.
    pub installation: Option<Arc<Installation>>,
    /// Whether params and names of secrets are left out of answers.
    pub hides_values: bool,
}

impl Integration {
    /// The entry with what the account stored for it, to be shown whole.
    pub fn new(entry: Arc<Entry>, installation: Option<Arc<Installation>>) -> Self {
        Self { entry, installation, hides_values: false }
    }

    /// Installed or available.
    pub fn status(&self) -> Status {
        match self.installed_at() {
            Some(_) => Status::Installed,
            None => Status::Available,
        }
    }

    /// When it was installed, while it is.
    pub fn installed_at(&self) -> Option<DateTime<Utc>> {
        self.installation.as_ref().and_then(|i| i.installed_at)
    }

    /// The stored params, kept through an uninstall; empty when none, or hidden.
    pub fn params(&self) -> Params {
        self.shown().map(|i| i.params.clone()).unwrap_or_default()
    }

    /// Sorted names of the stored secrets, kept through an uninstall; empty when hidden.
    pub fn secret_names(&self) -> &[String] {
        self.shown().map_or(&[], |i| &i.secret_names)
    }

    fn shown(&self) -> Option<&Arc<Installation>> {
        self.installation.as_ref().filter(|_| !self.hides_values)
    }

    /// Required fields that were not supplied yet, or as blanks alone: params, then secrets, in the form's order. Never
    /// hidden: their names are the form's, and a client that installs needs them.
    pub fn missing_fields(&self) -> Vec<String> {
        let required = |part: Part| self.entry.fields.iter().filter(move |field| field.required && field.part == part);
        let stored = self.installation.as_deref();
        let params = stored.filter(|_| required(Part::Params).next().is_some());
        let params = params.map_or_else(Map::new, |stored| stored.params.to_map());
        let is_unset = |field: &&FormField| params.get(&field.name).is_none_or(|value| field.is_unset_by(value));
        let params = required(Part::Params).filter(is_unset);
        let names = stored.map_or(&[][..], |stored| &stored.secret_names);
        let secrets = required(Part::Secrets).filter(|field| !names.contains(&field.name));
        params.chain(secrets).map(|field| format!("{}.{}", field.part.as_str(), field.name)).collect()
    }

    /// The later of the entry's and the installation's last change.
    pub fn updated_at(&self) -> DateTime<Utc> {
        let entry = self.entry.updated_at;
        self.installation.as_ref().map_or(entry, |i| entry.max(i.updated_at))
    }
}
