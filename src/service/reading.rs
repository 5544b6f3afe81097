//! Reading stored secrets back, for the workers and agents that use them.

use std::collections::HashMap;
use std::sync::Arc;

use super::TenantServices;
use super::keys::NO_VALUE;
use crate::domain::event::Outcome;
use crate::domain::{Action, CONNECTION, Entry, Event, FieldNames, Integration, Part, Plain, Reference, SecretName};
use crate::error::{Denial, Error, FieldProblem, Result};
use crate::store::RecordedSecret;
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
    /// be used; [`Error::SecretUnreadable`] when a stored value is missing or does not open; those of the database.
    pub async fn read_secrets(&self, reference: &Reference, wanted: Option<&[String]>) -> Result<Opened> {
        if !self.inner().read_back {
            return Err(Error::Forbidden(Denial::ReadBack));
        }
        let mut attempt = 1;
        let (entry, names, opened) = loop {
            let entry = self.check_names(reference, wanted).await?;
            let mut recorded = self.tenant.recorded_secrets(entry.id).await?;
            recorded.retain(|secret| wanted.is_none_or(|names| names.iter().any(|name| name == secret.name.as_str())));
            let names: Vec<_> = recorded.iter().map(|secret| secret.name.clone()).collect();
            match self.open_secrets(&entry, recorded).await {
                // A data key may have been replaced and destroyed meanwhile.
                Err(Error::SecretUnreadable { .. }) if attempt < ATTEMPTS => attempt += 1,
                opened => break (entry, names, opened),
            }
        };
        let event = Event::new(self.call(), Action::SecretsRead).of(&entry).naming(FieldNames::of_secrets(&names));
        let outcome = if opened.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        // What cannot be put on record is not handed out.
        self.tenant.record(self.admit_event(event.ended(outcome))).await?;
        Ok(Opened { secrets: opened?, entry })
    }

    /// The entry, when it is installed and all these names are on record.
    async fn check_names(&self, reference: &Reference, wanted: Option<&[String]>) -> Result<Arc<Entry>> {
        let Integration { entry, installation, .. } = self.stored_integration(reference).await?;
        let installation = installation.filter(|row| row.installed_at.is_some()).ok_or(Error::NotInstalled)?;
        let absent = wanted.into_iter().flatten().filter(|name| !installation.secret_names.contains(name));
        let problems: Vec<_> = absent.map(|name| not_stored(name)).collect();
        if problems.is_empty() { Ok(entry) } else { Err(Error::Invalid(problems)) }
    }

    /// The values of these secrets, each at the counter that is on record.
    async fn open_secrets(&self, entry: &Entry, recorded: Vec<RecordedSecret>) -> Result<Vec<(SecretName, Plain)>> {
        let mut keys: HashMap<u32, Arc<DataKey>> = HashMap::new();
        let mut opened = Vec::with_capacity(recorded.len());
        for RecordedSecret { name, counter, sealed } in recorded {
            let (account, integration) = (self.account(), entry.id);
            let place = SecretPlace { account, integration, connection: CONNECTION, name: &name, counter };
            let sealed = sealed.ok_or_else(|| unreadable(&place, NO_VALUE))?;
            let key = match keys.get(&sealed.key_id) {
                Some(key) => key.clone(),
                None => {
                    let key = self.inner().keys.opening_key(&self.tenant, sealed.key_id).await?;
                    key.ok_or_else(|| unreadable(&place, &format!("needs data key {}, which is gone", sealed.key_id)))?
                }
            };
            let plain = key.open(&place, &sealed.bytes)?;
            keys.insert(sealed.key_id, key);
            opened.push((name, plain));
        }
        Ok(opened)
    }
}

fn unreadable(place: &SecretPlace<'_>, reason: &str) -> Error {
    Error::SecretUnreadable { name: place.name.as_str().to_owned(), cause: format!("the {place} {reason}") }
}

fn not_stored(name: &str) -> FieldProblem {
    FieldProblem { part: Part::Secrets, name: Some(name.to_owned()), message: "is not stored".into() }
}
