//! Connections that stay at hand between statements.
//!
//! The driver's pool tests each connection that comes back to it, with a round trip of its own (to PostgreSQL, or to the
//! thread of an SQLite connection): a statement then costs two. A connection whose statement ended well needs no test,
//! and is kept here for the next one. Everything else goes back to the pool, and is tested there: after a failure, when a
//! request was dropped in the middle, after a rest, when the server left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, Database, Executor, IntoArguments};
use sea_orm::{DbErr, QueryResult, Statement};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::StatementObserver;
use super::failure::of_driver;
use super::watch::Watch;

/// After such a rest the server may have closed the connection meanwhile.
const REST: Duration = Duration::from_secs(5);
/// The pool closes connections of a certain age, so it must see each of them now and then.
const HELD: Duration = Duration::from_secs(60);

/// Connections at hand. Cheap to clone.
pub(super) struct Lines<DB: Database> {
    pool: sqlx::Pool<DB>,
    idle: Arc<Mutex<Vec<Line<DB>>>>,
    /// One for each statement under way. Who has one finds a connection at hand, or may take another from the pool.
    places: Arc<Semaphore>,
    observer: Option<StatementObserver>,
    watch: Watch,
}

struct Line<DB: Database> {
    connection: PoolConnection<DB>,
    taken: Instant,
    used: Instant,
}

impl<DB: Database> Clone for Lines<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            idle: self.idle.clone(),
            places: self.places.clone(),
            observer: self.observer.clone(),
            watch: self.watch.clone(),
        }
    }
}

impl<DB> Lines<DB>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    QueryResult: From<DB::Row>,
{
    /// Uses at most so many of the pool's connections; transactions need the others.
    pub(super) fn new(pool: sqlx::Pool<DB>, most: usize, observer: Option<StatementObserver>, watch: Watch) -> Self {
        Self { pool, idle: Arc::default(), places: Arc::new(Semaphore::new(most)), observer, watch }
    }

    /// All rows of a statement, which is prepared once per connection.
    pub(super) async fn query(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let patience = self.pool.options().get_acquire_timeout();
        let Ok(Ok(_place)) = timeout(patience, self.places.acquire()).await else {
            return Err(unavailable(sqlx::Error::PoolTimedOut));
        };
        let mut line = self.take().await?;
        let started = Instant::now();
        let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
        let query = sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(values));
        let rows = query.fetch_all(&mut *line.connection).await;
        if let Some(observer) = &self.observer {
            observer(&statement.sql, started.elapsed(), rows.is_err());
        }
        let rows = rows.map_err(|error| DbErr::Query(of_driver(error)))?;
        line.used = Instant::now();
        self.keep(line);
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Gives everything back to the pool, which is closing.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    async fn take(&self) -> Result<Line<DB>, DbErr> {
        // The last one first: what is not needed rests, and goes back.
        let kept = self.lock().pop();
        let is_good = |line: &Line<DB>| {
            let held = line.taken.elapsed();
            line.used.elapsed() < REST && held < HELD && !self.watch.has_outdated(held)
        };
        if let Some(line) = kept.filter(is_good) {
            return Ok(line);
        }
        let connection = self.pool.acquire().await.map_err(unavailable)?;
        Ok(Line { connection, taken: Instant::now(), used: Instant::now() })
    }

    fn keep(&self, line: Line<DB>) {
        let mut idle = self.lock();
        if !self.pool.is_closed() {
            idle.push(line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line<DB>>> {
        // Left whole by every panic that could happen while it is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(error: sqlx::Error) -> DbErr {
    DbErr::Conn(of_driver(error))
}
