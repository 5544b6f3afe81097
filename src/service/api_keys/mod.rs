//! API keys: making, listing and revoking them, and letting in who holds one.
//!
//! What a key is good for never changes; it can only end.

mod admission;
mod listing;
mod notes;
mod pepper;

use uuid::Uuid;

pub use listing::ApiKeyPage;
pub use pepper::Pepper;

use super::repeats::{Asked, Content, Done};
use super::{TenantServices, startup};
use crate::domain::limits::API_KEYS_IN_FORCE;
use crate::domain::{
    AccountId, Accounts, Action, Actor, ActorKind, ApiKey, ApiKeyRef, ApiKeySecret, ApiKeyWish, Call, Event,
    FieldNames, IdempotencyKey, NewApiKey, Operation, Principal, PublicId, Scopes, Slice, WishedAccounts,
};
use crate::error::{Denial, Error, InputProblem, Result};
use crate::store::{self, ApiKeyStore, KeysOf, Room, Store, StoredKey};
use admission::Admission;

/// What the key of a first start is called.
const FIRST: &str = "first start";

/// The API keys of a server.
pub struct ApiKeys {
    keys: ApiKeyStore,
    /// Without one no key can be made or proven.
    pepper: Option<Pepper>,
    /// Whether they are taken as credentials.
    is_on: bool,
    admission: Admission,
}

/// A key just made, and the one copy there is of its text.
pub struct MadeKey {
    /// What is known of it.
    pub key: ApiKey,
    /// Its text.
    pub secret: ApiKeySecret,
}

impl ApiKeys {
    /// Puts the pepper on record, or compares it with the one that is.
    ///
    /// # Errors
    /// A sentence for the operator: the database fails, or the keys were made with another pepper.
    pub async fn start(store: &Store, pepper: Option<Pepper>, is_on: bool) -> std::result::Result<Self, String> {
        let keys = store.api_keys();
        if let Some(pepper) = &pepper {
            let ours = pepper.fingerprint();
            let recorded = keys.record_pepper(ours.clone()).await.map_err(startup::sentence)?;
            if recorded != ours {
                return Err(format!(
                    "this database has API keys made with a pepper of fingerprint {recorded}, but auth.pepper has \
                     fingerprint {ours}: set PATCHBAY_AUTH_PEPPER to the pepper that was used before"
                ));
            }
        }
        Ok(Self { admission: Admission::new(keys.clone()), keys, pepper, is_on })
    }

    /// Makes a key on behalf of someone who may give no more than they have.
    ///
    /// # Errors
    /// [`Error::ApiKeyInvalid`] with one problem per field, also when there are too many keys already;
    /// [`Error::Forbidden`] for a scope or account that the principal lacks, a key that would outlive the one that makes
    /// it, or a server without a pepper; those of the database.
    pub async fn create(&self, by: &Call, own: Option<&AccountId>, wish: ApiKeyWish) -> Result<MadeKey> {
        self.create_asked(by, own, wish, &Asked::once()).await
    }

    async fn create_asked(
        &self,
        by: &Call,
        own: Option<&AccountId>,
        wish: ApiKeyWish,
        asked: &Asked,
    ) -> Result<MadeKey> {
        let new = wish.check(own, store::now())?;
        may_give(&by.principal, &new)?;
        let made = self.make(by, new, Room::Below(API_KEYS_IN_FORCE), asked).await?;
        made.ok_or_else(|| {
            let message = format!("have {API_KEYS_IN_FORCE} keys in force, the most there may be: revoke one first");
            Error::ApiKeyInvalid(vec![InputProblem { field: "accounts", message }])
        })
    }

    /// The key that a first start gives its operator; `None` when there ever was a key. Of several replicas that start at
    /// once, one gets it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_first(&self) -> Result<Option<MadeKey>> {
        if !self.keys.is_empty().await? {
            return Ok(None);
        }
        let system = Call::trusted(ActorKind::System, FIRST);
        let new = NewApiKey { name: FIRST.into(), scopes: Scopes::ADMIN, accounts: Accounts::All, expires_at: None };
        self.make(&system, new, Room::First, &Asked::once()).await
    }

    /// Ends a key at once; one that is revoked already stays as it is. Named on behalf of an account, it must be visible
    /// to it.
    ///
    /// # Errors
    /// [`Error::ApiKeyNotFound`]; those of the database.
    pub async fn revoke(&self, by: &Call, account: Option<&AccountId>, named: &str) -> Result<ApiKey> {
        self.revoke_asked(by, account, named, &Asked::once()).await
    }

    async fn revoke_asked(&self, by: &Call, account: Option<&AccountId>, named: &str, asked: &Asked) -> Result<ApiKey> {
        let Some(named) = ApiKeyRef::parse(named) else { return Err(Error::ApiKeyNotFound) };
        let key = self.find(named).await?;
        if account.is_some_and(|account| !key.is_visible(account, &by.principal.accounts)) {
            return Err(Error::ApiKeyNotFound);
        }
        if key.revoked_at.is_some() {
            asked.record_unchanged(key.id).await?;
            return Ok(key);
        }
        let (event, by) = (event(by, Action::ApiKeyRevoked, &key), name_of(&by.principal.actor));
        if !self.keys.revoke(&key, store::now(), by, event, asked.on_record(key.id, true, None)).await? {
            asked.record_unchanged(key.id).await?;
        }
        if let Some(id) = PublicId::parse(&key.public_id) {
            self.admission.forget(id);
        }
        // Somebody else may have been faster.
        self.find(ApiKeyRef::Id(key.id)).await
    }

    /// Every key there is, or those that are for an account among others, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn all(&self, account: Option<&AccountId>) -> Result<Vec<ApiKey>> {
        let of = account.map_or(KeysOf::Anyone, KeysOf::OnlyOrSeveral);
        let mut keys = Vec::new();
        let mut before = None;
        loop {
            let chunk = self.keys.list(of, before, listing::CHUNK).await?;
            before = chunk.last().map(|key| key.id);
            let is_last = (chunk.len() as u64) < listing::CHUNK;
            keys.extend(chunk.into_iter().filter(|key| account.is_none_or(|account| key.accounts.cover(account))));
            if is_last {
                return Ok(keys);
            }
        }
    }

    async fn find(&self, named: ApiKeyRef) -> Result<ApiKey> {
        self.keys.find(named).await?.map(|stored| stored.key).ok_or(Error::ApiKeyNotFound)
    }

    async fn make(&self, by: &Call, new: NewApiKey, room: Room, asked: &Asked) -> Result<Option<MadeKey>> {
        let pepper = self.pepper.as_ref().ok_or(Error::Forbidden(Denial::NoPepper))?;
        let secret = ApiKeySecret::generate()?;
        let key = ApiKey {
            id: Uuid::now_v7(),
            public_id: secret.public_id().as_str().to_owned(),
            name: new.name,
            scopes: new.scopes,
            accounts: new.accounts,
            created_at: store::now(),
            created_by: name_of(&by.principal.actor),
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
            revoked_by: None,
        };
        let stored = StoredKey { key: key.clone(), digest: pepper.digest(&secret) };
        let event = event(by, Action::ApiKeyCreated, &key);
        let asker = asked.on_record(key.id, true, None);
        let is_added = self.keys.add(stored, pepper.fingerprint(), room, event, asker).await?;
        Ok(is_added.then_some(MadeKey { key, secret }))
    }
}

/// Nobody gives more than they have, and no key makes one that outlives it. What a person holds ends within minutes and
/// is given anew: their keys may stay.
fn may_give(by: &Principal, new: &NewApiKey) -> Result<()> {
    if let Some(scope) = by.scopes.first_beyond(new.scopes) {
        return Err(Error::Forbidden(Denial::KeyScope(scope)));
    }
    if !by.accounts.cover_all(&new.accounts) {
        return Err(Error::Forbidden(Denial::KeyAccounts));
    }
    match by.expires_at.filter(|_| by.actor.kind == ActorKind::ApiKey) {
        Some(end) if new.expires_at.is_none_or(|at| at > end) => Err(Error::Forbidden(Denial::KeyExpiry)),
        _ => Ok(()),
    }
}

/// What the audit log keeps of a key's birth or end.
fn event(by: &Call, action: Action, key: &ApiKey) -> Event {
    Event::new(by, action).naming(FieldNames::of_api_key(&key.public_id))
}

/// Who did something, `api_key:8Fq2LmZx` style.
fn name_of(actor: &Actor) -> String {
    match actor.id.as_str() {
        "" => actor.kind.as_str().to_owned(),
        id => format!("{}:{id}", actor.kind.as_str()),
    }
}

impl TenantServices {
    /// A page of the keys that are visible to the account, newest first.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a cursor of another list; those of the database.
    pub async fn api_keys(&self, page: ApiKeyPage) -> Result<Slice<ApiKey>> {
        self.inner().api_keys.page(self.account(), &self.call.principal.accounts, page).await
    }

    /// Makes a key; for the account itself where the wish names none.
    ///
    /// # Errors
    /// Those of [`ApiKeys::create`]; with an idempotency key [`Error::RequestRunning`], [`Error::KeyReused`], and
    /// [`Error::ApiKeyShownBefore`] for a request that made one before.
    pub async fn create_api_key(&self, wish: ApiKeyWish, key: Option<IdempotencyKey>) -> Result<MadeKey> {
        let accounts = match &wish.accounts {
            WishedAccounts::Own => None,
            WishedAccounts::All => Some(&[][..]),
            WishedAccounts::Only(accounts) => Some(&accounts[..]),
        };
        let all = (&wish.name, &wish.scopes, accounts, wish.expires_at);
        let asked = self.asked(key, Operation::CreateApiKey, Content { all: &all, has_secrets: false }).await?;
        let keys = &self.inner().api_keys;
        if let Some(earlier) = asked.earlier() {
            let public_id = keys.find(ApiKeyRef::Id(earlier.subject)).await?.public_id;
            return Err(Error::ApiKeyShownBefore { public_id });
        }
        keys.create_asked(&self.call, Some(self.account()), wish, &asked).await
    }

    /// Ends a key that is visible to the account, named by either of its ids.
    ///
    /// # Errors
    /// Those of [`ApiKeys::revoke`]; with an idempotency key [`Error::RequestRunning`] and [`Error::KeyReused`].
    pub async fn revoke_api_key(&self, named: &str, key: Option<IdempotencyKey>) -> Result<Done<ApiKey>> {
        let asked = self.asked(key, Operation::RevokeApiKey, Content { all: &named, has_secrets: false }).await?;
        let keys = &self.inner().api_keys;
        match asked.earlier() {
            Some(earlier) => keys.find(ApiKeyRef::Id(earlier.subject)).await.map(Done::before),
            None => keys.revoke_asked(&self.call, Some(self.account()), named, &asked).await.map(Done::now),
        }
    }
}
