//! Unwrapped data keys, in memory for a while.
//!
//! Bounded and expiring; a key is wiped when nobody uses it any more. However many ask for a key that is not there, the
//! provider is asked once, and all of them get its answer: a failure too, which is not kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::flight::{Flights, Id};
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

#[derive(Clone)]
pub(super) struct KeyCache {
    kept: Arc<Cache<Id, Kept>>,
    flights: Flights<Arc<DataKey>>,
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
        Self {
            kept: Arc::new(Cache::new(settings.entries)),
            flights: Flights::default(),
            drops: Arc::default(),
            settings,
        }
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
        let work = || {
            let (cache, id, wrapped, provider) = (self.clone(), id.clone(), wrapped.clone(), provider.clone());
            let drops = self.drops.load(Ordering::Acquire);
            async move {
                let (account, key_id) = &id;
                let key = provider.unwrap(KeyPlace { account, key_id: *key_id }, &wrapped).await?;
                let key = Arc::new(DataKey::new(*key_id, key));
                cache.keep(&id, &key, drops);
                Ok(key)
            }
        };
        self.flights.join(id.clone(), work).await
    }

    pub(super) fn remember(&self, account: &AccountId, key: &Arc<DataKey>) {
        self.keep(&(account.clone(), key.id()), key, self.drops.load(Ordering::Acquire));
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
}
