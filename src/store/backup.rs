//! Whole copies of an SQLite file: made beside servers that write, looked at without touching them, and the file whose
//! place a copy takes.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, QueryResult, Statement, Value};

use super::api_keys::PEPPER;
use super::failure::is_busy;
use super::{KeyCheckRow, claim};
use crate::error::{Error, Result};

/// How long to wait for another process that has the file locked, as for a change of its journal.
const WAIT: Duration = Duration::from_secs(5);

/// An SQLite file that servers may be using.
pub struct Original {
    pool: DatabaseConnection,
    _claim: File,
}

/// A copy that nobody changes. It is opened so that nothing is written, not even beside it.
pub struct Copied {
    pool: DatabaseConnection,
}

/// What is in a copy, without any of it.
pub struct Contents {
    /// Steps of the schema, oldest first.
    pub steps: Vec<String>,
    /// The provider keys that it takes to open its secrets.
    pub key_checks: Vec<KeyCheckRow>,
    /// The fingerprint of the pepper that its API keys were made with; none without API keys.
    pub pepper: Option<String>,
    /// How much there is.
    pub counts: Counts,
}

/// Rows of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Accounts that ever changed anything.
    pub accounts: u64,
    /// Installations, also those that are uninstalled and kept.
    pub installations: u64,
    /// Sealed secrets.
    pub secrets: u64,
    /// API keys, also revoked ones.
    pub api_keys: u64,
}

impl Original {
    /// Opens a file that is there, whatever steps its schema has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(path: &Path) -> Result<Self> {
        let _claim = claim::share(path).await?;
        // Not read-only: the log that a killed server left behind has to be gone through before anything can be read.
        let pool = open(path, |sqlite| sqlite.create_if_missing(false).busy_timeout(WAIT)).await?;
        Ok(Self { pool, _claim })
    }

    /// How large a copy will be, about.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn bytes(&self) -> Result<u64> {
        let pages = number(&self.pool, "PRAGMA page_count").await?;
        let free = number(&self.pool, "PRAGMA freelist_count").await?;
        Ok(pages.saturating_sub(free) * number(&self.pool, "PRAGMA page_size").await?)
    }

    /// Writes all that is committed at this moment to an empty file. Reads in one transaction: writers go on.
    ///
    /// # Errors
    /// Those of the database, also when the disk is full.
    pub async fn copy_to(&self, empty: &Path) -> Result<()> {
        let path = empty.to_str().ok_or_else(|| Error::Database { cause: "the path is not UTF-8".into() })?;
        // Rebuilds the database from its rows: pages of what was deleted, as by `account shred`, do not come along.
        run(&self.pool, "VACUUM INTO $1", [path.into()]).await?;
        Ok(())
    }

    /// Closes the file.
    pub async fn close(self) {
        close(&self.pool).await;
    }
}

impl Copied {
    /// Opens a copy.
    ///
    /// # Errors
    /// Those of the database, also when it is no SQLite file.
    pub async fn open(path: &Path) -> Result<Self> {
        Ok(Self { pool: open(path, |sqlite| sqlite.read_only(true).immutable(true)).await? })
    }

    /// What SQLite finds wrong with it, in its words; none when it is whole.
    ///
    /// # Errors
    /// Those of the database, when it cannot even be looked at.
    pub async fn fault(&self) -> Result<Option<String>> {
        let found = texts(&self.pool, "PRAGMA integrity_check(1)").await?;
        Ok(found.into_iter().next().filter(|first| first != "ok"))
    }

    /// What is in it.
    ///
    /// # Errors
    /// Those of the database, when it is none of Patchbay's.
    pub async fn contents(&self) -> Result<Contents> {
        let count = async |table: &str| number(&self.pool, &format!(r#"SELECT count(*) FROM "{table}""#)).await;
        let counts = Counts {
            accounts: count("account_revisions").await?,
            installations: count("installations").await?,
            secrets: count("installation_secrets").await?,
            api_keys: count("api_keys").await?,
        };
        let steps = texts(&self.pool, r#"SELECT "version" FROM "schema_migrations" ORDER BY "version""#).await?;
        let (pepper, key_checks): (Vec<_>, Vec<_>) =
            key_checks(&self.pool).await?.into_iter().partition(|row| row.provider == PEPPER);
        let pepper = pepper.into_iter().next().map(|row| row.fingerprint).filter(|_| counts.api_keys > 0);
        Ok(Contents { steps, key_checks, pepper, counts })
    }

    /// Closes the copy.
    pub async fn close(self) {
        close(&self.pool).await;
    }
}

impl Contents {
    /// Steps of its schema that this binary does not know: a newer one made it.
    pub fn unknown_steps(&self) -> Vec<&str> {
        let known = known_steps();
        self.steps.iter().filter(|step| !known.contains(step)).map(String::as_str).collect()
    }

    /// Steps that the next server will take.
    pub fn pending_steps(&self) -> Vec<String> {
        known_steps().into_iter().filter(|step| !self.steps.contains(step)).collect()
    }
}

fn known_steps() -> Vec<String> {
    Migrator::migrations().iter().map(|step| step.name().to_owned()).collect()
}

/// Makes one file of a database that nobody uses any more: what is in its log goes into the file itself. False when
/// another process has it open after all.
///
/// # Errors
/// Those of the database, when it is damaged. What is no SQLite file at all stays untouched, and what lies beside it.
pub async fn put_to_rest(database: &Path) -> Result<bool> {
    refuse_other_formats(database)?;
    let pool = match open(database, |sqlite| sqlite.create_if_missing(false).busy_timeout(WAIT)).await {
        Err(Error::DatabaseUnavailable { .. }) => return Ok(false),
        opened => opened?,
    };
    // Refused by SQLite while anybody else has the file open.
    let rested = run(&pool, "PRAGMA journal_mode = DELETE", []).await;
    close(&pool).await;
    match rested {
        Err(error) if is_busy(&error) => Ok(false),
        rested => Ok(rested.map(|_| true)?),
    }
}

/// SQLite finds this out too, but deletes the log of such a file when it closes it, which it may do after it has
/// answered.
fn refuse_other_formats(database: &Path) -> Result<()> {
    let damaged = |cause: String| Error::Database { cause };
    let mut start = [0; MAGIC.len()];
    let read = File::open(database).and_then(|mut file| file.read_exact(&mut start));
    match read {
        Ok(()) if start == *MAGIC => Ok(()),
        Ok(()) => Err(damaged("file is not a database".to_owned())),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(damaged("file is too short for a database".to_owned())),
        Err(e) => Err(damaged(e.to_string())),
    }
}

/// <https://www.sqlite.org/fileformat2.html#magic_header_string>
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

async fn open(
    path: &Path,
    options: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions + Send + Sync + 'static,
) -> Result<DatabaseConnection> {
    let mut connect = ConnectOptions::new("sqlite://patchbay.db");
    let path = path.to_owned();
    connect
        .max_connections(1)
        .min_connections(1)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| options(sqlite.filename(&path)));
    Ok(Database::connect(connect).await?)
}

async fn close(pool: &DatabaseConnection) {
    if let Err(error) = pool.close_by_ref().await {
        tracing::warn!(%error, "closing a database");
    }
}

async fn key_checks(pool: &DatabaseConnection) -> Result<Vec<KeyCheckRow>> {
    const ROWS: &str = r#"SELECT "provider", "kek_ref", "fingerprint", "wrapped" FROM "key_checks" ORDER BY "kek_ref""#;
    let read = |row: &QueryResult| {
        Ok::<_, DbErr>(KeyCheckRow {
            provider: row.try_get_by_index(0)?,
            kek_ref: row.try_get_by_index(1)?,
            fingerprint: row.try_get_by_index(2)?,
            wrapped: row.try_get_by_index(3)?,
        })
    };
    Ok(run(pool, ROWS, []).await?.iter().map(read).collect::<std::result::Result<_, _>>()?)
}

async fn number(pool: &DatabaseConnection, sql: &str) -> Result<u64> {
    let rows = run(pool, sql, []).await?;
    let number: Option<i64> = rows.first().map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default())
}

async fn texts(pool: &DatabaseConnection, sql: &str) -> Result<Vec<String>> {
    let rows = run(pool, sql, []).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<std::result::Result<_, _>>()?)
}

#[expect(clippy::disallowed_methods, reason = "of a whole file, of all accounts")]
async fn run<const N: usize>(
    pool: &DatabaseConnection,
    sql: &str,
    values: [Value; N],
) -> std::result::Result<Vec<QueryResult>, DbErr> {
    pool.query_all_raw(Statement::from_sql_and_values(pool.get_database_backend(), sql, values)).await
}
