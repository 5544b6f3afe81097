//! Forgetting: an account for good, and a provider key that nothing needs any more.

use super::rewrapping::unavailable;
use super::{KeyKeeper, startup};
use crate::domain::{AccountId, Action, Call, Event, FieldNames};
use crate::error::Result;
use crate::store::Shredded;

impl KeyKeeper {
    /// Destroys the account's data keys, deletes its installations and what is sealed in them, and destroys provider keys
    /// that are the account's alone; the second value names their providers. Can be repeated. The audit log stays.
    ///
    /// # Errors
    /// Those of the database; [`SecretsUnavailable`](crate::error::Error::SecretsUnavailable) when a provider key could
    /// not be destroyed: everything else is then done.
    pub async fn shred(&self, account: &AccountId, call: &Call) -> Result<(Shredded, Vec<&'static str>)> {
        let event = Event::new(call, Action::AccountShredded);
        let shredded = self.store.tenant(account.clone()).shred(event).await?;
        self.vault.forget(account, &[]);
        self.store.system().drop_keys().await?;
        let destroyed = self.vault.destroy_keys_of(account).await.map_err(unavailable)?;
        Ok((shredded, destroyed))
    }

    /// Forgets a provider key that wraps no data key any more: from then on the server starts without it.
    ///
    /// # Errors
    /// A sentence for the operator when it is needed still, is the current one, or is not known.
    pub async fn retire(&self, kek_ref: &str, call: &Call) -> std::result::Result<(), String> {
        let system = self.store.system();
        let needed = self.wrapped_with(kek_ref).await.map_err(startup::sentence)?;
        if needed > 0 {
            return Err(format!(
                "{kek_ref} still wraps {needed} data keys: make another key current, and run `patchbay keys rewrap` first"
            ));
        }
        // Its provider may be away, or its check not open any more: that is no reason to keep it.
        let current = match self.vault.providers().next() {
            Some(first) => self.vault.current_key_of(first).await.ok(),
            None => None,
        };
        if current.is_some_and(|current| current == kek_ref) {
            return Err(format!(
                "{kek_ref} is the current key, which wraps new data keys: make another one current first"
            ));
        }
        let event = Event::new(call, Action::ProviderKeyRetired).naming(FieldNames::of_provider_key(kek_ref));
        match system.retire_key(kek_ref, event).await.map_err(startup::sentence)? {
            true => Ok(()),
            false => Err(format!("no key {kek_ref} is on record: `patchbay keys status` lists those that are")),
        }
    }

    /// Whether a server needs this provider key still, to start or to unwrap with.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn needs(&self, kek_ref: &str) -> Result<bool> {
        let is_on_record = self.store.system().key_checks().await?.iter().any(|check| check.kek_ref == kek_ref);
        Ok(is_on_record || self.wrapped_with(kek_ref).await? > 0)
    }

    /// How many data keys it wraps.
    async fn wrapped_with(&self, kek_ref: &str) -> Result<u64> {
        let counts = self.store.system().key_counts().await?;
        let wrapped = counts.iter().filter(|count| count.kek_ref == kek_ref && count.is_in_use());
        Ok(wrapped.map(|count| count.count).sum())
    }
}
