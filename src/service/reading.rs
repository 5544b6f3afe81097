//! Reading stored secrets back, for the workers and agents that use them.

use std::collections::HashMap;
use std::sync::Arc;

use super::TenantServices;
use super::keys::NO_VALUE;
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
    /// be used; [`Error::SecretUnreadable`] when a stored value is missing or does not open; those of the database.
    pub async fn read_secrets(&self, reference: &Reference, wanted: Option<&[String]>) -> Result<Opened> {
        if !self.inner().read_back {
            return Err(Error::Forbidden(Denial::ReadBack));
        }
        let mut attempt = 1;
        let (entry, names, opened) = loop {
            let (entry, names) = self.find_recorded_names(reference, wanted).await?;
            match self.open_secrets(&entry, &names).await {
                // Record and rows are two reads: a change between them leaves them apart.
                Err(Error::SecretUnreadable { .. }) if attempt < ATTEMPTS => attempt += 1,
                opened => break (entry, names, opened),
            }
        };
        let event = Event::new(self.call(), Action::SecretsRead).of(&entry).naming(FieldNames::of_secrets(&names));
        let outcome = if opened.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        // What cannot be put on record is not handed out.
        self.tenant.record(event.ended(outcome)).await?;
        Ok(Opened { secrets: opened?, entry })
    }

    /// The secret names on record that the caller wants, sorted.
    async fn find_recorded_names(
        &self,
        reference: &Reference,
        wanted: Option<&[String]>,
    ) -> Result<(Arc<Entry>, Vec<SecretName>)> {
        let Integration { entry, installation } = self.integration(reference).await?;
        let installation = installation.filter(|row| row.installed_at.is_some()).ok_or(Error::NotInstalled)?;
        let absent = wanted.into_iter().flatten().filter(|name| !installation.secret_names.contains(name));
        let problems: Vec<_> = absent.map(|name| not_stored(name)).collect();
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let names = installation.secret_names.iter().filter(|name| wanted.is_none_or(|wanted| wanted.contains(name)));
        let malformed = || Error::Internal { cause: "installations.secret_names has a malformed name".into() };
        let names: Result<_> = names.map(|name| SecretName::parse(name).ok_or_else(malformed)).collect();
        Ok((entry, names?))
    }

    /// The values of these secrets, in the order of their names. A row that no record names is not read.
    async fn open_secrets(&self, entry: &Entry, names: &[SecretName]) -> Result<Vec<(SecretName, Plain)>> {
        let stored = if names.is_empty() { Vec::new() } else { self.tenant.secrets(entry.id).await? };
        let mut stored: HashMap<_, _> = stored.into_iter().map(|StoredSecret { name, sealed }| (name, sealed)).collect();
        let mut keys: HashMap<u32, Arc<DataKey>> = HashMap::new();
        let mut opened = Vec::with_capacity(names.len());
        for name in names {
            let place = SecretPlace { account: self.account(), integration: entry.id, connection: CONNECTION, name };
            let sealed = stored.remove(name).ok_or_else(|| unreadable(&place, NO_VALUE))?;
            let key = match keys.get(&sealed.key_id) {
                Some(key) => key.clone(),
                None => {
                    let key = self.inner().keys.opening_key(&self.tenant, sealed.key_id).await?;
                    key.ok_or_else(|| unreadable(&place, &format!("needs data key {}, which is gone", sealed.key_id)))?
                }
            };
            let plain = key.open(&place, &sealed.bytes)?;
            keys.insert(sealed.key_id, key);
            opened.push((name.clone(), plain));
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
