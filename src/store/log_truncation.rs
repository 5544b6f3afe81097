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
/// The shortest time between two truncations.
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

    /// Requests a truncation within about a second.
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

async fn follow(database: Arc<Path>, marks: Arc<Marks>, mut requests: Receiver<()>) {
    let (mut seen, mut is_pending, mut pause) = (None, false, INTERVAL);
    loop {
        let is_requested = match timeout(pause, requests.recv()).await {
            Ok(None) => return,
            Ok(Some(())) => true,
            Err(_) => false,
        };
        if !is_requested && !is_pending && seen.is_some() && marks.now() == seen {
            continue;
        }
        is_pending = !try_truncate(&database).await;
        // Each attempt keeps writers waiting: readers that stay, such as a backup, are tried less and less often.
        pause = match is_pending {
            true if pause < INTERVAL => (2 * pause).min(INTERVAL),
            true => MIN_PAUSE,
            false => INTERVAL,
        };
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
