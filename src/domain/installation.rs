//! What one account stored for one integration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::entry::{Entry, IntegrationId, Part};
use super::limits::{JSON_DEPTH, SECRETS_PER_INSTALLATION};
use super::names::reported_names;
use super::secret::SecretName;
use crate::error::{Error, FieldProblem, Result};

/// The only connection name until an account can connect one integration more than once.
pub const CONNECTION: &str = "default";

/// A stored installation. Exists from the first install on and outlives an uninstall.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    /// The catalog entry.
    pub integration_id: IntegrationId,
    /// Plain parameters.
    pub params: Params,
    /// Sorted; never a value.
    pub secret_names: Vec<String>,
    /// The counter that each secret's sealed value is bound to, by name. A name without one has a value of format 1.
    pub secret_counters: BTreeMap<String, u64>,
    /// Set while installed.
    pub installed_at: Option<DateTime<Utc>>,
    /// The account's revision at the last change.
    pub revision: i64,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Stored params: a JSON object, kept as compact text. Many are in memory and few are looked into, and a map of them is
/// ten times as large.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(Arc<str>);

impl Params {
    /// The text, `{}` when there are none.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The members of the object, each value as its text: equal values have equal texts.
    pub(super) fn members(&self) -> BTreeMap<String, &str> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&self.0).unwrap_or_default();
        members.into_iter().map(|(name, value)| (name, value.get())).collect()
    }

    /// The object.
    pub fn to_map(&self) -> Map<String, Value> {
        // Only ever made from one.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

const NO_PARAMS: &str = "{}";

impl Default for Params {
    fn default() -> Self {
        static NONE: LazyLock<Arc<str>> = LazyLock::new(|| NO_PARAMS.into());
        Self(NONE.clone())
    }
}

impl From<&Map<String, Value>> for Params {
    fn from(params: &Map<String, Value>) -> Self {
        if params.is_empty() {
            return Self::default();
        }
        // Text, numbers, lists and maps with text keys: nothing in it can fail to be written.
        Self(serde_json::to_string(params).unwrap_or_else(|_| NO_PARAMS.to_owned()).into())
    }
}

impl Installation {
    /// Whether it is not installed and nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.installed_at.is_none() && self.secret_names.is_empty() && self.params == Params::default()
    }

    /// Gives each new value the installation's revision as its counter, and forgets those of removed names. The revision of an
    /// account grows and is never used twice, so no two values of a secret have the same counter. Names without a counter
    /// get one only when `is_bound`.
    pub fn bind_secrets<V>(&mut self, changes: &[SecretChange<V>], is_bound: bool) {
        for SecretChange { name, value } in changes {
            let name = name.as_str();
            if value.is_none() {
                self.secret_counters.remove(name);
            } else if is_bound || self.secret_counters.contains_key(name) {
                self.secret_counters.insert(name.to_owned(), self.revision.unsigned_abs());
            }
        }
    }

    /// Nothing stored and nothing installed yet.
    pub fn new(integration_id: IntegrationId, at: DateTime<Utc>) -> Self {
        Self {
            integration_id,
            params: Params::default(),
            secret_names: Vec::new(),
            secret_counters: BTreeMap::new(),
            installed_at: None,
            revision: 0,
            updated_at: at,
        }
    }
}

/// What a caller supplied to an install: storable, but not yet checked against the entry's schemas.
#[derive(Default)]
pub struct Supplied {
    params: Option<Map<String, Value>>,
    secrets: Map<String, Value>,
}

impl Supplied {
    /// Takes what the caller sent. `params` replaces the stored params whole and `None` leaves them; `secrets` is merged
    /// by name, where `null` removes one.
    ///
    /// # Errors
    /// [`Error::BadInput`] for values nested more than [`JSON_DEPTH`] levels deep, and for a NUL character in params,
    /// which PostgreSQL cannot hold.
    pub fn new(params: Option<Map<String, Value>>, secrets: Option<Map<String, Value>>) -> Result<Self> {
        for part in [&params, &secrets].into_iter().flatten() {
            if part.values().any(|value| 1 + depth(value) > JSON_DEPTH) {
                return Err(Error::bad_input(format!("JSON is nested more than {JSON_DEPTH} levels deep")));
            }
        }
        if params.iter().flatten().any(|(name, value)| name.contains('\0') || has_nul(value)) {
            return Err(Error::bad_input("params must not contain the NUL character"));
        }
        Ok(Self { params, secrets: secrets.unwrap_or_default() })
    }

    /// The params, if any were supplied.
    pub fn params(&self) -> Option<&Map<String, Value>> {
        self.params.as_ref()
    }

    /// The supplied names that the entry's form lacks, as [`reported_names`] bounds them. A removal of a secret supplies
    /// nothing.
    pub fn unknown_fields(&self, entry: &Entry) -> Vec<String> {
        let params = self.params.iter().flatten().map(|(name, _)| (Part::Params, name));
        let secrets = self.secrets.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| (Part::Secrets, name));
        let unknown = params.chain(secrets).filter(|(part, name)| entry.field(*part, name).is_none());
        reported_names(unknown.map(|(part, name)| format!("{}.{name}", part.as_str())))
    }

    /// The params alone, as they are stored.
    pub fn into_params(self) -> Option<Params> {
        self.params.as_ref().map(Params::from)
    }

    /// The secrets by name; empty when none were supplied.
    pub fn secrets(&self) -> &Map<String, Value> {
        &self.secrets
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// What happens to one secret name.
#[derive(Clone, Debug)]
pub struct SecretChange<V> {
    /// Which secret.
    pub name: SecretName,
    /// A new value, or `None` to remove it.
    pub value: Option<V>,
}

/// The sorted names that are kept after these changes.
///
/// # Errors
/// [`Error::Invalid`] when they are more than [`SECRETS_PER_INSTALLATION`].
pub fn merge_names<V>(kept: &[String], changes: &[SecretChange<V>]) -> Result<Vec<String>> {
    let mut names: BTreeSet<&str> = kept.iter().map(String::as_str).collect();
    for change in changes {
        match change.value {
            Some(_) => names.insert(change.name.as_str()),
            None => names.remove(change.name.as_str()),
        };
    }
    if names.len() > SECRETS_PER_INSTALLATION {
        let message = format!("an installation keeps at most {SECRETS_PER_INSTALLATION} secrets");
        return Err(Error::Invalid(vec![FieldProblem { part: Part::Secrets, name: None, message }]));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}
