//! Opening the pools.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection, PgConnection, Row};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use super::database_url::PostgresUrl;
use super::failure::is_busy;
use super::lines::Lines;
use super::log_truncation::LogTruncation;
use super::marks::Marks;
use super::pool::{Enclosed, Pool, Way};
use super::readiness::OpenedFile;
use super::revisions::Revisions;
use super::state::StateCache;
use super::watch::Watch;
use super::writer::Writer;
use super::{StatementObserver, Store, StoreSettings, Target, claim, files, wall};
use crate::error::{Error, Result};

/// How long an SQLite writer waits for another process, and a request for its turn at the one writing connection.
const SQLITE_WAIT: Duration = Duration::from_secs(5);
const SQLITE_POLL: Duration = Duration::from_millis(20);
/// Statements kept prepared on each connection.
const STATEMENT_CACHE: usize = 256;
/// Pages that a reader of an SQLite file keeps, in KiB as SQLite counts them. The system keeps the file's pages, too, and
/// what accounts have is kept above; this is for the upper pages of the trees.
const READER_CACHE: &str = "-256";
/// The same of the writer, which also holds the pages of the group it is writing.
const WRITER_CACHE: &str = "-1024";
/// An idle PostgreSQL connection is pinged before it is handed out, in case the server closed it meanwhile.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);

pub(super) async fn connect(settings: &StoreSettings, observer: Option<StatementObserver>) -> Result<Store> {
    match &settings.target {
        Target::Sqlite(_) if settings.row_level_security => Err(Error::DatabaseUnfit {
            cause:
                "database.row_level_security is on, and SQLite has none: turn it off, or name a PostgreSQL server in \
                    database.url"
                    .to_owned(),
        }),
        Target::Sqlite(path) => {
            let claim = claim::share(path).await?;
            files::secure_database(path).map_err(|e| Error::Database {
                cause: format!("cannot create the database file {}: {e}", path.display()),
            })?;
            // The writer first: it makes the file that the readers open.
            let write = observed(connect_to_file(settings, path).await?, observer.as_ref());
            let write = Pool::new(Way::Direct(write), Watch::default());
            let read = open_file(sqlite(settings, path, true)).await?;
            // Nobody else has statements for the readers.
            let most = settings.max_connections as usize;
            let driver = read.get_sqlite_connection_pool().clone();
            let lines = Lines::new(driver, most, observer.clone(), Watch::default());
            let read = Pool::new(Way::Sqlite(observed(read, observer.as_ref()), lines), Watch::default());
            let file = OpenedFile::new(path.clone());
            let writer = Some(Writer::start(write.clone(), file.clone()));
            let store = assembled(settings, read, write, Marks::of_sqlite(path));
            let log = Some(LogTruncation::start(path, store.marks.clone()));
            Ok(Store { writer, _claim: Some(Arc::new(claim)), file: Some(file), log, ..store })
        }
        Target::Postgres { url, .. } => {
            let watch = Watch::of_server(url, settings.silence);
            let pool = Database::connect(postgres(settings, session(settings, url), &watch)).await?;
            let driver = pool.get_postgres_connection_pool().clone();
            let enclosed = Enclosed::new(driver.clone(), observer.clone(), !settings.transaction_pooler);
            let walled = settings.row_level_security.then(|| enclosed.clone());
            let way = if settings.transaction_pooler {
                Way::Enclosed(enclosed)
            } else if settings.max_connections == 1 || settings.row_level_security {
                // Kept at hand they would be missing for transactions.
                Way::Direct(observed(pool, observer.as_ref()))
            } else {
                let most = settings.max_connections - settings.max_connections.div_ceil(4);
                let lines = Lines::new(driver, most as usize, observer.clone(), watch.clone());
                Way::Postgres(observed(pool, observer.as_ref()), lines)
            };
            let pool = Pool::new(way, watch);
            refuse_other_encodings(&pool).await?;
            if settings.row_level_security {
                wall::check_role(&pool).await?;
            }
            Ok(Store { walled, ..assembled(settings, pool.clone(), pool, Marks::default()) })
        }
    }
}

fn assembled(settings: &StoreSettings, read: Pool, write: Pool, marks: Marks) -> Store {
    let revisions = Revisions::new(read.clone());
    let states = Arc::new(StateCache::new(settings.account_cache_bytes));
    let marks = Arc::new(marks);
    Store { read, write, writer: None, walled: None, revisions, marks, states, _claim: None, file: None, log: None }
}

/// The one writing connection of a file.
pub(super) async fn connect_to_file(settings: &StoreSettings, path: &Path) -> Result<DatabaseConnection> {
    open_file(sqlite(settings, path, false)).await
}

/// Opens a file that other processes may be opening for the first time, too. Of several that turn on its write-ahead log
/// at once, SQLite tells all but one at once that the file is busy, without the wait that it grants everything else.
async fn open_file(options: ConnectOptions) -> Result<DatabaseConnection> {
    let deadline = Instant::now() + SQLITE_WAIT;
    loop {
        match Database::connect(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => tokio::time::sleep(SQLITE_POLL).await,
            outcome => return Ok(outcome?),
        }
    }
}

/// A small pool for migrations: one connection holds the lock, another works; statements may take their time.
pub(super) async fn connect_for_migration(settings: &StoreSettings, url: &PostgresUrl) -> Result<DatabaseConnection> {
    let direct = StoreSettings { transaction_pooler: false, ..settings.clone() };
    // For the whole session, which serves migrations alone.
    let session = named(url).options([("statement_timeout", "0"), (wall::SETTING, wall::MIGRATION)]);
    let mut options = postgres(&direct, session, &Watch::default());
    options.max_connections(2);
    Ok(Database::connect(options).await?)
}

fn sqlite(settings: &StoreSettings, path: &Path, read_only: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new("sqlite://patchbay.db");
    let path = path.to_owned();
    let synchronous =
        if settings.sqlite_synchronous_full { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    options
        .max_connections(if read_only { settings.max_connections } else { 1 })
        .min_connections(1)
        .acquire_timeout(if read_only { settings.acquire_timeout } else { SQLITE_WAIT })
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_before_acquire(|connection, _| {
            // After some failures, a full disk among them, SQLite rolls back by itself, and the driver goes on counting
            // that transaction. What comes next would be a savepoint in it, and in the end acknowledged without a commit.
            let is_done = !connection.is_in_transaction();
            Box::pin(std::future::ready(Ok(is_done)))
        })
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .create_if_missing(!read_only)
                .read_only(read_only)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(synchronous)
                .busy_timeout(SQLITE_WAIT)
                .foreign_keys(true)
                .statement_cache_capacity(STATEMENT_CACHE)
                .pragma("cache_size", if read_only { READER_CACHE } else { WRITER_CACHE })
                // What a statement deletes or replaces is overwritten with zeros in the pages that it leaves.
                .pragma("secure_delete", "ON")
                .pragma("temp_store", "memory")
        });
    options
}

/// The driver's options of every session.
fn named(url: &PostgresUrl) -> PgConnectOptions {
    url.options().application_name("patchbay").disable_statement_logging()
}

/// A session for requests.
fn session(settings: &StoreSettings, url: &PostgresUrl) -> PgConnectOptions {
    if settings.transaction_pooler {
        // Behind a pooler the next statement may run on another server connection, where a named one is unknown; and
        // poolers refuse start-up parameters that they do not know. The time-out is set on the role instead.
        return named(url).statement_cache_capacity(0).extra_float_digits(None);
    }
    let timeout = settings.statement_timeout.as_millis().to_string();
    // Every frequent statement goes by a key. Reading a table of a thousand accounts from front to back looks cheaper than
    // that to the planner, and is not.
    let options = [("statement_timeout", &*timeout), ("enable_seqscan", "off")];
    named(url).statement_cache_capacity(STATEMENT_CACHE).options(options)
}

/// With a pool that gives up what led to a server that left.
fn postgres(settings: &StoreSettings, session: PgConnectOptions, watch: &Watch) -> ConnectOptions {
    // The library parses a URL and may log it: it gets none of an operator's.
    let mut options = ConnectOptions::new("postgres://localhost");
    let (taken, returned, pooler) = (watch.clone(), watch.clone(), settings.transaction_pooler);
    options
        .max_connections(settings.max_connections)
        .min_connections(1)
        .acquire_timeout(settings.acquire_timeout)
        .connect_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .map_sqlx_postgres_before_acquire(move |_, connection| {
            let is_good = !taken.has_outdated(connection.age);
            Box::pin(async move { Ok(is_good) })
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let returned = returned.clone();
            let pool = pool.after_release(move |_, connection| {
                let is_good = !returned.has_outdated(connection.age);
                Box::pin(async move { Ok(is_good) })
            });
            // A pooler's connections to the server are its own affair.
            if pooler { pool } else { pool.after_connect(|connection, _| Box::pin(refuse_standby(connection))) }
        })
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_postgres_opts(move |_| session.clone());
    options
}

/// What leads to the primary may for a moment lead to the one that was it before. A stand-by answers reads, with what it has
/// heard of: older than what was acknowledged meanwhile.
async fn refuse_standby(connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    let row = sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(connection).await?;
    if row.try_get(0)? {
        return Err(sqlx::Error::Protocol(
            "this server is a stand-by; database.url must lead to the primary".to_owned(),
        ));
    }
    Ok(())
}

/// Params and names are any text: another encoding would refuse some of it only when it is stored.
#[expect(clippy::disallowed_methods, reason = "a setting of the server belongs to no tenant")]
async fn refuse_other_encodings(pool: &Pool) -> Result<()> {
    const ENCODING: &str = "SELECT current_setting('server_encoding')";
    let row = pool.query_one_raw(Statement::from_string(DbBackend::Postgres, ENCODING)).await?;
    let encoding: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    match encoding {
        Some(encoding) if encoding != "UTF8" => Err(Error::DatabaseUnfit {
            cause: format!(
                "the database has the encoding {encoding}, and Patchbay needs UTF8: create it with ENCODING 'UTF8' \
                 TEMPLATE template0"
            ),
        }),
        _ => Ok(()),
    }
}

fn observed(mut pool: DatabaseConnection, observer: Option<&StatementObserver>) -> DatabaseConnection {
    if let Some(observer) = observer.cloned() {
        pool.set_metric_callback(move |info| observer(&info.statement.sql, info.elapsed, info.failed));
    }
    pool
}
