//! Connections to PostgreSQL that stay at hand between statements.
//!
//! The driver's pool tests each connection that comes back to it, with a round trip of its own: a statement then costs
//! two. A connection whose statement ended well needs no test, and is kept here for the next one. Everything else goes back
//! to the pool, and is tested there: after a failure, when a request was dropped in the middle, after a rest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, PgPool, Postgres};
use sea_orm::{DbErr, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;

use super::StatementObserver;

/// After such a rest the server may have closed the connection meanwhile.
const REST: Duration = Duration::from_secs(5);
/// The pool closes connections of a certain age, so it must see each of them now and then.
const HELD: Duration = Duration::from_secs(60);

/// Connections at hand. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines {
    pool: PgPool,
    idle: Arc<Mutex<Vec<Line>>>,
    /// Half of the pool's: the rest is for transactions.
    most: usize,
    observer: Option<StatementObserver>,
}

struct Line {
    connection: PoolConnection<Postgres>,
    taken: Instant,
    used: Instant,
}

impl Lines {
    pub(super) fn new(pool: PgPool, observer: Option<StatementObserver>) -> Self {
        let most = pool.options().get_max_connections() as usize / 2;
        Self { pool, idle: Arc::default(), most, observer }
    }

    /// All rows of a statement, which is prepared once per connection.
    pub(super) async fn query(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut line = self.take().await?;
        let started = Instant::now();
        let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
        let query = sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(values));
        let rows = query.fetch_all(&mut *line.connection).await;
        if let Some(observer) = &self.observer {
            observer(&statement.sql, started.elapsed(), rows.is_err());
        }
        let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))?;
        line.used = Instant::now();
        self.keep(line);
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Gives everything back to the pool, which is closing.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    async fn take(&self) -> Result<Line, DbErr> {
        // The last one first: what is not needed rests, and goes back.
        let kept = self.lock().pop();
        let is_good = |line: &Line| line.used.elapsed() < REST && line.taken.elapsed() < HELD;
        if let Some(line) = kept.filter(is_good) {
            return Ok(line);
        }
        let acquired = self.pool.acquire().await;
        let connection = acquired.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))?;
        Ok(Line { connection, taken: Instant::now(), used: Instant::now() })
    }

    fn keep(&self, line: Line) {
        let mut idle = self.lock();
        if idle.len() < self.most && !self.pool.is_closed() {
            idle.push(line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        // Left whole by every panic that could happen while it is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
