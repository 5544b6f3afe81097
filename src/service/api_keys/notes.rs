//! Notes of which keys are in use, written together and beside the requests: a second's worth in one statement. One that
//! cannot be written is not missed, and neither is the last second before a stop.

use std::collections::HashSet;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::store::{ApiKeyStore, now};

/// How long notes are gathered.
const GATHERED: Duration = Duration::from_secs(1);
/// Most keys of one statement.
const TOGETHER: usize = 500;

pub(super) struct Notes {
    keys: ApiKeyStore,
    every: TimeDelta,
    waiting: Arc<Mutex<HashSet<Uuid>>>,
}

impl Notes {
    /// Notes that are written at most so often for a key, whatever the number of replicas.
    pub(super) fn new(keys: ApiKeyStore, every: TimeDelta) -> Self {
        Self { keys, every, waiting: Arc::default() }
    }

    /// A key is in use.
    pub(super) fn add(&self, id: Uuid) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = waiting.is_empty();
        waiting.insert(id);
        if is_first {
            tokio::spawn(write(self.keys.clone(), self.every, self.waiting.clone()));
        }
    }
}

async fn write(keys: ApiKeyStore, every: TimeDelta, waiting: Arc<Mutex<HashSet<Uuid>>>) {
    tokio::time::sleep(GATHERED).await;
    let ids = Vec::from_iter(take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner)));
    for ids in ids.chunks(TOGETHER) {
        if let Err(error) = keys.note_use(ids, now(), every).await {
            tracing::debug!(cause = error.cause(), "noting the use of API keys");
        }
    }
}
