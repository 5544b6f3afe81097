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
