//! What is known of the server behind a pool: whether it answers at all, and when one left.

use std::time::Duration;

use sea_orm::DbErr;

use super::database_url::PostgresUrl;
use super::departures::Departures;
use super::pulse::Pulse;

/// An eye on one server. Cheap to clone; clones see the same. By default on nothing, as for a file.
#[derive(Clone, Default)]
pub(super) struct Watch {
    departures: Departures,
    pulse: Option<Pulse>,
}

impl Watch {
    /// On the PostgreSQL of this URL, which is silent when it answers nothing for so long; `None` waits for it.
    pub(super) fn of_server(url: &PostgresUrl, silence: Option<Duration>) -> Self {
        let departures = Departures::default();
        let pulse = silence.map(|silence| Pulse::new(url, silence, departures.clone()));
        Self { departures, pulse }
    }

    /// From now on the server is silent as soon as was said: there are requests that wait for it.
    pub(super) fn mind_silence(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.mind();
        }
    }

    /// The outcome of a piece of work with the server, unless that falls silent meanwhile.
    pub(super) async fn over<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let outcome = match &self.pulse {
            Some(pulse) => pulse.watched(work).await,
            None => work.await,
        };
        self.departures.note(outcome)
    }

    /// Whether a connection of this age is from before a server left, or fell silent.
    pub(super) fn has_outdated(&self, age: Duration) -> bool {
        self.departures.have_outdated(age)
    }
}
