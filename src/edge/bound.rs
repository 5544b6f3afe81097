//! A bound on what happens at once in this process, with a share that callers without a credential cannot exceed.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Callers without a credential share the permits divided by this number.
const ANONYMOUS_DIVISOR: u32 = 8;

/// A semaphore. Callers without a credential share an eighth of its permits. Cheap to clone.
#[derive(Clone)]
pub struct Bound {
    all: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
    max: u32,
    max_anonymous: u32,
}

/// Permits of a [`Bound`], returned when dropped.
#[derive(Debug)]
pub struct Permit {
    all: OwnedSemaphorePermit,
    anonymous: Option<OwnedSemaphorePermit>,
}

impl Bound {
    /// At most `max` permits at once.
    pub fn new(max: usize) -> Self {
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        let max_anonymous = (max / ANONYMOUS_DIVISOR).max(1);
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        Self { all: semaphore(max), anonymous: semaphore(max_anonymous), max, max_anonymous }
    }

    /// All permits.
    pub fn max(&self) -> u64 {
        self.max.into()
    }

    /// Takes one permit; `None` when none is free.
    pub fn try_acquire(&self, has_credential: bool) -> Option<Permit> {
        self.try_acquire_many(1, has_credential)
    }

    /// Takes as many permits as there are units, or all of them when there are more units than permits.
    pub fn try_acquire_clamped(&self, units: u64, has_credential: bool) -> Option<Permit> {
        let max = if has_credential { self.max } else { self.max_anonymous };
        self.try_acquire_many(u32::try_from(units).unwrap_or(max).min(max), has_credential)
    }

    /// Takes permits; `None` when too few are free.
    pub fn try_acquire_many(&self, count: u32, has_credential: bool) -> Option<Permit> {
        let anonymous = match has_credential {
            true => None,
            false => Some(self.anonymous.clone().try_acquire_many_owned(count).ok()?),
        };
        Some(Permit { all: self.all.clone().try_acquire_many_owned(count).ok()?, anonymous })
    }
}

impl Permit {
    /// Adds permits of the same bound and kind of caller.
    pub(super) fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        if let (Some(own), Some(other)) = (&mut self.anonymous, other.anonymous) {
            own.merge(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_callers_leave_a_share_to_credentials() {
        let bound = Bound::new(16);
        let anonymous: Vec<_> = std::iter::from_fn(|| bound.try_acquire(false)).collect();
        assert_eq!(anonymous.len(), 2);
        let proven: Vec<_> = std::iter::from_fn(|| bound.try_acquire(true)).collect();
        assert_eq!(proven.len(), 14);
        drop(anonymous);
        assert!(bound.try_acquire(true).is_some(), "both kinds share one total");
    }

    #[test]
    fn a_request_larger_than_the_bound_has_it_alone() {
        let bound = Bound::new(8);
        let large = bound.try_acquire_clamped(100, true);
        assert!(large.is_some() && bound.try_acquire(true).is_none());
        drop(large);
        assert!(bound.try_acquire_clamped(100, false).is_some());
    }

    #[test]
    fn a_failed_acquisition_keeps_nothing() {
        let bound = Bound::new(8);
        let held = bound.try_acquire_many(8, true);
        assert!(bound.try_acquire(false).is_none());
        drop(held);
        assert!(bound.try_acquire(false).is_some());
    }
}
