//! API keys: making, listing and revoking them, and letting in who holds one.
//!
//! What a key is good for never changes; it can only end. `rights` authenticates what the table says of it.

mod admission;
mod listing;
mod notes;
mod pepper;
mod rights;

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

pub use listing::ApiKeyPage;
pub use pepper::Pepper;
pub use rights::RightsObserver;

use super::repeats::{Asked, Content, Done, Subject};
use super::{TenantServices, startup};
use crate::domain::limits::API_KEYS_IN_FORCE;
use crate::domain::{
    AccountId, Accounts, Action, Actor, ActorKind, ApiKey, ApiKeyRef, ApiKeySecret, ApiKeyWish, Call, Event,
    FieldNames, IdempotencyKey, NewApiKey, Operation, Principal, PublicId, Scope, Scopes, Slice, WishedAccounts,
};
use crate::error::{Denial, Error, InputProblem, Result, StartError};
use crate::store::{self, ApiKeyStore, KeysOf, Revocation, Room, Store, StoredKey};
use admission::Admission;
use rights::Rights;

/// What the key of a first start is called.
const FIRST: &str = "first start";
/// How long the key of a first start is valid: it is printed, and a log may keep it.
const FIRST_KEY_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Settings of API keys.
#[derive(Clone, Debug)]
pub struct ApiKeyPolicy {
    /// Whether they are taken as credentials.
    pub is_on: bool,
    /// Whether keys that an older version made are adopted.
    pub adopts_unsigned: bool,
    /// Longest life of a key that is made with a token; `None` for no limit.
    pub max_token_key_life: Option<TimeDelta>,
    /// Requests per minute of a key without a rate of its own; `None` where requests are not limited.
    pub default_rate: Option<NonZeroU32>,
}

/// The API keys of a server.
pub struct ApiKeys {
    keys: ApiKeyStore,
    /// Without one no key can be made or proven.
    pepper: Option<Pepper>,
    policy: ApiKeyPolicy,
    rights: Arc<Rights>,
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
    /// Puts the pepper on record, or compares it with the one that is; signs the keys of older versions.
    ///
    /// # Errors
    /// A sentence for the operator: the database fails, or the keys were made with another pepper.
    pub async fn start(
        store: &Store,
        pepper: Option<Pepper>,
        policy: ApiKeyPolicy,
        observer: RightsObserver,
    ) -> std::result::Result<Self, StartError> {
        let keys = store.api_keys();
        if let Some(pepper) = &pepper {
            let ours = pepper.fingerprint();
            let recorded = keys.record_pepper(ours.clone()).await.map_err(startup::sentence)?;
            if recorded != ours {
                return Err(StartError::Permanent(format!(
                    "this database has API keys made with a pepper of fingerprint {recorded}, but auth.pepper has \
                     fingerprint {ours}: set PATCHBAY_AUTH_PEPPER to the pepper that was used before"
                )));
            }
        }
        let rights = Rights::start(keys.clone(), pepper.as_ref(), policy.adopts_unsigned, observer).await;
        let rights = Arc::new(rights.map_err(startup::sentence)?);
        Ok(Self { admission: Admission::new(keys.clone(), rights.clone()), keys, pepper, policy, rights })
    }

    /// Makes a key on behalf of someone who may give no more than they have.
    ///
    /// # Errors
    /// [`Error::ApiKeyInvalid`] with one problem per field, also when there are too many keys already;
    /// [`Error::Forbidden`] for a scope or account that the principal lacks, a key that would outlive the one that makes
    /// it, or a server without a pepper; those of the database.
    pub async fn create(&self, by: &Call, own: Option<&AccountId>, wish: ApiKeyWish) -> Result<MadeKey> {
        let now = store::now();
        let new = self.limited(&by.principal, wish.check(own, now)?, now)?;
        may_give(&by.principal, &new)?;
        self.create_asked(by, new, &Asked::once()).await
    }

    /// Makes a key that [`may_give`] allows.
    async fn create_asked(&self, by: &Call, new: NewApiKey, asked: &Asked) -> Result<MadeKey> {
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
        let new = NewApiKey {
            name: FIRST.into(),
            scopes: Scopes::ADMIN,
            accounts: Accounts::All,
            expires_at: Some(store::now() + FIRST_KEY_LIFETIME),
            rate: None,
        };
        self.make(&system, new, Room::First, &Asked::once()).await
    }

    /// Ends a key at once; one that is revoked already stays as it is. Named on behalf of an account, it must be visible
    /// to it.
    ///
    /// # Errors
    /// [`Error::ApiKeyNotFound`]; those of the database.
    pub async fn revoke(&self, by: &Call, account: Option<&AccountId>, named: &str) -> Result<ApiKey> {
        let stored = self.find_visible(by, account, named).await?;
        may_revoke(&by.principal, &stored.key)?;
        self.revoke_asked(by, stored, &Asked::once()).await
    }

    /// Finds the key that is named by either of its ids. Named on behalf of an account, it must be visible to it.
    async fn find_visible(&self, by: &Call, account: Option<&AccountId>, named: &str) -> Result<StoredKey> {
        let Some(named) = ApiKeyRef::parse(named) else { return Err(Error::ApiKeyNotFound) };
        let stored = self.find_stored(named).await?;
        match account.is_none_or(|account| stored.key.is_visible(account, &by.principal.accounts)) {
            true => Ok(stored),
            false => Err(Error::ApiKeyNotFound),
        }
    }

    async fn revoke_asked(&self, by: &Call, stored: StoredKey, asked: &Asked) -> Result<ApiKey> {
        let key = stored.key.clone();
        if key.revoked_at.is_some() {
            asked.record_unchanged(key.id).await?;
            return Ok(key);
        }
        let event = event(by, Action::ApiKeyRevoked, &key);
        let revocation = self.revocation(&stored, name_of(&by.principal.actor));
        if !self.keys.revoke(&key, revocation, event, asked.on_record(key.id, true, None)).await? {
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

    /// Revokes a key that could not be shown, and deletes it where `is_first` says that the next start is to make another.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn withdraw(&self, by: &Call, key: &ApiKey, is_first: bool) -> Result<()> {
        self.revoke(by, None, &key.id.to_string()).await?;
        if is_first { self.keys.delete(key.id).await } else { Ok(()) }
    }

    /// Signs keys that older replicas made during a rolling upgrade, and deletes keys that ended before this time, at most
    /// 10,000; returns how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tidy(&self, ended_before: Option<DateTime<Utc>>) -> Result<u64> {
        self.rights.adopt_all().await?;
        match ended_before {
            Some(before) => self.keys.delete_ended(before).await,
            None => Ok(0),
        }
    }

    async fn find(&self, named: ApiKeyRef) -> Result<ApiKey> {
        self.find_stored(named).await.map(|stored| stored.key)
    }

    async fn find_stored(&self, named: ApiKeyRef) -> Result<StoredKey> {
        self.keys.find(named).await?.ok_or(Error::ApiKeyNotFound)
    }

    /// The end of a key. One that was not signed is not signed now either.
    fn revocation(&self, stored: &StoredKey, by: String) -> Revocation {
        let at = store::now();
        let key = ApiKey { revoked_at: Some(at), ..stored.key.clone() };
        let rights_mac = match self.rights.is_signed(stored) {
            true => self.rights.sign(&StoredKey { key, ..stored.clone() }),
            false => Vec::new(),
        };
        Revocation { at, by, rights_mac }
    }

    /// The new key within the bounds that its maker does not choose: the life of a key that is made with a token, and the
    /// rate of a maker whose own is below the default.
    fn limited(&self, by: &Principal, new: NewApiKey, now: DateTime<Utc>) -> Result<NewApiKey> {
        let expires_at = match self.policy.max_token_key_life.filter(|_| by.actor.kind == ActorKind::Token) {
            None => new.expires_at,
            Some(life) if new.expires_at.is_some_and(|end| end > now + life) => {
                let days = life.num_days();
                let message = format!("must be at most {days} days ahead for a key that is made with a token");
                return Err(Error::ApiKeyInvalid(vec![InputProblem { field: "expires_at", message }]));
            }
            Some(life) => Some(new.expires_at.unwrap_or(now + life)),
        };
        let rate = self.rate(by, new.rate)?;
        Ok(NewApiKey { expires_at, rate, ..new })
    }

    /// The rate of a new key. Who is no operator gives at most the default, and at most their own.
    fn rate(&self, by: &Principal, wanted: Option<NonZeroU32>) -> Result<Option<NonZeroU32>> {
        if by.scopes.allow(Scope::Admin) && by.accounts == Accounts::All {
            return Ok(wanted);
        }
        let own = by.rate.filter(|own| self.policy.default_rate.is_none_or(|default| *own < default));
        let Some(most) = own.or(self.policy.default_rate) else { return Ok(wanted) };
        match wanted {
            Some(wanted) if wanted > most => Err(Error::Forbidden(Denial::KeyRate(most.get()))),
            Some(wanted) => Ok(Some(wanted)),
            None => Ok(own),
        }
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
            rate: new.rate,
        };
        let scope_words = key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
        let mut stored = StoredKey { key: key.clone(), digest: pepper.digest(&secret), scope_words, rights_mac: None };
        stored.rights_mac = Some(self.rights.sign(&stored));
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

/// Refuses to revoke a key with a scope that the principal lacks.
fn may_revoke(by: &Principal, key: &ApiKey) -> Result<()> {
    match by.scopes.first_beyond(key.scopes) {
        Some(scope) => Err(Error::Forbidden(Denial::RevokedKeyScope(scope))),
        None => Ok(()),
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
        let mut all = vec![json!(wish.name), json!(wish.scopes), json!(accounts), json!(wish.expires_at)];
        // A request without one is the same as before there were any.
        all.extend(wish.rate.map(Value::from));
        let (keys, now) = (&self.inner().api_keys, store::now());
        let new = keys.limited(&self.call.principal, wish.check(Some(self.account()), now)?, now)?;
        may_give(&self.call.principal, &new)?;
        let content = Content { subject: Subject::New, write: |_: &str| serde_json::to_vec(&all), has_secrets: false };
        let asked = self.asked(key, Operation::CreateApiKey, content).await?;
        if let Some(earlier) = asked.earlier() {
            let made = keys.find_visible(&self.call, Some(self.account()), &earlier.subject.to_string()).await?;
            return Err(Error::ApiKeyShownBefore { public_id: made.key.public_id });
        }
        keys.create_asked(&self.call, new, &asked).await
    }

    /// Ends a key that is visible to the account, named by either of its ids.
    ///
    /// # Errors
    /// Those of [`ApiKeys::revoke`]; with an idempotency key [`Error::RequestRunning`] and [`Error::KeyReused`].
    pub async fn revoke_api_key(&self, named: &str, key: Option<IdempotencyKey>) -> Result<Done<ApiKey>> {
        let keys = &self.inner().api_keys;
        let found = keys.find_visible(&self.call, Some(self.account()), named).await?;
        may_revoke(&self.call.principal, &found.key)?;
        let subject = Subject::ApiKey { id: found.key.id, named };
        let content = Content { subject, write: serde_json::to_vec::<str>, has_secrets: false };
        let asked = self.asked(key, Operation::RevokeApiKey, content).await?;
        match asked.earlier() {
            Some(_) => Ok(Done::before(found.key)),
            None => keys.revoke_asked(&self.call, found, &asked).await.map(Done::now),
        }
    }
}
