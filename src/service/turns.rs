//! Whose turn it is: one change of an account at a time in this process.
//!
//! A change is worked out from what the account has and refused if that has moved on. Without turns, many changes of one
//! account at once would refuse each other over and over; those of other replicas still may.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::domain::AccountId;

/// Accounts that share a turn by chance wait for each other, so there are many more turns than requests at once.
const TURNS: usize = 1_024;

/// The turns of this process.
pub(super) struct Turns {
    turns: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { turns: (0..TURNS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl Turns {
    /// The account's turn, in the order of asking; it ends when the guard is dropped.
    pub(super) async fn of(&self, account: &AccountId) -> MutexGuard<'_, ()> {
        let at = self.hasher.hash_one(account) % TURNS as u64;
        self.turns[at as usize].lock().await
    }
}
