//! One call for all who want the same at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::provider::Fault;
use crate::domain::AccountId;

/// A data key: the account and the generation.
pub(super) type Id = (AccountId, u32);
type Flight<T> = Shared<BoxFuture<'static, Result<T, Fault>>>;

/// What is on its way, by data key.
pub(super) struct Flights<T>(Arc<Mutex<HashMap<Id, Flight<T>>>>);

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// What the work gives, begun by who asks first. All who ask meanwhile get the same: a failure too, which is not kept.
    pub(super) async fn join<W>(&self, id: Id, work: impl FnOnce() -> W) -> Result<T, Fault>
    where
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let flight = self.lock().entry(id.clone()).or_insert_with(|| self.start(id, work())).clone();
        flight.await
    }

    /// In a task of its own: who asked first may go, and the others still wait.
    fn start(&self, id: Id, work: impl Future<Output = Result<T, Fault>> + Send + 'static) -> Flight<T> {
        let flights = self.clone();
        let task = tokio::spawn(async move {
            let _landing = Landing { flights, id };
            work.await
        });
        let panicked = |_| Err(Fault::Unavailable("work on a data key panicked; its place is logged".into()));
        task.map(move |ended| ended.unwrap_or_else(panicked)).boxed().shared()
    }
}

impl<T> Flights<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Flight<T>>> {
        // Left whole by every panic that could happen while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, however it ends.
struct Landing<T> {
    flights: Flights<T>,
    id: Id,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.id);
    }
}
