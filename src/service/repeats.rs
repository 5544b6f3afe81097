//! Requests that are made twice and done once: each has a key that its client gave it, and what came of it is on record for
//! a day. The record holds a keyed digest of what was supplied, never the thing itself, and no answer.

use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::TenantServices;
use super::under_way::Entered;
use crate::domain::{AccountId, IdempotencyKey, Operation, Reference};
use crate::error::{Error, Result};
use crate::store::{Receipt, TenantStore};
use crate::vault::DataKey;

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The answer.
    pub what: T,
    /// Whether it was done before, under the same key: then it is what came of it, as it stands now.
    pub is_replay: bool,
}

impl<T> Done<T> {
    pub(super) fn now(what: T) -> Self {
        Self { what, is_replay: false }
    }

    pub(super) fn before(what: T) -> Self {
        Self { what, is_replay: true }
    }
}

/// Keys are names within an account.
pub(super) type Name = (AccountId, IdempotencyKey);

/// A request, by its key if it has one.
pub(super) struct Asked(Option<Keyed>);

struct Keyed {
    entered: Entered<Name>,
    tenant: TenantStore,
    operation: Operation,
    /// What was supplied, which may hold secrets.
    content: Zeroizing<Vec<u8>>,
    has_secrets: bool,
    earlier: Option<Receipt>,
}

/// What a client supplies with a request.
pub(super) struct Content<'a, T> {
    /// All of it, written out for comparison.
    pub(super) all: &'a T,
    /// Whether any of it must stay secret.
    pub(super) has_secrets: bool,
}

impl TenantServices {
    /// Enters a request. One with a key that was done before carries the receipt.
    ///
    /// # Errors
    /// [`Error::RequestRunning`]; [`Error::KeyReused`] when the key stands for another request;
    /// [`Error::SecretsUnavailable`] when secrets are to be compared, and their key cannot be used; those of the database.
    pub(super) async fn asked(
        &self,
        key: Option<IdempotencyKey>,
        operation: Operation,
        content: Content<'_, impl Serialize>,
    ) -> Result<Asked> {
        let Some(key) = key else { return Ok(Asked::once()) };
        let entered = self.inner().running.enter((self.account().clone(), key)).ok_or(Error::RequestRunning)?;
        let written = serde_json::to_vec(content.all).map_err(|e| Error::Internal { cause: e.to_string() })?;
        let earlier = self.tenant.receipt(&entered.thing().1).await?;
        let asked = Keyed {
            entered,
            tenant: self.tenant.clone(),
            operation,
            content: Zeroizing::new(written),
            has_secrets: content.has_secrets,
            earlier,
        };
        if let Some(earlier) = &asked.earlier {
            let data_key = match earlier.key_id {
                0 => None,
                id => self.inner().keys.opening_key(&self.tenant, id).await?,
            };
            // A data key that was destroyed since leaves nothing to compare with: then nobody is told that it is the same.
            if !asked.is_same(earlier, data_key.as_deref()) {
                return Err(Error::KeyReused);
            }
        }
        Ok(Asked(Some(asked)))
    }
}

impl Asked {
    /// A request without a key.
    pub(super) fn once() -> Self {
        Self(None)
    }

    /// What came of it before.
    pub(super) fn earlier(&self) -> Option<&Receipt> {
        self.0.as_ref()?.earlier.as_ref()
    }

    /// A handle that puts on record what is done with it; `None` for a request without a key. Secrets need a data key.
    pub(super) fn on_record(&self, subject: Uuid, changed: bool, data_key: Option<&DataKey>) -> Option<TenantStore> {
        let keyed = self.0.as_ref()?;
        let data_key = data_key.filter(|_| keyed.has_secrets);
        Some(keyed.tenant.carrying(Receipt {
            key: keyed.entered.thing().1.clone(),
            operation: keyed.operation.rest().to_owned(),
            digest: keyed.digest(data_key),
            key_id: data_key.map_or(0, DataKey::id),
            subject,
            changed,
        }))
    }

    /// Puts on record that nothing was to be done.
    ///
    /// # Errors
    /// [`Error::RequestRunning`] when another replica was faster; those of the database.
    pub(super) async fn record_unchanged(&self, subject: Uuid) -> Result<()> {
        match self.on_record(subject, false, None) {
            Some(tenant) => tenant.keep_receipt().await,
            None => Ok(()),
        }
    }
}

impl Keyed {
    fn is_same(&self, earlier: &Receipt, data_key: Option<&DataKey>) -> bool {
        let digest = self.digest(data_key);
        earlier.operation == self.operation.rest()
            && data_key.is_some() == self.has_secrets
            && bool::from(digest.ct_eq(&earlier.digest))
    }

    /// With secrets in it, keyed with the data key: whoever reads the table alone can try no guess. Without, there is
    /// nothing to guess that the table next to it does not hold in the clear.
    fn digest(&self, data_key: Option<&DataKey>) -> [u8; 32] {
        match data_key {
            Some(data_key) => data_key.digest(&self.content),
            None => {
                Sha256::new_with_prefix(self.entered.thing().0.as_str()).chain_update(&self.content).finalize().into()
            }
        }
    }
}

/// A reference as it is compared: the id and the name of an integration are two requests.
pub(super) fn written(reference: &Reference) -> String {
    match reference {
        Reference::Id(id) => format!("id:{id}"),
        Reference::Name(name) => format!("name:{name}"),
    }
}
