//! The code that authenticates an API key's row: write access to the table alone gives no right.
//!
//! It covers id, digest, scopes, accounts, end, revocation and rate. Rows of older versions have none; they get one
//! within [`ADOPTION_PERIOD`] of the first start that can compute it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use quick_cache::sync::Cache;
use sha2::Sha256;
use uuid::Uuid;

use super::Pepper;
use crate::domain::{Accounts, ApiKey, ApiKeyRef};
use crate::error::Result;
use crate::store::{ApiKeyStore, StoredKey, now};

/// Called for each look-up of a key whose row is not authentic.
pub type RightsObserver = Arc<dyn Fn() + Send + Sync>;

/// How long rows of older versions are adopted: a rolling upgrade fits in.
const ADOPTION_PERIOD: TimeDelta = TimeDelta::hours(24);
/// How often a row that is not authentic is logged.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);
/// Keys whose last report is remembered.
const MAX_REPORTED: usize = 1_000;
/// Version of what the code covers; the first byte of a stored code.
const VERSION: u8 = 1;
const RIGHTS_PURPOSE: &[u8] = b"patchbay.api-key-rights.v1";
const ADOPTION_PURPOSE: &[u8] = b"patchbay.api-key-rights.adoption.v1";

/// Signs and checks the rows of API keys.
pub(super) struct Rights {
    keys: ApiKeyStore,
    /// Without a pepper nothing is signed and nothing is authentic.
    key: Option<RightsKey>,
    adopts_until: DateTime<Utc>,
    reported: Cache<Uuid, Instant>,
    observer: RightsObserver,
}

/// A key derived from the pepper. Has no `Debug`.
#[derive(Clone)]
pub(super) struct RightsKey(Hmac<Sha256>);

impl Rights {
    /// Starts the adoption of older rows, or goes on with it; `adopts` is the operator's setting.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn start(
        keys: ApiKeyStore,
        pepper: Option<&Pepper>,
        adopts: bool,
        observer: RightsObserver,
    ) -> Result<Self> {
        let key = pepper.map(Pepper::rights_key);
        let adopts_until = match (pepper, &key) {
            (Some(pepper), Some(key)) if adopts => adoption_end(&keys, pepper, key).await?,
            _ => DateTime::UNIX_EPOCH,
        };
        let rights = Self { keys, key, adopts_until, reported: Cache::new(MAX_REPORTED), observer };
        rights.adopt_all().await?;
        Ok(rights)
    }

    /// The code to store with these rights; empty without a pepper, which is never authentic.
    pub(super) fn sign(&self, key: &StoredKey) -> Vec<u8> {
        let Some(RightsKey(mac)) = &self.key else { return Vec::new() };
        let code = mac.clone().chain_update(message(key)).finalize().into_bytes();
        [&[VERSION][..], &code].concat()
    }

    /// Whether the row is as it was signed. Compares in constant time.
    pub(super) fn is_signed(&self, key: &StoredKey) -> bool {
        let (Some(RightsKey(mac)), Some([VERSION, code @ ..])) = (&self.key, key.rights_mac.as_deref()) else {
            return false;
        };
        mac.clone().chain_update(message(key)).verify_slice(code).is_ok()
    }

    /// Returns the row and whether it is authentic. Adopts a row of an older version during the adoption period. Returns
    /// the current row if it changed meanwhile, `None` if it was deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn check(&self, key: StoredKey) -> Result<Option<(StoredKey, bool)>> {
        if key.rights_mac.is_some() || !self.is_adopting() {
            return Ok(Some(self.verify(key)));
        }
        if self.adopt(&key).await? {
            return Ok(Some((key, true)));
        }
        // The row has a code by now, or is gone.
        let current = self.keys.find(ApiKeyRef::Id(key.key.id)).await?;
        Ok(current.map(|current| self.verify(current)))
    }

    /// Returns the row and whether it is authentic. Reports one that is not.
    fn verify(&self, key: StoredKey) -> (StoredKey, bool) {
        let is_signed = self.is_signed(&key);
        // A key that ended opens nothing, so its code does not matter: an older version revokes without signing.
        if !is_signed && !has_ended(&key.key) {
            self.report(&key.key);
        }
        (key, is_signed)
    }

    /// Signs the rows of older versions while that is due.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn adopt_all(&self) -> Result<()> {
        if !self.is_adopting() {
            return Ok(());
        }
        let (mut adopted, mut after) = (0, Uuid::nil());
        loop {
            let (keys, last) = self.keys.unsigned(after).await?;
            for key in keys {
                adopted += u64::from(self.adopt(&key).await?);
            }
            let Some(last) = last else { break };
            after = last;
        }
        if adopted > 0 {
            tracing::warn!(adopted, until = %self.adopts_until, "signed API keys that an older version made");
        }
        Ok(())
    }

    /// Signs the row if it still has no code. Returns whether it did.
    async fn adopt(&self, key: &StoredKey) -> Result<bool> {
        self.keys.set_rights_mac(key.key.id, self.sign(key)).await
    }

    fn is_adopting(&self) -> bool {
        self.key.is_some() && now() < self.adopts_until
    }

    fn report(&self, key: &ApiKey) {
        (self.observer)();
        let is_due = self.reported.get(&key.id).is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
        if is_due {
            self.reported.insert(key.id, Instant::now());
            tracing::error!(
                key = key.public_id,
                "the rights of an API key are not those it was made with: its row was changed in the database, and it \
                 opens nothing. Revoke it, and find out who can write to the database"
            );
        }
    }
}

impl RightsKey {
    /// A key from this digest under the pepper.
    pub(super) fn new(mac: Hmac<Sha256>) -> Self {
        Self(mac)
    }

    /// The note that the adoption began at this time.
    fn adoption_note(&self, begun: DateTime<Utc>) -> Vec<u8> {
        let begun = begun.timestamp_micros().to_be_bytes();
        let code = self.0.clone().chain_update(ADOPTION_PURPOSE).chain_update(begun).finalize().into_bytes();
        [&begun[..], &code].concat()
    }

    fn read_adoption_note(&self, note: &[u8]) -> Option<DateTime<Utc>> {
        let (begun, code) = note.split_first_chunk::<8>()?;
        let mac = self.0.clone().chain_update(ADOPTION_PURPOSE).chain_update(begun);
        mac.verify_slice(code).ok()?;
        DateTime::from_timestamp_micros(i64::from_be_bytes(*begun))
    }
}

impl Pepper {
    /// The key that signs rights. No API key and no other purpose has its input.
    fn rights_key(&self) -> RightsKey {
        RightsKey::new(self.derive(RIGHTS_PURPOSE))
    }
}

/// When the adoption ends, from the note beside the pepper. The first start that can sign writes the note.
///
/// The note is authentic, but who can write to the database can delete it, and so begin the adoption again at the next
/// start. The setting `auth.adopt_unsigned_keys` is out of their reach.
async fn adoption_end(keys: &ApiKeyStore, pepper: &Pepper, key: &RightsKey) -> Result<DateTime<Utc>> {
    let begun = match key.read_adoption_note(&keys.pepper_note().await?) {
        Some(begun) => begun,
        None => {
            // Without any key there is nothing to adopt.
            let begun = if keys.is_empty().await? { DateTime::UNIX_EPOCH } else { now() };
            keys.set_pepper_note(&pepper.fingerprint(), key.adoption_note(begun)).await?;
            begun
        }
    };
    // A note from the future gives no more time than one of now.
    Ok(begun.min(now()) + ADOPTION_PERIOD)
}

fn has_ended(key: &ApiKey) -> bool {
    key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now())
}

/// What the code covers. Every part has a fixed length or says its own.
fn message(StoredKey { key, digest, scope_words, .. }: &StoredKey) -> Vec<u8> {
    let mut message = vec![VERSION];
    message.extend_from_slice(key.id.as_bytes());
    push_text(&mut message, &key.public_id);
    message.extend_from_slice(digest);
    push_list(&mut message, scope_words.iter().map(String::as_str));
    match &key.accounts {
        Accounts::All => message.push(0),
        Accounts::Only(accounts) => {
            message.push(1);
            push_list(&mut message, accounts.iter().map(|account| account.as_str()));
        }
    }
    for time in [key.expires_at, key.revoked_at] {
        push_number(&mut message, time.map(|time| time.timestamp_micros()));
    }
    push_number(&mut message, key.rate.map(|rate| rate.get().into()));
    message
}

fn push_text(message: &mut Vec<u8>, text: &str) {
    message.extend_from_slice(&(text.len() as u64).to_be_bytes());
    message.extend_from_slice(text.as_bytes());
}

fn push_list<'a>(message: &mut Vec<u8>, texts: impl ExactSizeIterator<Item = &'a str>) {
    message.extend_from_slice(&(texts.len() as u64).to_be_bytes());
    texts.for_each(|text| push_text(message, text));
}

fn push_number(message: &mut Vec<u8>, number: Option<i64>) {
    message.push(number.is_some().into());
    message.extend_from_slice(&number.unwrap_or_default().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::domain::AccountId;

    fn stored() -> StoredKey {
        let key = ApiKey::sample();
        StoredKey { key, digest: [7; 32], scope_words: vec!["keys:read".into()], rights_mac: None }
    }

    fn only(names: &[&str]) -> Accounts {
        Accounts::Only(names.iter().filter_map(|name| AccountId::parse(name)).collect())
    }

    #[test]
    fn code_covers_every_right() {
        let at = DateTime::from_timestamp(1, 0);
        let changes: [&dyn Fn(&mut StoredKey); 12] = [
            &|row| row.key.id = Uuid::max(),
            &|row| row.key.public_id = "00000001".into(),
            &|row| row.digest[31] ^= 1,
            &|row| row.scope_words = vec!["admin".into()],
            &|row| row.scope_words.push("admin".into()),
            &|row| row.scope_words = vec!["keys:".into(), "read".into()],
            &|row| row.key.accounts = only(&["a"]),
            &|row| row.key.accounts = only(&["a", "b"]),
            &|row| row.key.expires_at = at,
            &|row| row.key.revoked_at = at,
            &|row| row.key.rate = NonZeroU32::new(1),
            &|row| row.key.rate = NonZeroU32::new(2),
        ];
        let mut messages = std::collections::BTreeSet::from([message(&stored())]);
        for (n, change) in changes.iter().enumerate() {
            let mut row = stored();
            change(&mut row);
            assert!(messages.insert(message(&row)), "change {n}");
        }
    }

    #[test]
    fn adoption_note_of_another_pepper_is_none() {
        let [one, other] = ["1", "2"].map(|c| Pepper::new(&c.repeat(32)).expect("a pepper").rights_key());
        let note = one.adoption_note(DateTime::UNIX_EPOCH);
        assert_eq!(one.read_adoption_note(&note), Some(DateTime::UNIX_EPOCH));
        assert_eq!(other.read_adoption_note(&note), None);
        let mut later = note.clone();
        later[7] ^= 1;
        for malformed in [&later[..], &note[..39], &[]] {
            assert_eq!(one.read_adoption_note(malformed), None);
        }
    }
}
