//! Servers that left: went down, or take no writes any more because another one took over.
//!
//! A fail-over ends what the old server was. Whatever was connected before it was noticed leads to that server, and some of
//! it may go on to answer: a former primary that lives on as a read-only stand-by refuses every write, for as long as the
//! connection is kept. So the first one to notice is believed for all of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::DbErr;

use super::failure;

/// When a server was last seen to have left. Cheap to clone; clones see the same.
#[derive(Clone, Default)]
pub(super) struct Departures(Arc<Mutex<Option<Instant>>>);

impl Departures {
    /// Takes note, if this is how a statement fails whose server left.
    pub(super) fn note<T>(&self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        if outcome.as_ref().is_err_and(failure::is_departure) {
            self.left();
        }
        outcome
    }

    /// A server left just now, for all that is known of it.
    pub(super) fn left(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection of this age was there when a server left.
    pub(super) fn have_outdated(&self, age: Duration) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|left| age >= left.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_made_before_a_server_left_is_outdated_and_a_later_one_is_not() {
        let departures = Departures::default();
        let made = Instant::now();
        assert!(!departures.have_outdated(made.elapsed()), "none left");
        assert!(departures.note::<()>(Err(DbErr::Custom("a mistake".to_owned()))).is_err());
        assert!(!departures.have_outdated(made.elapsed()), "a mistake is no departure");
        let gone = failure::of_driver(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        assert!(departures.clone().note::<()>(Err(DbErr::Query(gone))).is_err());
        assert!(departures.have_outdated(made.elapsed()));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!departures.have_outdated(Duration::ZERO));
    }
}
