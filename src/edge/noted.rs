//! What a request turns out to be, for whoever watches it from outside.

use std::sync::{Arc, OnceLock};

use crate::domain::{AccountId, Operation};

/// Empty at first, in the request's extensions; filled in on its way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Noted(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    account: OnceLock<AccountId>,
    operation: OnceLock<Operation>,
}

impl Noted {
    /// The account that it is for, once its credential was found to cover that.
    pub fn account(&self) -> Option<&AccountId> {
        self.0.account.get()
    }

    /// What it asked for first.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation.get().copied()
    }

    pub(super) fn note_account(&self, account: &AccountId) {
        let _ = self.0.account.set(account.clone());
    }

    pub(super) fn note_operation(&self, operation: Operation) {
        let _ = self.0.operation.set(operation);
    }
}
