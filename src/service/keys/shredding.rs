//! Forgetting: an account for good, and a provider key that nothing needs any more.

use super::rewrapping::unavailable;
use super::{KeyKeeper, startup};
use crate::domain::{AccountId, Action, Call, Event};
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
    pub async fn retire(&self, kek_ref: &str) -> std::result::Result<(), String> {
        let system = self.store.system();
        let counts = system.key_counts().await.map_err(startup::sentence)?;
        let needed = counts.iter().filter(|count| count.kek_ref == kek_ref && count.state != "destroyed");
        let needed: u64 = needed.map(|count| count.count).sum();
        if needed > 0 {
            return Err(format!(
                "{kek_ref} still wraps {needed} data keys: make another key current, and run `patchbay keys rewrap` first"
            ));
        }
        if self.vault.current_kek_ref().await.is_ok_and(|current| current == kek_ref) {
            return Err(format!(
                "{kek_ref} is the current key, which wraps new data keys: make another one current first"
            ));
        }
        match system.delete_key_check(kek_ref).await.map_err(startup::sentence)? {
            true => Ok(()),
            false => Err(format!("no key {kek_ref} is on record: `patchbay keys status` lists those that are")),
        }
    }
}
