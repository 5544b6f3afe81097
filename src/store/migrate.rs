//! Bringing the schema up to date, also when eight processes start at once.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement, TransactionTrait};

use super::{Store, StoreSettings, Target, connect, files, key_walk, wall};
use crate::error::{Error, Result};

/// The advisory lock that migrating processes queue on; any number that nothing else in the database uses.
const LOCK: i64 = 0x0070_6174_6368_6261;
/// How long a process waits for another one to finish migrating.
const LOCK_DEADLINE: Duration = Duration::from_secs(120);
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Applies what is pending and returns the names of the steps applied.
pub(super) async fn migrate(store: &Store, settings: &StoreSettings) -> Result<Vec<String>> {
    let is_walled = settings.row_level_security;
    if pending(&store.write).await?.is_empty() && wall::stands(&store.write, is_walled).await? {
        return Ok(Vec::new());
    }
    match &settings.target {
        Target::Sqlite(path) => {
            let _lock = lock_file(path.with_extension("lock")).await?;
            let direct = connect::connect_to_file(settings, path).await?;
            let applied = apply(&direct).await;
            direct.close().await?;
            applied
        }
        Target::Postgres { url, migration_url } => {
            let direct = connect::connect_for_migration(settings, migration_url.as_ref().unwrap_or(url)).await?;
            let lock = lock_advisory(&direct).await?;
            let applied = apply_and_wall(&direct, is_walled).await;
            lock.commit().await?;
            direct.close().await?;
            applied
        }
    }
}

pub(super) async fn check(store: &Store) -> Result<()> {
    let pending = pending(&store.read).await?;
    if pending.is_empty() {
        return Ok(());
    }
    Err(Error::Database { cause: format!("schema steps are pending: {}; run `patchbay migrate`", pending.join(", ")) })
}

async fn apply(pool: &DatabaseConnection) -> Result<Vec<String>> {
    // Asked again under the lock: another process may have finished meanwhile.
    let steps = pending(pool).await?;
    if !steps.is_empty() {
        Migrator::up(pool, None).await?;
        // The database is new: no earlier release, which cannot open secrets with counters, uses it.
        if steps.len() == Migrator::migrations().len() {
            key_walk::enable_counters(pool).await?;
        }
    }
    Ok(steps)
}

async fn apply_and_wall(pool: &DatabaseConnection, is_walled: bool) -> Result<Vec<String>> {
    let steps = apply(pool).await?;
    if !wall::stands(pool, is_walled).await? {
        wall::build(pool, is_walled).await?;
    }
    Ok(steps)
}

/// The steps of this binary that were not applied. What a newer one applied is no reason to stop: steps only add, so that old
/// and new replicas work side by side while one version takes the place of another, in either direction.
async fn pending(pool: &impl ConnectionTrait) -> Result<Vec<String>> {
    let known = Migrator::migrations().into_iter().map(|step| step.name().to_owned());
    let refused = match Migrator::get_pending_migrations_read_only(pool).await {
        Ok(steps) => return Ok(steps.iter().map(|step| step.name().to_owned()).collect()),
        Err(error) => error,
    };
    // The library refuses steps that it does not know, like everything else that is wrong.
    let Ok(applied) = applied(pool).await else { return Err(refused.into()) };
    Ok(known.filter(|step| !applied.contains(step)).collect())
}

#[expect(clippy::disallowed_methods, reason = "the steps of the schema belong to no tenant and have no entity")]
async fn applied(pool: &impl ConnectionTrait) -> std::result::Result<Vec<String>, DbErr> {
    let statement = Statement::from_string(pool.get_database_backend(), r#"SELECT "version" FROM "schema_migrations""#);
    pool.query_all_raw(statement).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Held until the transaction ends, so also when this process dies.
async fn lock_advisory(pool: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let deadline = Instant::now() + LOCK_DEADLINE;
    loop {
        let transaction = pool.begin().await?;
        if try_lock(&transaction).await? {
            return Ok(transaction);
        }
        transaction.rollback().await?;
        wait(deadline, "another process has been migrating the database for too long").await?;
    }
}

#[expect(clippy::disallowed_methods, reason = "the advisory lock belongs to no tenant and has no entity")]
async fn try_lock(transaction: &DatabaseTransaction) -> Result<bool> {
    let statement = Statement::from_sql_and_values(
        transaction.get_database_backend(),
        "SELECT pg_try_advisory_xact_lock($1) AS locked",
        [LOCK.into()],
    );
    match transaction.query_one_raw(statement).await? {
        Some(row) => Ok(row.try_get("", "locked")?),
        None => Ok(false),
    }
}

/// Held until the file is closed, so also when this process dies.
async fn lock_file(path: PathBuf) -> Result<File> {
    let failed = |e: std::io::Error| Error::Database { cause: format!("lock file {}: {e}", path.display()) };
    let deadline = Instant::now() + LOCK_DEADLINE;
    files::create_private(&path).map_err(failed)?;
    let file = File::open(&path).map_err(failed)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {
                wait(deadline, "another process has been migrating the database for too long").await?;
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(failed(e)),
        }
    }
}

async fn wait(deadline: Instant, sentence: &str) -> Result<()> {
    if Instant::now() > deadline {
        return Err(Error::Database { cause: sentence.to_owned() });
    }
    tokio::time::sleep(LOCK_POLL).await;
    Ok(())
}
