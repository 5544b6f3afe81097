//! The broken secrets that this process has reported: each is logged once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::domain::AccountId;

/// The largest number of secrets that are remembered; further ones are logged each time.
const MAX_SECRETS: usize = 10_000;

/// A secret's account, integration, connection and name.
pub(super) type Place = (AccountId, Uuid, String, String);

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct ReportedSecrets(Arc<Mutex<HashSet<Place>>>);

impl ReportedSecrets {
    /// Whether the secret was not reported before.
    pub(super) fn insert(&self, place: Place) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() >= MAX_SECRETS {
            return !reported.contains(&place);
        }
        reported.insert(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_secret_is_reported_once_per_process() {
        let reported = ReportedSecrets::default();
        let place = |name: &str| {
            let account = AccountId::parse("acme").expect("account");
            (account, Uuid::nil(), "default".to_owned(), name.to_owned())
        };
        assert!(reported.insert(place("a")) && reported.insert(place("b")));
        assert!(!reported.insert(place("a")) && !reported.clone().insert(place("b")));
    }
}
