//! Reading stored secrets back, for the workers and agents that use them.

use std::collections::HashMap;
use std::sync::Arc;

use super::TenantServices;
use crate::domain::event::Outcome;
use crate::domain::{Action, CONNECTION, Entry, Event, FieldNames, Integration, Part, Plain, Reference, SecretName};
use crate::error::{Denial, Error, FieldProblem, Result};
use crate::store::StoredSecret;
use crate::vault::{DataKey, SecretPlace};

/// How often values are read anew that were sealed anew meanwhile.
const ATTEMPTS: u32 = 3;

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
        let Integration { entry, installation } = self.integration(reference).await?;
        let installation = installation.filter(|row| row.installed_at.is_some()).ok_or(Error::NotInstalled)?;
        let absent = wanted.into_iter().flatten().filter(|name| !installation.secret_names.contains(name));
        let problems: Vec<_> = absent.map(|name| not_stored(name)).collect();
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let is_wanted =
            |secret: &StoredSecret| wanted.is_none_or(|names| names.iter().any(|name| name == secret.name.as_str()));
        let (names, opened) = self.read_and_open(&entry, is_wanted).await?;
        let event = Event::new(self.call(), Action::SecretsRead).of(&entry).naming(FieldNames::of_secrets(&names));
        let outcome = if opened.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        // What cannot be put on record is not handed out.
        self.tenant.record(event.ended(outcome)).await?;
        Ok(Opened { secrets: opened?, entry })
    }

    /// The names of the stored secrets that are wanted, and their values.
    async fn read_and_open(
        &self,
        entry: &Entry,
        is_wanted: impl Fn(&StoredSecret) -> bool,
    ) -> Result<(Vec<SecretName>, Result<Vec<(SecretName, Plain)>>)> {
        let mut attempt = 1;
        loop {
            let mut stored = self.tenant.secrets(entry.id).await?;
            stored.retain(&is_wanted);
            let names = stored.iter().map(|secret| secret.name.clone()).collect();
            match self.open(entry, stored).await {
                // Sealed anew meanwhile, and the key of before is gone.
                Ok(None) if attempt < ATTEMPTS => attempt += 1,
                Ok(None) => {
                    let cause = "a stored secret names a data key that is not there".to_owned();
                    return Ok((names, Err(Error::Internal { cause })));
                }
                Ok(Some(opened)) => return Ok((names, Ok(opened))),
                Err(error) => return Ok((names, Err(error))),
            }
        }
    }

    /// The values; `None` when the data key of one is not there.
    async fn open(&self, entry: &Entry, stored: Vec<StoredSecret>) -> Result<Option<Vec<(SecretName, Plain)>>> {
        let mut keys: HashMap<u32, Arc<DataKey>> = HashMap::new();
        let mut opened = Vec::with_capacity(stored.len());
        for StoredSecret { name, sealed } in stored {
            let key = match keys.get(&sealed.key_id) {
                Some(key) => key.clone(),
                None => match self.inner().keys.opening_key(&self.tenant, sealed.key_id).await? {
                    Some(key) => key,
                    None => return Ok(None),
                },
            };
            let place =
                SecretPlace { account: self.account(), integration: entry.id, connection: CONNECTION, name: &name };
            let plain = key.open(&place, &sealed.bytes)?;
            keys.insert(sealed.key_id, key);
            opened.push((name, plain));
        }
        Ok(Some(opened))
    }
}

fn not_stored(name: &str) -> FieldProblem {
    FieldProblem { part: Part::Secrets, name: Some(name.to_owned()), message: "is not stored".into() }
}
