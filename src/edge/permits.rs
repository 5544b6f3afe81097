//! Permits that a request holds until its response is written.

use std::sync::Arc;

use super::{Bound, Permit, Places};

/// Smaller responses are not counted by bytes: the bound on requests bounds them.
const LARGE_BYTES: u64 = 64 * 1_024;
/// A credential and an account each get the unwritten bytes divided by this number.
const HOLDER_DIVISOR: u64 = 4;

/// The permits of one request, or none of them. They return when this is dropped.
#[derive(Debug, Default)]
pub struct Permits {
    _work: Option<Permit>,
    places: Option<Places>,
    unwritten: Option<Permit>,
}

/// The permits in a response's extensions. They are dropped when the response is written.
#[derive(Clone, Debug)]
pub struct SharedPermits(#[expect(dead_code, reason = "held for its drop")] Arc<Permits>);

impl Permits {
    pub(super) fn new(work: Permit, places: Places) -> Self {
        Self { _work: Some(work), places: Some(places), unwritten: None }
    }

    /// Permits of a request that belongs to no account.
    pub fn for_page(work: Permit) -> Self {
        Self { _work: Some(work), places: None, unwritten: None }
    }

    /// Counts the bytes of a response, if it is large; false when too many wait already.
    pub(super) fn try_hold_bytes(&mut self, bound: &Bound, bytes: u64, has_credential: bool) -> bool {
        if bytes < LARGE_BYTES {
            return true;
        }
        let per_holder = bound.max() / HOLDER_DIVISOR;
        self.unwritten = bound.try_acquire_clamped(bytes, has_credential);
        self.unwritten.is_some() && self.places.as_mut().is_none_or(|places| places.try_hold_bytes(bytes, per_holder))
    }

    /// For a response's extensions.
    pub fn shared(self) -> SharedPermits {
        SharedPermits(Arc::new(self))
    }
}
