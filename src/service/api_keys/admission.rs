//! Who holds a key: answered from memory for at most half a second after the database said so.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use quick_cache::sync::Cache;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::ApiKeys;
use super::notes::Notes;
use super::rights::Rights;
use crate::domain::{ActorKind, ApiKeyRef, ApiKeySecret, Principal, PublicId};
use crate::error::{CredentialFault, Error, Result};
use crate::store::{ApiKeyStore, StoredKey, now};

/// How long what was read of a key is believed: a key that was revoked through any replica opens nothing after a second.
const BELIEVED: Duration = Duration::from_millis(500);
/// Keys remembered, about 0.5 KiB each. Of more than these the ones used least are read again each time.
const REMEMBERED: usize = 10_000;
/// How exactly the last use of a key is noted.
const NOTED_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What is remembered of keys, those among them that are none.
pub(super) struct Admission {
    keys: ApiKeyStore,
    rights: Arc<Rights>,
    remembered: Cache<PublicId, Arc<Remembered>>,
    notes: Notes,
}

struct Remembered {
    /// Just before the database was asked.
    asked_at: Instant,
    /// A failure is remembered like the rest, so that requests which waited for it do not each wait for one of their own.
    answer: Result<Option<Known>>,
}

struct Known {
    id: Uuid,
    digest: [u8; 32],
    principal: Arc<Principal>,
    is_revoked: bool,
    /// Whether the row says what was signed.
    is_authentic: bool,
    /// When its next use is to be noted.
    note_from: Option<DateTime<Utc>>,
    is_noted: AtomicBool,
}

impl ApiKeys {
    /// Who holds this credential.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]: invalid for all that is not the whole text of a key, so that only its holder learns
    /// that it expired or was revoked. Those of the database.
    pub async fn authenticate(&self, credential: &str) -> Result<Arc<Principal>> {
        let invalid = || Error::Unauthenticated(CredentialFault::Invalid);
        let pepper = self.pepper.as_ref().filter(|_| self.policy.is_on).ok_or_else(invalid)?;
        let secret = ApiKeySecret::parse(credential).ok_or_else(invalid)?;
        let given = pepper.digest(&secret);
        let remembered = self.admission.recall(secret.public_id()).await;
        let known = remembered.known()?;
        // A key that is not there is compared, too: it takes as long as a wrong secret of one that is.
        let is_proven = bool::from(given.ct_eq(known.map_or(&[0; 32], |known| &known.digest)));
        let known = known.filter(|_| is_proven).ok_or_else(invalid)?;
        let at = now();
        known.check(at)?;
        self.admission.note_use(known, at);
        Ok(known.principal.clone())
    }

    /// Whether a key that opened something long-lived still stands.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it expired or was revoked; those of the database.
    pub async fn check_standing(&self, principal: &Principal) -> Result<()> {
        let Some(id) = PublicId::parse(&principal.actor.id).filter(|_| principal.actor.kind == ActorKind::ApiKey)
        else {
            return Ok(());
        };
        match self.admission.recall(id).await.known()? {
            Some(known) => known.check(now()),
            None => Err(Error::Unauthenticated(CredentialFault::Revoked)),
        }
    }
}

impl Admission {
    pub(super) fn new(keys: ApiKeyStore, rights: Arc<Rights>) -> Self {
        Self { notes: Notes::new(keys.clone(), NOTED_EVERY), remembered: Cache::new(REMEMBERED), keys, rights }
    }

    /// Forgets a key, so that what just happened to it is seen here at once.
    pub(super) fn forget(&self, id: PublicId) {
        self.remembered.remove(&id);
    }

    /// What the database said of a key a moment ago, or says now. Of requests for one key, one asks and the others wait.
    async fn recall(&self, id: PublicId) -> Arc<Remembered> {
        let arrived = Instant::now();
        let is_believed = |known: &Remembered| known.asked_at + BELIEVED > arrived;
        if let Some(known) = self.remembered.get(&id).filter(|known| is_believed(known)) {
            return known;
        }
        loop {
            self.remembered.remove_if(&id, |known| !is_believed(known));
            let Ok(known) = self.remembered.get_or_insert_async(&id, self.ask(id)).await;
            // One that was asked for long before this request came, and was slow, is asked for again.
            if is_believed(&known) {
                return known;
            }
        }
    }

    async fn ask(&self, id: PublicId) -> std::result::Result<Arc<Remembered>, Infallible> {
        let asked_at = Instant::now();
        Ok(Arc::new(Remembered { asked_at, answer: self.look_up(id).await }))
    }

    async fn look_up(&self, id: PublicId) -> Result<Option<Known>> {
        let Some(stored) = self.keys.find(ApiKeyRef::Public(id)).await? else { return Ok(None) };
        let checked = self.rights.check(stored).await?;
        Ok(checked.map(|(stored, is_authentic)| Known::new(stored, is_authentic)))
    }

    fn note_use(&self, known: &Known, at: DateTime<Utc>) {
        if known.note_from.is_none_or(|from| from <= at) && !known.is_noted.swap(true, Ordering::Relaxed) {
            self.notes.add(known.id);
        }
    }
}

impl Remembered {
    /// The key, if there is one.
    fn known(&self) -> Result<Option<&Known>> {
        self.answer.as_ref().map(Option::as_ref).map_err(Error::clone)
    }
}

impl Known {
    fn new(StoredKey { key, digest, .. }: StoredKey, is_authentic: bool) -> Self {
        Self {
            id: key.id,
            digest,
            principal: Arc::new(key.principal()),
            is_revoked: key.revoked_at.is_some(),
            is_authentic,
            note_from: key.last_used_at.map(|at| at + NOTED_EVERY),
            is_noted: AtomicBool::new(false),
        }
    }

    /// Checks that the key is in force at this time.
    fn check(&self, at: DateTime<Utc>) -> Result<()> {
        if self.is_revoked {
            return Err(Error::Unauthenticated(CredentialFault::Revoked));
        }
        self.principal.check_time(at)?;
        match self.is_authentic {
            true => Ok(()),
            false => Err(Error::Unauthenticated(CredentialFault::Invalid)),
        }
    }
}
