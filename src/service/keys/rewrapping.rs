//! Moving data keys from one provider key to another. The data keys stay the same, and so does what they sealed.

use super::{KeyKeeper, wrapped};
use crate::domain::AccountId;
use crate::error::{Error, Result};
use crate::store::AccountKey;
use crate::vault::Fault;

impl KeyKeeper {
    /// The provider key that wraps new data keys.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the provider does not tell.
    pub async fn current_kek_ref(&self) -> Result<String> {
        self.vault.current_kek_ref().await.map_err(unavailable)
    }

    /// Wraps the account's data keys with this provider key, which is the current one; how many were wrapped with another.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when a provider does not do it; those of the database.
    pub async fn rewrap(&self, account: &AccountId, current: &str) -> Result<u64> {
        let tenant = self.store.tenant(account.clone());
        let mut rewrapped = 0;
        for before in tenant.keys().await?.into_iter().filter(|key| key.kek_ref != current) {
            let after = self.vault.rewrap(account, &wrapped(before.clone())).await.map_err(unavailable)?;
            let after =
                AccountKey { provider: after.provider, kek_ref: after.kek_ref, wrapped: after.bytes, ..before.clone() };
            // With a provider key for each account it may have been current already.
            if after.kek_ref != before.kek_ref {
                rewrapped += u64::from(self.considerately(tenant.replace_wrapped(before, after)).await?);
            }
        }
        Ok(rewrapped)
    }
}

pub(super) fn unavailable(fault: Fault) -> Error {
    Error::SecretsUnavailable { cause: fault.cause().to_owned(), retry_after: super::RETRY_AFTER_SECONDS }
}
