//! The `local` provider: wraps data keys with the keys of a key ring, in process.
//!
//! A ring that comes from a file is read again on request, and when a key is wanted that it does not have.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use zeroize::Zeroizing;

use super::keyring::{self, CHECK_PURPOSE, Keyring};
use super::provider::{CHECK_TEXT, Fault, KeyBytes, KeyPlace, Provider, Reloaded};
use super::{KeyCheck, WrappedKey, envelope};

/// The name of the provider.
pub const LOCAL: &str = "local";

/// How often the file is read at most because a key is wanted that the ring does not have.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Provider keys in this process.
pub struct Local {
    ring: ArcSwap<Keyring>,
    file: Option<PathBuf>,
    /// When the file was last read because a key was wanted.
    last_demand: Mutex<Option<Instant>>,
}

impl Local {
    /// Over the keys of this ring, for good.
    pub fn new(ring: Keyring) -> Self {
        Self { ring: ArcSwap::from_pointee(ring), file: None, last_demand: Mutex::default() }
    }

    /// Over the keys of this ring, which was read from this file.
    pub fn from_file(ring: Keyring, file: PathBuf) -> Self {
        Self { file: Some(file), ..Self::new(ring) }
    }

    /// The ring in use. When it lacks this key and the file has it, the one in the file from now on.
    fn ring_with(&self, id: u32) -> Arc<Keyring> {
        let ring = self.ring.load_full();
        if ring.key(id).is_some() || !self.may_read_on_demand() {
            return ring;
        }
        if let Err(cause) = self.replace(|fresh| refuse_smaller(&ring, fresh)) {
            tracing::error!(cause, "the key ring file cannot be used: the key ring of before stays in use");
        }
        self.ring.load_full()
    }

    fn may_read_on_demand(&self) -> bool {
        let mut last = self.last_demand.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = self.file.is_some() && last.is_none_or(|last| last.elapsed() >= MIN_RELOAD_INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    /// Puts the ring of the file in place of the one in use, unless `check` refuses it.
    fn replace(&self, check: impl FnOnce(&Keyring) -> Result<(), String>) -> Result<Reloaded, String> {
        let Some(file) = &self.file else { return Ok(Reloaded::Nothing) };
        let fresh = Keyring::read(file).map_err(|e| e.to_string())?;
        let ring = self.ring.load_full();
        if fresh == *ring {
            return Ok(Reloaded::Unchanged);
        }
        if let Some(id) = ring.find_conflict(&fresh) {
            return Err(format!("key {id} of {} is another key than the one in use", file.display()));
        }
        check(&fresh)?;
        tracing::info!(keys = fresh.fingerprints(), primary = fresh.primary(), "read the key ring again");
        self.ring.store(Arc::new(fresh));
        Ok(Reloaded::Changed)
    }
}

/// Refuses a ring that lacks a key: without the recorded checks it is unknown whether the key is still needed.
fn refuse_smaller(ring: &Keyring, fresh: &Keyring) -> Result<(), String> {
    match ring.ids().find(|id| fresh.key(*id).is_none()) {
        Some(id) => Err(format!("key {id} is not in the key ring file any more")),
        None => Ok(()),
    }
}

fn primary(ring: &Keyring) -> Result<(u32, &[u8; 32]), Fault> {
    let id = ring.primary();
    let kek = ring.key(id);
    kek.map(|kek| (id, kek)).ok_or_else(|| Fault::Corrupt("the primary key is not in the key ring".into()))
}

/// Opens a recorded check with a key of the ring.
fn verify(ring: &Keyring, check: &KeyCheck) -> Result<(), Fault> {
    let expected = format!("key {} with fingerprint {}", check.kek_ref, check.fingerprint);
    let id = envelope::key_id(&check.bytes)
        .map_err(|malformed| Fault::Corrupt(format!("key check of {}: {malformed}", check.kek_ref)))?;
    let Some(kek) = ring.key(id) else {
        return Err(Fault::Corrupt(format!(
            "this database needs {expected}, which is not in the key ring, which has {}: add it back, or point \
             PATCHBAY_KEYRING_FILE at the key ring that was used before",
            ring.fingerprints()
        )));
    };
    envelope::open(id, kek, None, &check_context(id), &check.bytes).map(drop).map_err(|_| {
        Fault::Corrupt(format!(
            "this database needs {expected}, but the key ring's key {id} has fingerprint {}: point \
             PATCHBAY_KEYRING_FILE at the key ring that was used before",
            keyring::fingerprint(kek)
        ))
    })
}

#[async_trait]
impl Provider for Local {
    fn name(&self) -> &'static str {
        LOCAL
    }

    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault> {
        let ring = self.ring.load();
        let (id, kek) = primary(&ring)?;
        let bytes = envelope::seal(id, kek, None, &place.context(), key.as_slice());
        let bytes = bytes.map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
        Ok(WrappedKey { key_id: place.key_id, provider: LOCAL.into(), kek_ref: kek_ref(id), bytes })
    }

    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault> {
        let refused = |malformed: envelope::Malformed| Fault::Corrupt(malformed.to_string());
        let id = envelope::key_id(&wrapped.bytes).map_err(refused)?;
        let ring = self.ring_with(id);
        let kek = ring.key(id);
        let kek = kek.ok_or_else(|| Fault::Corrupt(format!("key {} is not in the key ring", kek_ref(id))))?;
        let plain = envelope::open(id, kek, None, &place.context(), &wrapped.bytes).map_err(refused)?;
        let key = plain.as_slice().try_into().map_err(|_| Fault::Corrupt("not 32 bytes".into()))?;
        Ok(Zeroizing::new(key))
    }

    async fn check(&self) -> Result<KeyCheck, Fault> {
        let ring = self.ring.load();
        let (id, kek) = primary(&ring)?;
        let bytes = envelope::seal(id, kek, None, &check_context(id), CHECK_TEXT);
        let bytes = bytes.map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
        Ok(KeyCheck { provider: LOCAL.into(), kek_ref: kek_ref(id), fingerprint: keyring::fingerprint(kek), bytes })
    }

    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault> {
        verify(&self.ring.load(), check)
    }

    fn known_keys(&self) -> Vec<String> {
        self.ring.load().ids().map(kek_ref).collect()
    }

    async fn reload(&self, recorded: &[KeyCheck]) -> Result<Reloaded, String> {
        let ring = self.ring.load_full();
        self.replace(|fresh| {
            // A key that neither ring has is no reason to keep the one in use.
            let known: Vec<_> = ring.ids().chain(fresh.ids()).map(kek_ref).collect();
            let mut checks = recorded.iter().filter(|check| check.provider == LOCAL && known.contains(&check.kek_ref));
            checks.try_for_each(|check| verify(fresh, check)).map_err(|fault| fault.cause().to_owned())
        })
    }
}

fn kek_ref(id: u32) -> String {
    format!("{LOCAL}:{id}")
}

pub(super) fn check_context(id: u32) -> Vec<u8> {
    envelope::context(&[CHECK_PURPOSE, kek_ref(id).as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountId;

    /// A ring in a file, and a provider that was started with it.
    fn started() -> (tempfile::TempDir, PathBuf, Local) {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("ring.json");
        Keyring::create(&file).expect("created");
        let local = Local::from_file(Keyring::read(&file).expect("read"), file.clone());
        (folder, file, local)
    }

    #[tokio::test]
    async fn unknown_key_is_read_from_the_file_on_demand() {
        let (_folder, file, local) = started();
        Keyring::add(&file).expect("added");
        Keyring::promote(&file, 2).expect("promoted");
        let other = Local::new(Keyring::read(&file).expect("read"));
        let account = AccountId::parse("acme").expect("account");
        let place = KeyPlace { account: &account, key_id: 1 };
        let wrapped = other.wrap(place, &Zeroizing::new([7; 32])).await.expect("wrapped");
        assert_eq!(wrapped.kek_ref, "local:2");
        assert_eq!(local.known_keys(), ["local:1"]);
        assert_eq!(*local.unwrap(place, &wrapped).await.expect("unwrapped"), [7; 32]);
        assert_eq!(local.known_keys(), ["local:1", "local:2"]);
    }

    #[tokio::test]
    async fn file_is_read_on_demand_at_a_bounded_rate() {
        let (_folder, file, local) = started();
        assert!(local.ring_with(2).key(2).is_none());
        Keyring::add(&file).expect("added");
        assert!(local.ring_with(2).key(2).is_none(), "within the interval");
        assert_eq!(local.reload(&[]).await, Ok(Reloaded::Changed), "a request of the operator is not bounded");
        assert!(local.ring_with(2).key(2).is_some());
    }

    #[tokio::test]
    async fn broken_or_foreign_file_keeps_the_ring_in_use() {
        let (_folder, file, local) = started();
        let check = local.check().await.expect("check");
        assert_eq!(local.reload(std::slice::from_ref(&check)).await, Ok(Reloaded::Unchanged));
        let text = std::fs::read_to_string(&file).expect("text");
        std::fs::write(&file, "{").expect("broken");
        assert!(local.reload(std::slice::from_ref(&check)).await.is_err());
        std::fs::remove_file(&file).expect("removed");
        assert!(local.reload(std::slice::from_ref(&check)).await.is_err());
        Keyring::create(&file).expect("another ring");
        let refusal = local.reload(std::slice::from_ref(&check)).await.expect_err("refused");
        assert!(refusal.contains("another key than the one in use"), "{refusal}");
        std::fs::write(&file, &text).expect("put back");
        Keyring::add(&file).expect("added");
        Keyring::promote(&file, 2).expect("promoted");
        Keyring::remove(&file, 1).expect("removed");
        let refusal = local.reload(std::slice::from_ref(&check)).await.expect_err("refused");
        assert!(refusal.contains("this database needs key local:1"), "{refusal}");
        assert!(local.verify(&check).await.is_ok(), "the ring of before");
        assert_eq!(local.reload(&[]).await, Ok(Reloaded::Changed), "nothing on record needs key 1");
    }
}
