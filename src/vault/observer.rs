//! What the vault tells of its work, for whoever counts. No account, no key.

use std::sync::Arc;
use std::time::Duration;

/// Told of everything that happens.
pub type VaultObserver = Arc<dyn Fn(Observed) + Send + Sync>;

/// Something happened.
#[derive(Clone, Copy, Debug)]
pub enum Observed {
    /// A key service was asked, or was not because it has not answered for a while.
    Call {
        /// Which one.
        provider: &'static str,
        /// What for, one of the few things that a provider can do.
        operation: &'static str,
        /// `ok`, `unavailable`, `denied`, `corrupt`, or `rejected` when it was not asked.
        outcome: &'static str,
        /// Time to the outcome, all attempts together; `None` when it was not asked.
        took: Option<Duration>,
        /// Whether further calls are turned away.
        is_open: bool,
    },
    /// Data keys were counted that no provider key of this process opens.
    Unopenable {
        /// How many.
        data_keys: u64,
    },
    /// A data key was wanted.
    Lookup {
        /// It was in memory.
        is_hit: bool,
    },
}

/// Tells nobody.
pub(super) fn nobody() -> VaultObserver {
    Arc::new(|_| {})
}
