//! Truncation of SQLite's write-ahead log, so that deleted and replaced content does not stay in it.
//!
//! With `secure_delete` the pages of the database file hold zeros where content was deleted. The log keeps earlier versions
//! of those pages until it is truncated: after a purge or a shredding, and once a minute while anything is committed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, Connection, Row, SqliteConnection};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::marks::Marks;

/// How often the log is truncated while anything is committed.
const INTERVAL: Duration = Duration::from_secs(60);
/// The shortest time between two truncations, and the first pause of the backoff.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// How long a truncation waits for readers. Writers wait meanwhile.
const BUSY_TIMEOUT: Duration = Duration::from_millis(50);

/// Requests truncations of one file's log. Cheap to clone.
#[derive(Clone)]
pub(super) struct LogTruncation {
    database: Arc<Path>,
    requests: Sender<()>,
    task: AbortHandle,
}

impl LogTruncation {
    /// Starts the task; it ends with [`LogTruncation::stop`] or when the last handle is dropped.
    pub(super) fn start(database: &Path, marks: Arc<Marks>) -> Self {
        let database: Arc<Path> = database.into();
        // One request that waits covers all that come meanwhile.
        let (requests, queue) = mpsc::channel(1);
        let task = tokio::spawn(follow(database.clone(), marks, queue)).abort_handle();
        Self { database, requests, task }
    }

    /// Requests a truncation: within about a second, or after the pause of the backoff.
    pub(super) fn request(&self) {
        // A full queue holds a request already.
        let _ = self.requests.try_send(());
    }

    /// Truncates now; later, when readers keep the log.
    pub(super) async fn truncate(&self) {
        if !try_truncate(&self.database).await {
            self.request();
        }
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

/// When the log is truncated next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    /// On a request, or after [`INTERVAL`] if anything was committed.
    Idle,
    /// After this pause, because readers kept the log. A request does not shorten it.
    Backoff(Duration),
}

/// Why an attempt is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// A request, or an earlier attempt that failed.
    Required,
    /// The interval is over.
    Interval,
}

impl Schedule {
    /// Waits until an attempt is due. Returns `None` when the last handle is dropped.
    async fn wait(self, requests: &mut Receiver<()>) -> Option<Trigger> {
        match self {
            Self::Idle => match timeout(INTERVAL, requests.recv()).await {
                Ok(request) => request.map(|()| Trigger::Required),
                Err(_) => Some(Trigger::Interval),
            },
            Self::Backoff(pause) => match timeout(pause, discard_until_closed(requests)).await {
                Ok(()) => None,
                Err(_) => Some(Trigger::Required),
            },
        }
    }

    /// The schedule after an attempt. Each attempt keeps writers waiting: while readers stay, as a backup does, the pause
    /// doubles up to [`INTERVAL`].
    fn after_attempt(self, is_done: bool) -> Self {
        match (is_done, self) {
            (true, _) => Self::Idle,
            (false, Self::Idle) => Self::Backoff(MIN_PAUSE),
            (false, Self::Backoff(pause)) => Self::Backoff((2 * pause).min(INTERVAL)),
        }
    }
}

/// Discards requests: the attempt after the pause covers them.
async fn discard_until_closed(requests: &mut Receiver<()>) {
    while requests.recv().await.is_some() {}
}

async fn follow(database: Arc<Path>, marks: Arc<Marks>, mut requests: Receiver<()>) {
    let (mut seen, mut schedule) = (None, Schedule::Idle);
    while let Some(trigger) = schedule.wait(&mut requests).await {
        if trigger == Trigger::Interval && seen.is_some() && marks.now() == seen {
            continue;
        }
        schedule = schedule.after_attempt(try_truncate(&database).await);
        seen = marks.now();
        sleep(MIN_PAUSE).await;
    }
}

/// Whether the log is empty now.
async fn try_truncate(database: &Path) -> bool {
    match checkpoint(database.to_owned()).await {
        Ok(is_done) => is_done,
        Err(error) => {
            tracing::warn!(%error, "truncating the write-ahead log");
            false
        }
    }
}

async fn checkpoint(database: PathBuf) -> Result<bool, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let row = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
    let is_blocked: i64 = row.try_get(0)?;
    connection.close().await?;
    Ok(is_blocked == 0)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn pause_doubles_and_stays_at_the_interval() {
        let mut schedule = Schedule::Idle;
        let pauses = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Duration::from_secs);
        for pause in pauses {
            schedule = schedule.after_attempt(false);
            assert_eq!(schedule, Schedule::Backoff(pause));
        }
        schedule = schedule.after_attempt(true);
        assert_eq!(schedule, Schedule::Idle);
        assert_eq!(schedule.after_attempt(false), Schedule::Backoff(MIN_PAUSE), "a new backoff");
    }

    #[tokio::test(start_paused = true)]
    async fn request_ends_the_interval_but_no_backoff() {
        let (requests, mut queue) = mpsc::channel(1);
        let pause = Duration::from_secs(32);
        for (schedule, is_requested, trigger, waited) in [
            (Schedule::Idle, false, Trigger::Interval, INTERVAL),
            (Schedule::Idle, true, Trigger::Required, Duration::ZERO),
            (Schedule::Backoff(pause), false, Trigger::Required, pause),
            (Schedule::Backoff(pause), true, Trigger::Required, pause),
        ] {
            if is_requested {
                requests.try_send(()).expect("an empty queue");
            }
            let started = Instant::now();
            assert_eq!(schedule.wait(&mut queue).await, Some(trigger), "{schedule:?}");
            let elapsed = started.elapsed();
            assert!(waited <= elapsed && elapsed < waited + MIN_PAUSE, "{schedule:?} waits {elapsed:?}");
        }
    }

    #[tokio::test]
    async fn dropped_handles_end_every_wait() {
        for schedule in [Schedule::Idle, Schedule::Backoff(INTERVAL)] {
            let (requests, mut queue) = mpsc::channel(1);
            requests.try_send(()).expect("an empty queue");
            drop(requests);
            let _ = schedule.wait(&mut queue).await;
            assert_eq!(schedule.wait(&mut queue).await, None, "{schedule:?}");
        }
    }
}
