//! How statements reach the database: straight through the ORM's pool, or each enclosed in a transaction.
//!
//! That is for row-level security (see `wall`), where a transaction says first whose rows it is for, and for poolers.
//! A transaction pooler such as PgBouncer hands out another server connection for each transaction. The ORM's driver
//! prepares statements under names, in a round trip of their own, and a name made on one server connection is unknown (or
//! taken) on the next. Behind one every statement runs inside a transaction, unnamed, so that both round trips meet the same
//! server connection. It costs two round trips more for a single statement, and works with every pooler.
//!
//! Whatever is sent to PostgreSQL is given up when that does not answer at all (see `pulse`).

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::{self, PgPool, Postgres, SqlSafeStr, Sqlite};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

use super::StatementObserver;
use super::failure::{is_departure, of_driver};
use super::lines::Lines;
use super::watch::Watch;

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    way: Way,
    watch: Watch,
}

/// How its statements reach the database.
#[derive(Clone)]
pub(super) enum Way {
    /// Straight to the database.
    Direct(DatabaseConnection),
    /// Straight to PostgreSQL, with connections at hand for statements of their own.
    Postgres(DatabaseConnection, Lines<Postgres>),
    /// The same for those that read an SQLite file.
    Sqlite(DatabaseConnection, Lines<Sqlite>),
    /// PostgreSQL, each statement in a transaction of its own.
    Enclosed(Enclosed),
}

/// What such transactions are made from. Cheap to clone.
#[derive(Clone)]
pub(super) struct Enclosed {
    pool: PgPool,
    observer: Option<StatementObserver>,
    /// Not behind a pooler: what was prepared on a connection is found there again.
    is_named: bool,
    /// Begins a transaction, where that is more than a plain BEGIN.
    begin: Option<Arc<str>>,
}

/// A transaction of such a pool; rolled back when dropped.
pub(super) struct Transaction {
    way: TransactionWay,
    watch: Watch,
}

enum TransactionWay {
    /// Of the ORM.
    Direct(DatabaseTransaction),
    /// Of an enclosing pool.
    Enclosed(EnclosedTransaction),
}

impl Pool {
    /// What is sent is given up when the pulse stops.
    pub(super) fn new(way: Way, watch: Watch) -> Self {
        Self { way, watch }
    }

    /// Begins a transaction that may write. A connection whose server left costs nothing here: nothing was done on it yet,
    /// and once that is noted the next one is new.
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        let way = match self.watch.over(self.way.begin()).await {
            Err(error) if is_departure(&error) => self.watch.over(self.way.begin()).await?,
            begun => begun?,
        };
        Ok(Transaction { way, watch: self.watch.clone() })
    }

    /// From now on the server is silent as soon as was said.
    pub(super) fn mind_silence(&self) {
        self.watch.mind_silence();
    }

    /// The same server, with transactions that this makes.
    pub(super) fn enclosing(&self, enclosed: Enclosed) -> Self {
        Self { way: Way::Enclosed(enclosed), watch: self.watch.clone() }
    }

    /// Closes the pool; statements under way end first.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        self.way.close().await
    }
}

impl Way {
    async fn begin(&self) -> Result<TransactionWay, DbErr> {
        match self {
            Self::Direct(pool) | Self::Postgres(pool, _) | Self::Sqlite(pool, _) => {
                // A plain BEGIN on SQLite takes the write lock at the first write, and then fails at once instead of
                // waiting for its turn.
                let is_sqlite = pool.get_database_backend() == DbBackend::Sqlite;
                let options = TransactionOptions {
                    sqlite_transaction_mode: is_sqlite.then_some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                pool.begin_with_options(options).await.map(TransactionWay::Direct)
            }
            Self::Enclosed(enclosed) => enclosed.begin().await.map(TransactionWay::Enclosed),
        }
    }

    async fn close(&self) -> Result<(), DbErr> {
        match self {
            Self::Direct(pool) => pool.close_by_ref().await,
            // Once it is closing nothing is kept any more, and what is kept is given back; it waits for that.
            Self::Postgres(pool, lines) => tokio::join!(pool.close_by_ref(), async { lines.clear() }).0,
            Self::Sqlite(pool, lines) => tokio::join!(pool.close_by_ref(), async { lines.clear() }).0,
            Self::Enclosed(enclosed) => {
                enclosed.pool.close().await;
                Ok(())
            }
        }
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let committed = async {
            match self.way {
                TransactionWay::Direct(transaction) => transaction.commit().await,
                TransactionWay::Enclosed(transaction) => {
                    transaction.inner.into_inner().commit().await.map_err(exec_error)
                }
            }
        };
        self.watch.over(committed).await
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        let rolled_back = async {
            match self.way {
                TransactionWay::Direct(transaction) => transaction.rollback().await,
                TransactionWay::Enclosed(transaction) => {
                    transaction.inner.into_inner().rollback().await.map_err(exec_error)
                }
            }
        };
        self.watch.over(rolled_back).await
    }
}

impl Enclosed {
    pub(super) fn new(pool: PgPool, observer: Option<StatementObserver>, is_named: bool) -> Self {
        Self { pool, observer, is_named, begin: None }
    }

    /// The same with transactions that this begins.
    pub(super) fn beginning(&self, begin: String) -> Self {
        Self { begin: Some(begin.into()), ..self.clone() }
    }

    async fn begin(&self) -> Result<EnclosedTransaction, DbErr> {
        // Apart from making a connection: only what is said on one tells of those that were made with it.
        let connection = self.pool.acquire().await.map_err(|e| DbErr::Conn(of_driver(e)))?;
        let begin = self.begin.as_deref().map(|begin| sqlx::AssertSqlSafe(begin).into_sql_str());
        let begun = sqlx::Transaction::begin(connection, begin).await.map_err(exec_error)?;
        let inner = Mutex::new(begun);
        Ok(EnclosedTransaction { inner, observer: self.observer.clone(), is_named: self.is_named })
    }
}

/// A transaction of an enclosing pool.
pub(super) struct EnclosedTransaction {
    inner: Mutex<sqlx::Transaction<'static, Postgres>>,
    observer: Option<StatementObserver>,
    is_named: bool,
}

impl EnclosedTransaction {
    async fn execute(&self, statement: &Statement) -> Result<ExecResult, DbErr> {
        let mut inner = self.inner.lock().await;
        let started = Instant::now();
        let done = self.prepared(statement).execute(&mut **inner).await;
        self.observe(statement, started, done.is_err());
        done.map(Into::into).map_err(exec_error)
    }

    async fn query(&self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut inner = self.inner.lock().await;
        let started = Instant::now();
        let rows = self.prepared(statement).fetch_all(&mut **inner).await;
        self.observe(statement, started, rows.is_err());
        rows.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(|e| DbErr::Query(of_driver(e)))
    }

    fn prepared<'a>(&self, statement: &'a Statement) -> sqlx::query::Query<'a, Postgres, SqlxValues> {
        let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
        sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(values)).persistent(self.is_named)
    }

    fn observe(&self, statement: &Statement, started: Instant, failed: bool) {
        if let Some(observer) = &self.observer {
            observer(&statement.sql, started.elapsed(), failed);
        }
    }
}

/// In a task of its own: a request that is dropped in between would leave a transaction open on its connection, and with
/// it one of the pooler's.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, DbErr>> + Send + 'static,
) -> Result<T, DbErr> {
    let panicked = |_| Err(DbErr::Custom("a statement panicked; its place is logged".to_owned()));
    tokio::spawn(work).await.unwrap_or_else(panicked)
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(of_driver(error))
}

#[expect(clippy::disallowed_methods, reason = "hands on what the scoped stores built")]
#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        match &self.way {
            Way::Direct(pool) | Way::Postgres(pool, _) | Way::Sqlite(pool, _) => pool.get_database_backend(),
            Way::Enclosed(..) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.way {
            Way::Direct(pool) | Way::Postgres(pool, _) | Way::Sqlite(pool, _) => {
                self.watch.over(pool.execute_raw(statement)).await
            }
            // Each part of it is watched.
            Way::Enclosed(..) => {
                let pool = self.clone();
                to_its_end(async move {
                    let transaction = pool.begin().await?;
                    let done = transaction.execute_raw(statement).await?;
                    transaction.commit().await?;
                    Ok(done)
                })
                .await
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.way {
            Way::Direct(pool) => self.watch.over(pool.query_one_raw(statement)).await,
            Way::Postgres(..) | Way::Sqlite(..) | Way::Enclosed(..) => {
                Ok(self.query_all_raw(statement).await?.into_iter().next())
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.way {
            Way::Direct(pool) => self.watch.over(pool.query_all_raw(statement)).await,
            Way::Postgres(_, lines) => self.watch.over(lines.query(statement)).await,
            Way::Sqlite(_, lines) => lines.query(statement).await,
            Way::Enclosed(..) => {
                let pool = self.clone();
                to_its_end(async move {
                    let transaction = pool.begin().await?;
                    let rows = transaction.query_all_raw(statement).await?;
                    transaction.commit().await?;
                    Ok(rows)
                })
                .await
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "hands on what the scoped stores built")]
#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match &self.way {
            TransactionWay::Direct(transaction) => transaction.get_database_backend(),
            TransactionWay::Enclosed(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.way {
            TransactionWay::Direct(transaction) => self.watch.over(transaction.execute_raw(statement)).await,
            TransactionWay::Enclosed(transaction) => self.watch.over(transaction.execute(&statement)).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.way {
            TransactionWay::Direct(transaction) => self.watch.over(transaction.query_one_raw(statement)).await,
            TransactionWay::Enclosed(_) => Ok(self.query_all_raw(statement).await?.into_iter().next()),
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.way {
            TransactionWay::Direct(transaction) => self.watch.over(transaction.query_all_raw(statement)).await,
            TransactionWay::Enclosed(transaction) => self.watch.over(transaction.query(&statement)).await,
        }
    }
}
