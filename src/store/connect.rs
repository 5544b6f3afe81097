//! Opening the pools.

use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::{StatementObserver, Store, StoreSettings, Target};
use crate::error::Result;

/// How long an SQLite writer waits for another process, and a request for its turn at the one writing connection.
const SQLITE_WAIT: Duration = Duration::from_secs(5);
/// Statements kept prepared on each connection.
const STATEMENT_CACHE: usize = 256;
/// An idle PostgreSQL connection is pinged before it is handed out, in case the server closed it meanwhile.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);

pub(super) async fn connect(settings: &StoreSettings, observer: Option<StatementObserver>) -> Result<Store> {
    let (mut read, mut write) = match &settings.target {
        Target::Sqlite(path) => {
            let write = Database::connect(sqlite(settings, path, false)).await?;
            (Database::connect(sqlite(settings, path, true)).await?, write)
        }
        Target::Postgres { url, .. } => {
            let pool = Database::connect(postgres(settings, url)).await?;
            (pool.clone(), pool)
        }
    };
    if let Some(observer) = observer {
        observe(&mut read, &observer);
        observe(&mut write, &observer);
    }
    Ok(Store { read, write })
}

/// A small pool for migrations: one connection holds the lock, another works; statements may take their time.
pub(super) async fn connect_for_migration(settings: &StoreSettings, url: &str) -> Result<DatabaseConnection> {
    let mut options = postgres(settings, url);
    options.max_connections(2).statement_timeout(Duration::ZERO);
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
                .pragma("cache_size", "-8192")
                .pragma("temp_store", "memory")
                .pragma("mmap_size", "268435456")
                .optimize_on_close(!read_only, None)
        });
    options
}

fn postgres(settings: &StoreSettings, url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(settings.max_connections)
        .min_connections(1)
        .acquire_timeout(settings.acquire_timeout)
        .connect_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    let pooler = settings.transaction_pooler;
    if !pooler {
        // Sent with the start-up packet, which a transaction pooler refuses: there it is set on the role instead.
        options.statement_timeout(settings.statement_timeout);
    }
    options.map_sqlx_postgres_opts(move |postgres| {
        // Behind a pooler the next statement may run on another server connection, where a named one is unknown.
        postgres.application_name("patchbay").statement_cache_capacity(if pooler { 0 } else { STATEMENT_CACHE })
    });
    options
}

fn observe(pool: &mut DatabaseConnection, observer: &StatementObserver) {
    let observer = observer.clone();
    pool.set_metric_callback(move |info| observer(&info.statement.sql, info.elapsed, info.failed));
}
