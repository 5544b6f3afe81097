//! What this process is working on: each thing once at a time, counted for as long as its guard is held.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The things under way. Cheap to clone; clones see the same.
#[derive(Clone)]
pub(super) struct UnderWay<T>(Arc<Mutex<HashSet<T>>>);

/// One of them, until it is dropped.
pub(super) struct Entered<T: Eq + Hash> {
    all: UnderWay<T>,
    thing: T,
}

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Eq + Hash> UnderWay<T> {
    /// Enters a thing; `None` when it is under way already.
    pub(super) fn enter(&self, thing: T) -> Option<Entered<T>> {
        let is_new = self.lock().insert(thing.clone());
        is_new.then(|| Entered { all: self.clone(), thing })
    }
}

impl<T> UnderWay<T> {
    fn lock(&self) -> MutexGuard<'_, HashSet<T>> {
        // Left whole by every panic that could happen while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Eq + Hash> Entered<T> {
    pub(super) fn thing(&self) -> &T {
        &self.thing
    }
}

impl<T: Eq + Hash> Drop for Entered<T> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.thing);
    }
}
