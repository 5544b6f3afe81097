//! The database: rows in, domain values out. It never meets a plaintext secret, a transport or a key.
//!
//! Tenant rows are reached through [`TenantStore`], which knows its account; what belongs to no account, through
//! [`SystemStore`], which only the command line and the start-up build.

mod api_key_upkeep;
mod api_keys;
mod backup;
mod catalog;
mod changes;
mod claim;
mod connect;
mod database_url;
mod departures;
mod events;
mod failure;
mod files;
mod installations;
mod key_walk;
mod keys;
mod lines;
mod log_truncation;
mod marks;
mod migrate;
mod own_entries;
mod pool;
mod pulse;
mod readiness;
mod receipts;
mod revisions;
mod scope;
mod sealed;
mod servers;
mod state;
mod system;
mod wall;
mod watch;
mod writer;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub use api_keys::{ApiKeyStore, KeysOf, Revocation, Room, StoredKey};
pub use backup::{Contents, Copied, Counts, Original, put_to_rest};
pub use catalog::{BuiltinRow, CatalogRow, Loaded, RowEdit};
pub use changes::Change;
pub use claim::WholeClaim;
pub use database_url::{HOME_REFUSAL, PostgresUrl, has_password, parse_sqlite_url};
pub use installations::RecordedSecret;
pub use key_walk::{KeyCount, KeySignals, Need};
pub use keys::{AccountKey, Shredded};
pub use own_entries::OwnChange;
pub use receipts::Receipt;
pub use scope::TenantStore;
pub use sealed::{BoundSecrets, PlacedSecret, Resealed};
pub use servers::RunningServer;
pub use state::AccountState;
pub use system::{KeyCheckRow, SystemStore};

use crate::domain::AccountId;
use crate::error::{Error, Result};
use failure::Failed;
use log_truncation::LogTruncation;
use marks::Marks;
use pool::{Enclosed, Pool, Transaction};
use readiness::OpenedFile;
use revisions::Revisions;
use state::StateCache;
use writer::Writer;

/// Where the database is and how it is used.
#[derive(Clone)]
pub struct StoreSettings {
    /// Which database.
    pub target: Target,
    /// Most connections of the pool; on SQLite, of the pool of readers.
    pub max_connections: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL may work on one statement.
    pub statement_timeout: Duration,
    /// How long PostgreSQL may answer nothing at all before it counts as away, once [`Store::mind_silence`] was called;
    /// `None` waits for each statement.
    pub silence: Option<Duration>,
    /// PostgreSQL is reached through a pooler that hands out a connection per transaction.
    pub transaction_pooler: bool,
    /// PostgreSQL itself keeps accounts apart, too. Refused where it cannot: on SQLite, and for a superuser.
    pub row_level_security: bool,
    /// Commits wait for the disk (`FULL`) or not (`NORMAL`): power loss may then take the last commits.
    pub sqlite_synchronous_full: bool,
    /// Memory for the rows of the accounts asked for most, about; 0 keeps none.
    pub account_cache_bytes: u64,
}

/// The database itself.
#[derive(Clone)]
pub enum Target {
    /// A file, made when absent.
    Sqlite(PathBuf),
    /// A server.
    Postgres {
        /// For requests.
        url: PostgresUrl,
        /// For migrations, when requests go through a pooler.
        migration_url: Option<PostgresUrl>,
    },
}

/// Told of every statement: its text with placeholders (never a value), how long it took, whether it failed.
pub type StatementObserver = Arc<dyn Fn(&str, Duration, bool) + Send + Sync>;

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// Read-only on SQLite; the same pool as `write` on PostgreSQL.
    read: Pool,
    /// One connection on SQLite, so that writers queue here instead of failing on a locked file.
    write: Pool,
    /// Groups the changes of an SQLite file.
    writer: Option<Writer>,
    /// With row-level security: what the connections of each account are made from.
    walled: Option<Enclosed>,
    revisions: Revisions,
    marks: Arc<Marks>,
    states: Arc<StateCache>,
    /// Tells others that an SQLite file is in use.
    _claim: Option<Arc<File>>,
    /// The file of an embedded database.
    file: Option<OpenedFile>,
    /// Truncates the log of that file.
    log: Option<LogTruncation>,
}

impl Store {
    /// Opens the pools. Makes an SQLite file that is absent; does not migrate.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`] or [`Error::Database`].
    pub async fn connect(settings: &StoreSettings, observer: Option<StatementObserver>) -> Result<Self> {
        connect::connect(settings, observer).await
    }

    /// Brings the schema and row-level security up to date; safe when many processes do it at once.
    ///
    /// # Errors
    /// [`Error::Database`] when a step fails, or some are pending and others of a newer binary were applied.
    pub async fn migrate(&self, settings: &StoreSettings) -> Result<Vec<String>> {
        migrate::migrate(self, settings).await
    }

    /// The part of the database that belongs to one account.
    pub fn tenant(&self, account: AccountId) -> TenantStore {
        TenantStore::new(self.seen_by(account.as_str()), account)
    }

    /// The part that belongs to no account: catalog, key checks.
    pub fn system(&self) -> SystemStore {
        SystemStore::new(self.clone())
    }

    /// The API keys, which belong to no account either.
    pub fn api_keys(&self) -> ApiKeyStore {
        ApiKeyStore::new(self.clone())
    }

    /// The same store for whoever this is. With row-level security its transactions tell PostgreSQL, and it asks for
    /// revisions by itself: a statement for several accounts would see the rows of one.
    fn seen_by(&self, whose: &str) -> Self {
        let mut store = self.clone();
        if let Some(walled) = &self.walled {
            let pool = self.read.enclosing(walled.beginning(wall::begin(whose)));
            store.revisions = Revisions::new(pool.clone());
            store.write = pool.clone();
            store.read = pool;
        }
        store
    }

    /// Whether one process at a time writes, as to an SQLite file.
    pub fn has_one_writer(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether the database answers and its schema has all that this binary knows.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`] when it does not answer, [`Error::Database`] when steps are pending.
    pub async fn check(&self) -> Result<()> {
        migrate::check(self).await
    }

    /// From now on [`StoreSettings::silence`] counts: there are requests that wait for the database. Whoever is only
    /// starting, or works alone, has half a minute instead.
    pub fn mind_silence(&self) {
        self.write.mind_silence();
    }

    /// Has the log of an SQLite file truncated soon: something was erased.
    fn request_truncation(&self) {
        if let Some(log) = &self.log {
            log.request();
        }
    }

    /// Closes the pools; statements under way end first.
    pub async fn close(&self) {
        if let Some(log) = &self.log {
            log.stop();
        }
        for pool in [&self.read, &self.write] {
            if let Err(error) = pool.close().await {
                tracing::warn!(%error, "closing the database");
            }
        }
    }

    /// Runs `work` in a transaction that holds the write lock from its first statement, and ends it as the work says.
    ///
    /// When the request that wanted it is dropped, it is rolled back, unless its commit is under way. That happens in a
    /// task of its own: the driver does not know of a BEGIN whose answer nobody waited for, and would hand the
    /// connection on with the transaction open.
    ///
    /// # Errors
    /// Those of the work, and of the database.
    async fn transaction<W: Work>(&self, work: W) -> Result<W::Value> {
        let store = self.clone();
        let abandoned = CancellationToken::new();
        let _abandons_when_dropped = abandoned.clone().drop_guard();
        let task = tokio::spawn(
            async move { failure::until_won(|| store.attempt(&work, &abandoned)).await }.in_current_span(),
        );
        task.await
            .unwrap_or_else(|_| Err(Error::Internal { cause: "a transaction panicked; its place is logged".into() }))
    }

    async fn attempt<W: Work>(&self, work: &W, abandoned: &CancellationToken) -> std::result::Result<W::Value, Failed> {
        if let Some(file) = &self.file {
            file.check().map_err(Failed::Rule)?;
        }
        let transaction = self.write.begin().await?;
        let outcome = tokio::select! {
            biased;
            () = abandoned.cancelled() => Err(Failed::Rule(Error::Timeout)),
            outcome = work.run(&transaction) => outcome,
        };
        match outcome {
            Ok(Outcome::Commit(value)) => {
                transaction.commit().await.map_err(Failed::on_commit)?;
                Ok(value)
            }
            Ok(Outcome::Nothing(value)) => {
                transaction.rollback().await?;
                Ok(value)
            }
            Err(failed) => {
                // The first failure is the one to report; the connection rolls back when it is dropped anyway.
                let _ = transaction.rollback().await;
                Err(failed)
            }
        }
    }
}

/// What is done inside one transaction; may be run more than once.
trait Work: Send + Sync + 'static {
    /// What comes of it.
    type Value: Send + 'static;

    fn run(&self, t: &Transaction) -> impl Future<Output = std::result::Result<Outcome<Self::Value>, Failed>> + Send;
}

/// How a transaction ends.
enum Outcome<T> {
    /// Keep what was written.
    Commit(T),
    /// Nothing changed: leave no trace.
    Nothing(T),
}

/// The present, no finer than both databases keep it.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
