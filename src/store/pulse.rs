//! Whether PostgreSQL answers at all.
//!
//! A server that stands still, or a network that loses everything, refuses nothing: what was sent waits for an answer,
//! and so does every request, until each has used up its own time. So a statement that takes long while nothing else is
//! answered either makes somebody look, with a connection of its own: it tells a server that is busy with this statement
//! from one that is silent. While it is silent, what waits for it is given up, what comes is refused at once, and the one
//! who looks goes on until it answers. It never knows what a statement says.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::DbErr;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions, Connection};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::database_url::PostgresUrl;
use super::departures::Departures;
use super::failure::{is_unreachable, means_down, of_driver};

/// What stands in for the patience of a server in service while it is not yet: whoever starts beside others that start, or
/// behind a pooler that they fill, waits rather than fail.
const UNTIL_MINDED: Duration = Duration::from_secs(15);
/// Between one look and the next.
const PAUSE: Duration = Duration::from_millis(200);

/// One server, as it is seen from here. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pulse(Arc<Inner>);

struct Inner {
    server: PgConnectOptions,
    /// A statement may take so long before somebody looks, and the look may take as long again.
    patience: Duration,
    /// Whether it is that already.
    is_minded: AtomicBool,
    is_silent: watch::Sender<bool>,
    is_looking: AtomicBool,
    /// The last answer to anybody.
    heard: Mutex<Instant>,
    departures: Departures,
}

impl Pulse {
    /// Of the server of this URL, which is silent when it answers nothing for so long.
    /// What was connected before a silence may lead to a server that is no more, and would be believed until the network
    /// gives it up: to `departures` it left.
    pub(super) fn new(url: &PostgresUrl, silence: Duration, departures: Departures) -> Self {
        // No start-up parameter that a pooler does not know.
        let server = url.options().application_name("patchbay").extra_float_digits(None).disable_statement_logging();
        Self(Arc::new(Inner {
            server,
            patience: silence / 2,
            is_minded: AtomicBool::new(false),
            is_silent: watch::Sender::new(false),
            is_looking: AtomicBool::new(false),
            heard: Mutex::new(Instant::now()),
            departures,
        }))
    }

    /// From now on requests wait for the server, and it is silent as soon as was said. Before, it has half a minute.
    pub(super) fn mind(&self) {
        self.0.is_minded.store(true, Ordering::Relaxed);
    }

    fn patience(&self) -> Duration {
        if self.0.is_minded.load(Ordering::Relaxed) { self.0.patience } else { self.0.patience.max(UNTIL_MINDED) }
    }

    /// The outcome of a piece of work with the server, unless that falls silent meanwhile.
    pub(super) async fn watched<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let mut silence = self.0.is_silent.subscribe();
        if *silence.borrow() {
            return Err(silent());
        }
        tokio::pin!(work);
        let mut since = Instant::now();
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => {
                    self.take_note(&outcome);
                    return outcome;
                }
                _ = silence.wait_for(|is_silent| *is_silent) => return Err(silent()),
                () = sleep(self.patience()) => {
                    if *self.heard() < since {
                        self.look();
                    }
                    since = Instant::now();
                }
            }
        }
    }

    fn take_note<T>(&self, outcome: &Result<T, DbErr>) {
        match outcome {
            Err(error) if is_unreachable(error) => self.look(),
            _ => *self.heard() = Instant::now(),
        }
    }

    /// Has somebody look, if nobody does.
    fn look(&self) {
        if !self.0.is_looking.swap(true, Ordering::Relaxed) {
            let pulse = self.clone();
            tokio::spawn(async move { pulse.look_until_it_answers().await });
        }
    }

    async fn look_until_it_answers(self) {
        let mut is_silent = false;
        loop {
            let asked = Instant::now();
            if self.answers().await || *self.heard() > asked {
                break;
            }
            if !is_silent {
                is_silent = true;
                tracing::warn!("PostgreSQL does not answer: what needs it is refused until it does");
                self.0.departures.left();
                self.0.is_silent.send_replace(true);
            }
            sleep(PAUSE).await;
        }
        if is_silent {
            tracing::info!("PostgreSQL answers again");
            self.0.is_silent.send_replace(false);
        }
        // Many may have failed at once, and one look is enough for all.
        sleep(PAUSE).await;
        self.0.is_looking.store(false, Ordering::Relaxed);
    }

    /// Any answer will do, also that it has no place, or that nobody may come in.
    async fn answers(&self) -> bool {
        let asked = async {
            let mut connection = self.0.server.connect().await?;
            connection.ping().await?;
            connection.close().await
        };
        match timeout(self.patience(), asked).await {
            Ok(Err(sqlx::Error::Database(error))) => !error.code().is_some_and(|code| means_down(&code)),
            outcome => matches!(outcome, Ok(Ok(()))),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Instant> {
        // Left whole by every panic that could happen while it is held.
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent() -> DbErr {
    DbErr::Conn(of_driver(io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL does not answer").into()))
}
