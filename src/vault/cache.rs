//! Unwrapped data keys, in memory for a while.
//!
//! Bounded and expiring; a key is wiped when nobody uses it any more. However many ask for a key that is not there, the
//! provider is asked once, and all of them get its answer: a failure too, which is not kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use quick_cache::sync::Cache;

use super::provider::{Fault, KeyPlace, Provider};
use super::{DataKey, WrappedKey};
use crate::domain::AccountId;

/// How many keys are kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// Most keys; 0 keeps none.
    pub entries: usize,
    /// After its time a key is asked for again.
    pub ttl: Duration,
}

type Id = (AccountId, u32);
type Flight = Shared<BoxFuture<'static, Result<Arc<DataKey>, Fault>>>;

#[derive(Clone)]
pub(super) struct KeyCache {
    kept: Arc<Cache<Id, Kept>>,
    flights: Arc<Mutex<HashMap<Id, Flight>>>,
    /// Counts how often keys were dropped: one that was asked for before is not put back.
    drops: Arc<AtomicU64>,
    settings: CacheSettings,
}

#[derive(Clone)]
struct Kept {
    key: Arc<DataKey>,
    expires: Instant,
}

impl KeyCache {
    pub(super) fn new(settings: CacheSettings) -> Self {
        Self { kept: Arc::new(Cache::new(settings.entries)), flights: Arc::default(), drops: Arc::default(), settings }
    }

    pub(super) fn get(&self, account: &AccountId, key_id: u32) -> Option<Arc<DataKey>> {
        let kept = self.kept.get(&(account.clone(), key_id))?;
        (kept.expires > Instant::now()).then_some(kept.key)
    }

    /// The key, from the provider: once for all who ask meanwhile.
    pub(super) async fn unwrap(
        &self,
        account: &AccountId,
        wrapped: &WrappedKey,
        provider: &Arc<dyn Provider>,
    ) -> Result<Arc<DataKey>, Fault> {
        let id = (account.clone(), wrapped.key_id);
        let flight = self.lock().entry(id.clone()).or_insert_with(|| self.start(id, wrapped, provider)).clone();
        flight.await
    }

    /// In a task of its own: who asked first may go, and the others still wait.
    fn start(&self, id: Id, wrapped: &WrappedKey, provider: &Arc<dyn Provider>) -> Flight {
        let (cache, wrapped, provider) = (self.clone(), wrapped.clone(), provider.clone());
        let drops = self.drops.load(Ordering::Acquire);
        let task = tokio::spawn(async move {
            let landing = Landing { cache, id };
            let (account, key_id) = &landing.id;
            let key = provider.unwrap(KeyPlace { account, key_id: *key_id }, &wrapped).await?;
            let key = Arc::new(DataKey::new(*key_id, key));
            landing.cache.keep(&landing.id, &key, drops);
            Ok(key)
        });
        let panicked = |_| Err(Fault::Unavailable("unwrapping a data key panicked; its place is logged".into()));
        task.map(move |ended| ended.unwrap_or_else(panicked)).boxed().shared()
    }

    fn keep(&self, id: &Id, key: &Arc<DataKey>, drops: u64) {
        let expires = Instant::now() + self.settings.ttl;
        self.kept.insert(id.clone(), Kept { key: key.clone(), expires });
        if self.drops.load(Ordering::Acquire) != drops {
            self.kept.remove(id);
        }
    }

    pub(super) fn kept(&self) -> Vec<Id> {
        self.kept.iter().map(|(id, _)| id).collect()
    }

    pub(super) fn forget(&self, account: &AccountId, but: &[u32]) {
        self.drops.fetch_add(1, Ordering::AcqRel);
        self.kept.retain(|(kept, key_id), _| kept != account || but.contains(key_id));
    }

    pub(super) fn forget_expired(&self) {
        let now = Instant::now();
        self.kept.retain(|_, kept| kept.expires > now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Flight>> {
        // Left whole by every panic that could happen while it is held.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, however it ends.
struct Landing {
    cache: KeyCache,
    id: Id,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.cache.lock().remove(&self.id);
    }
}
