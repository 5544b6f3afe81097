//! Requests that are made twice and done once: each has a key that its client gave it, and what came of it is on record for
//! a day. The record holds a keyed digest of what was supplied and by whom, never the thing itself, and no answer.
//!
//! Callers check what the actor may do and see before they call [`TenantServices::asked`]: an actor who would be
//! refused without a record learns nothing from one.

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

/// First part of each record's content, which records of version 0.1 lack.
const RECORD_VERSION: &str = "patchbay.idempotency.v2";

/// Keys are names within an account.
pub(super) type Name = (AccountId, IdempotencyKey);

/// A request, by its key if it has one.
pub(super) struct Asked(Option<Keyed>);

struct Keyed {
    entered: Entered<Name>,
    tenant: TenantStore,
    operation: Operation,
    /// The actor and what was supplied, which may hold secrets.
    content: Zeroizing<Vec<u8>>,
    has_secrets: bool,
    earlier: Option<Receipt>,
}

/// What a client supplies with a request.
pub(super) struct Content<'a, F> {
    pub(super) subject: Subject<'a>,
    /// Writes everything for comparison, with this text in place of the subject's name.
    pub(super) write: F,
    /// Whether any of it must stay secret.
    pub(super) has_secrets: bool,
}

/// The object that a request changes.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// The request creates it.
    New,
    Integration(&'a Reference),
    ApiKey {
        id: Uuid,
        /// The text that names it in the request.
        named: &'a str,
    },
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
        content: Content<'_, impl Fn(&str) -> serde_json::Result<Vec<u8>>>,
    ) -> Result<Asked> {
        let Some(key) = key else { return Ok(Asked::once()) };
        let entered = self.inner().running.enter((self.account().clone(), key)).ok_or(Error::RequestRunning)?;
        let write = |name: &str| {
            let written = (content.write)(name).map(Zeroizing::new);
            written.map_err(|e| Error::Internal { cause: e.to_string() })
        };
        let canonical = self.canonical_name(content.subject).await?;
        let mut bound = Zeroizing::new(self.actor_prefix()?);
        bound.extend_from_slice(&write(&canonical)?);
        let earlier = self.tenant.receipt(&entered.thing().1).await?;
        let asked = Keyed {
            entered,
            tenant: self.tenant.clone(),
            operation,
            content: bound,
            has_secrets: content.has_secrets,
            earlier,
        };
        if let Some(earlier) = &asked.earlier {
            let data_key = match earlier.key_id {
                0 => None,
                id => self.inner().keys.opening_key(&self.tenant, id).await?,
            };
            // A data key that was destroyed since leaves nothing to compare with: then nobody is told that it is the same.
            let data_key = data_key.as_deref();
            if !asked.is_same(earlier, &asked.content, data_key) {
                // Version 0.1 wrote no actor, and the subject's name as the client gave it.
                let unbound = write(&content.subject.name_as_given())?;
                if !asked.is_same(earlier, &unbound, data_key) {
                    return Err(Error::KeyReused);
                }
            }
        }
        Ok(Asked(Some(asked)))
    }

    /// The account and the actor as a JSON array: another principal's request is another request.
    fn actor_prefix(&self) -> Result<Vec<u8>> {
        let actor = &self.call().principal.actor;
        let prefix = (RECORD_VERSION, self.account().as_str(), actor.kind.as_str(), &actor.id);
        serde_json::to_vec(&prefix).map_err(|e| Error::Internal { cause: e.to_string() })
    }

    /// The subject's id, so that all names of one subject make one request.
    async fn canonical_name(&self, subject: Subject<'_>) -> Result<String> {
        match subject {
            Subject::New => Ok(String::new()),
            Subject::Integration(reference) => self.canonical_reference(reference).await,
            Subject::ApiKey { id, .. } => Ok(id.to_string()),
        }
    }

    /// The reference by its id, so that an integration's name and its id make one request. The name of an own entry
    /// that was deleted still has its id.
    async fn canonical_reference(&self, reference: &Reference) -> Result<String> {
        let id = match (self.find_listed(reference).await, reference) {
            (Ok(listed), _) => Some(listed.entry.id),
            (Err(Error::NotFound), Reference::Name(name)) => self.tenant.own_entry_id(name).await?,
            (Err(Error::NotFound), Reference::Id(id)) => Some(*id),
            (Err(error), _) => return Err(error),
        };
        Ok(id.map_or_else(|| written(reference), |id| written(&Reference::Id(id))))
    }
}

impl Subject<'_> {
    fn name_as_given(self) -> String {
        match self {
            Self::New => String::new(),
            Self::Integration(reference) => written(reference),
            Self::ApiKey { named, .. } => named.to_owned(),
        }
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
            digest: keyed.digest(&keyed.content, data_key),
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
    fn is_same(&self, earlier: &Receipt, content: &[u8], data_key: Option<&DataKey>) -> bool {
        let digest = self.digest(content, data_key);
        earlier.operation == self.operation.rest()
            && data_key.is_some() == self.has_secrets
            && bool::from(digest.ct_eq(&earlier.digest))
    }

    /// With secrets in it, keyed with the data key: whoever reads the table alone can try no guess. Without, there is
    /// nothing to guess that the table next to it does not hold in the clear.
    fn digest(&self, content: &[u8], data_key: Option<&DataKey>) -> [u8; 32] {
        match data_key {
            Some(data_key) => data_key.digest(content),
            None => Sha256::new_with_prefix(self.entered.thing().0.as_str()).chain_update(content).finalize().into(),
        }
    }
}

/// A reference as a digest holds it.
fn written(reference: &Reference) -> String {
    match reference {
        Reference::Id(id) => format!("id:{id}"),
        Reference::Name(name) => format!("name:{name}"),
    }
}
