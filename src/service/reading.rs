//! Reading stored secrets back, for the workers and agents that use them.

use std::collections::HashMap;
use std::sync::Arc;

use super::TenantServices;
use super::installation::wrapped;
use crate::domain::event::Outcome;
use crate::domain::{Action, CONNECTION, Entry, Event, FieldNames, Part, Plain, Reference, SecretName};
use crate::error::{Denial, Error, FieldProblem, Result};
use crate::store::StoredSecret;
use crate::vault::{DataKey, SecretPlace};

/// Values in the clear, on their short way out.
pub struct Opened {
    /// Whose they are.
    pub entry: Arc<Entry>,
    /// Sorted by name.
    pub secrets: Vec<(SecretName, Plain)>,
}

impl TenantServices {
    /// The stored secrets with these names, or all, of an installed integration. On record before they are returned.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the operator turned it on; [`Error::NotFound`]; [`Error::NotInstalled`];
    /// [`Error::Invalid`] with one problem per name that is not stored; [`Error::SecretsUnavailable`] when a key cannot
    /// be used; [`Error::Internal`] when a stored value does not open; those of the database.
    pub async fn read_secrets(&self, reference: &Reference, wanted: Option<&[String]>) -> Result<Opened> {
        if !self.inner().read_back {
            return Err(Error::Forbidden(Denial::ReadBack));
        }
        let entry = self.catalog.find(reference).ok_or(Error::NotFound)?;
        let installation = self.tenant.installation(entry.id).await?;
        let installation = installation.filter(|row| row.installed_at.is_some()).ok_or(Error::NotInstalled)?;
        let absent = wanted.into_iter().flatten().filter(|name| !installation.secret_names.contains(name));
        let problems: Vec<_> = absent.map(|name| not_stored(name)).collect();
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let mut stored = self.tenant.secrets(entry.id).await?;
        stored.retain(|secret| wanted.is_none_or(|names| names.iter().any(|name| name == secret.name.as_str())));
        let event = Event::new(self.call(), Action::SecretsRead)
            .of(&entry)
            .naming(FieldNames::of_secrets(stored.iter().map(|secret| &secret.name)));
        let opened = self.open(&entry, stored).await;
        let outcome = if opened.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        // What cannot be put on record is not handed out.
        self.tenant.record(event.ended(outcome)).await?;
        Ok(Opened { secrets: opened?, entry })
    }

    async fn open(&self, entry: &Entry, stored: Vec<StoredSecret>) -> Result<Vec<(SecretName, Plain)>> {
        let mut keys: HashMap<u32, Arc<DataKey>> = HashMap::new();
        let mut opened = Vec::with_capacity(stored.len());
        for StoredSecret { name, sealed } in stored {
            let key = match keys.get(&sealed.key_id) {
                Some(key) => key.clone(),
                None => self.key(sealed.key_id).await?,
            };
            let place =
                SecretPlace { account: self.account(), integration: entry.id, connection: CONNECTION, name: &name };
            let plain = key.open(&place, &sealed.bytes)?;
            keys.insert(sealed.key_id, key);
            opened.push((name, plain));
        }
        Ok(opened)
    }

    /// The account's data key of this generation.
    async fn key(&self, id: u32) -> Result<Arc<DataKey>> {
        let stored = self.tenant.key(id).await?;
        let stored = stored.ok_or_else(|| Error::Internal { cause: format!("data key {id} is not there") })?;
        self.inner().vault.data_key(self.account(), &wrapped(stored)).await
    }
}

fn not_stored(name: &str) -> FieldProblem {
    FieldProblem { part: Part::Secrets, name: Some(name.to_owned()), message: "is not stored".into() }
}
