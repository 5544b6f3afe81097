//! Database errors, told apart by what someone would do about them.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr};

use crate::error::{Error, Result};

/// What ended a transaction: a failure of the database, or a verdict of the rules in it.
pub(super) enum Failed {
    /// The database failed.
    Database(DbErr),
    /// The commit failed: whether it took effect is unknown.
    Commit(DbErr),
    /// A rule was broken; nothing is written.
    Rule(Error),
}

impl Failed {
    pub(super) fn on_commit(error: DbErr) -> Self {
        // These two mean that the server rolled back, also when they arrive at commit.
        if is_lost_race(&error) { Self::Database(error) } else { Self::Commit(error) }
    }

    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Database(error) if is_lost_race(error))
    }
}

impl From<DbErr> for Failed {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Database(error) | Failed::Commit(error) => error.into(),
            Failed::Rule(error) => error,
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let cause = error.to_string();
        if is_unreachable(&error) { Self::DatabaseUnavailable { cause } } else { Self::Database { cause } }
    }
}

/// How often what lost a race is run.
const ATTEMPTS: u32 = 5;

/// Runs what PostgreSQL may abort to keep others going (40001, 40P01), and runs it again as a whole when it did. A commit
/// whose outcome is unknown is not run again.
///
/// # Errors
/// Those of the last run.
pub(super) async fn until_won<T, F>(run: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = std::result::Result<T, Failed>>,
{
    let mut attempt = 1;
    loop {
        match run().await {
            Err(failed) if failed.is_lost_race() && attempt < ATTEMPTS => {
                tokio::time::sleep(pause_before(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome.map_err(Error::from),
        }
    }
}

/// A growing pause with jitter, so that transactions that collided do not collide again.
fn pause_before(attempt: u32) -> Duration {
    let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) % 8;
    Duration::from_millis((1 << attempt) + jitter)
}

/// Whether another connection holds an SQLite file.
pub(super) fn is_busy(error: &DbErr) -> bool {
    sql_state(error).is_some_and(|code| sqlite_code(&code) == Some(SQLITE_BUSY))
}

fn is_lost_race(error: &DbErr) -> bool {
    matches!(sql_state(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether the database could not be asked, or is about to go.
pub(super) fn is_unreachable(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) => true,
        // What answers while a connection is made, and then not as PostgreSQL does, is something in front of it that has
        // nowhere to lead: HAProxy takes the connection and closes it.
        DbErr::Conn(RuntimeErr::SqlxError(e)) if matches!(**e, sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => true,
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => match &**e {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                true
            }
            sqlx::Error::Database(e) => e.code().is_some_and(|code| means_away(&code)),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a statement failed because its server is gone, or is no primary any more. A connection that could not be made
/// says nothing about those that were.
pub(super) fn is_departure(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => match &**e {
            sqlx::Error::Io(_) => true,
            sqlx::Error::Database(e) => e.code().is_some_and(|code| means_departure(&code)),
            _ => false,
        },
        _ => false,
    }
}

/// A failure of the driver, as the ORM carries it.
pub(super) fn of_driver(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}

/// SQLSTATE classes that say the server is going, starting, full or a read-only stand-by (PostgreSQL, appendix A); or that
/// another process held an SQLite file for longer than a writer waits, or the file cannot be opened, read or written now.
fn means_away(code: &str) -> bool {
    const SQLITE_READONLY: u16 = 8;
    const SQLITE_IOERR: u16 = 10;
    const SQLITE_CANTOPEN: u16 = 14;
    let of_file = sqlite_code(code);
    means_departure(code)
        || matches!(code, "57P03" | "53300")
        || matches!(of_file, Some(SQLITE_BUSY | SQLITE_READONLY | SQLITE_IOERR | SQLITE_CANTOPEN))
}

/// Those of them after which a connection leads nowhere, or to a stand-by.
fn means_departure(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P05" | "25006")
}

/// SQLSTATEs that say that nobody can be served, whatever is asked: those of [`means_away`] but a server that is full, or
/// a stand-by.
pub(super) fn means_down(code: &str) -> bool {
    means_away(code) && !matches!(code, "53300" | "25006")
}

const SQLITE_BUSY: u16 = 5;

/// The primary result code of SQLite, which is the low byte of an extended one. They have up to four digits, a SQLSTATE has
/// five.
fn sqlite_code(code: &str) -> Option<u16> {
    (code.len() < 5).then(|| code.parse::<u16>().ok()).flatten().map(|code| code & 0xff)
}

fn sql_state(error: &DbErr) -> Option<String> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => {
            e.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_sqlite_file_is_away_and_a_mistake_is_not() {
        for away in
            ["5", "261", "517", "773", "8", "1032", "10", "1802", "14", "57P01", "57P03", "53300", "25006", "08006"]
        {
            assert!(means_away(away), "{away}");
        }
        // 22021 has the low byte of SQLITE_BUSY; 13 is a full disk, 1 a missing table.
        for failed in ["22021", "23505", "57014", "42P01", "13", "1", "", "x"] {
            assert!(!means_away(failed), "{failed}");
        }
    }

    #[test]
    fn only_a_statement_whose_server_left_outdates_connections() {
        for left in ["57P01", "57P02", "57P05", "25006", "08006"] {
            assert!(means_departure(left), "{left}");
        }
        // Starting up, no place left, a busy file, a lost race, a statement that took too long.
        for stays in ["57P03", "53300", "5", "40001", "57014"] {
            assert!(!means_departure(stays), "{stays}");
        }
        let cut = || of_driver(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        assert!(is_departure(&DbErr::Query(cut())) && is_departure(&DbErr::Exec(cut())));
        assert!(!is_departure(&DbErr::Conn(cut())), "a connection that could not be made");
    }

    #[test]
    fn what_closes_a_connection_before_it_is_one_is_away() {
        let odd = || of_driver(sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned()));
        assert!(is_unreachable(&DbErr::Conn(odd())));
        assert!(!is_unreachable(&DbErr::Query(odd())), "a mistake in a conversation");
    }

    #[test]
    fn a_server_that_has_no_place_or_only_reads_is_there() {
        assert!(means_down("57P03"));
        for there in ["53300", "25006", "28P01", "3D000"] {
            assert!(!means_down(there), "{there}");
        }
    }
}
