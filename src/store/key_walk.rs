//! Going from account to account for the sake of their data keys: which accounts there are, and counts; never a row of
//! theirs. And what the keepers of the keys tell each other.

use ::entity::key_mark::{ActiveModel, Column, Entity};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Insert, QueryFilter, QueryResult, Set, Statement, Value,
};

use super::keys::{ACTIVE, DESTROYED};
use super::{SystemStore, wall};
use crate::domain::AccountId;
use crate::error::Result;

/// Grows when data keys are to be dropped from the memory of every replica.
const DROPS: &str = "drops";
/// The moment at which a rotation of all accounts was begun that has not ended yet.
const ROTATION: &str = "rotation";

/// Grows when every server is to read its key ring again.
const RELOADS: &str = "reloads";

/// The format that new secrets are sealed in: 2 binds them to counters. Without a row it is 1.
const SECRET_FORMAT: &str = "secret_format";
const FORMAT_WITH_COUNTERS: i64 = 2;

/// Signals between processes about the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySignals {
    /// How often data keys were dropped; grows.
    pub drops: i64,
    /// How often servers were asked to read their key ring again; grows.
    pub reloads: i64,
    /// Whether new secrets are bound to counters. Releases that know only format 1 cannot open those.
    pub binds_secrets: bool,
}

/// What accounts are looked for.
#[derive(Clone, Debug)]
pub enum Need {
    /// Every account that ever changed anything.
    Nothing,
    /// Those whose active data key is older than this, or that have one that only opens.
    Rotation(DateTime<Utc>),
    /// Those with a data key that only opens.
    Resealing,
    /// Those with a data key that is wrapped with another provider key than this.
    Rewrapping(String),
}

/// Data keys that are wrapped with the same provider key and in the same state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// Who holds the provider key.
    pub provider: String,
    /// Which one.
    pub kek_ref: String,
    /// `active`, `decrypt_only` or `destroyed`.
    pub state: String,
    /// How many.
    pub count: u64,
    /// When the oldest was made.
    pub oldest: DateTime<Utc>,
}

const COUNTS: &str = r#"SELECT "provider", "kek_ref", "state", count(*), min("created_at") FROM "account_keys"
    GROUP BY "provider", "kek_ref", "state" ORDER BY "provider", "kek_ref", "state""#;

impl KeyCount {
    /// New values are sealed with them.
    pub fn is_active(&self) -> bool {
        self.state == ACTIVE
    }

    /// They seal or open; only the rows of others are left.
    pub fn is_in_use(&self) -> bool {
        self.state != DESTROYED
    }
}

/// How a need is told to the database.
struct NeedSql {
    accounts: &'static str,
    count: &'static str,
    bound: Option<Value>,
}

impl Need {
    fn sql(&self) -> NeedSql {
        match self {
            Self::Nothing => NeedSql {
                accounts: r#"SELECT "account_id" FROM "account_revisions" WHERE "account_id" > $1
                    ORDER BY "account_id" LIMIT $2"#,
                count: r#"SELECT count(*) FROM "account_revisions""#,
                bound: None,
            },
            Self::Rotation(before) => NeedSql {
                accounts: r#"SELECT DISTINCT "account_id" FROM "account_keys" WHERE "account_id" > $1
                    AND ("state" = 'decrypt_only' OR "state" = 'active' AND "created_at" < $3) ORDER BY "account_id" LIMIT $2"#,
                count: r#"SELECT count(DISTINCT "account_id") FROM "account_keys"
                    WHERE "state" = 'decrypt_only' OR "state" = 'active' AND "created_at" < $1"#,
                bound: Some((*before).into()),
            },
            Self::Resealing => NeedSql {
                accounts: r#"SELECT DISTINCT "account_id" FROM "account_keys" WHERE "account_id" > $1
                    AND "state" = 'decrypt_only' ORDER BY "account_id" LIMIT $2"#,
                count: r#"SELECT count(DISTINCT "account_id") FROM "account_keys" WHERE "state" = 'decrypt_only'"#,
                bound: None,
            },
            Self::Rewrapping(current) => NeedSql {
                accounts: r#"SELECT DISTINCT "account_id" FROM "account_keys" WHERE "account_id" > $1
                    AND "state" <> 'destroyed' AND "kek_ref" <> $3 ORDER BY "account_id" LIMIT $2"#,
                count: r#"SELECT count(DISTINCT "account_id") FROM "account_keys"
                    WHERE "state" <> 'destroyed' AND "kek_ref" <> $1"#,
                bound: Some(current.as_str().into()),
            },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "goes from account to account")]
impl SystemStore {
    /// The next accounts after this one with this need, at most so many; the first ones without one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn accounts_after(&self, account: Option<&AccountId>, need: &Need, limit: u64) -> Result<Vec<AccountId>> {
        let NeedSql { accounts, bound, .. } = need.sql();
        let first = [account.map_or("", AccountId::as_str).into(), limit.into()];
        let rows = self.walk(accounts, first.into_iter().chain(bound)).await?;
        Ok(rows.iter().map(account_of).collect::<std::result::Result<_, _>>()?)
    }

    /// How many accounts have this need.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_accounts(&self, need: &Need) -> Result<u64> {
        let NeedSql { count, bound, .. } = need.sql();
        let rows = self.walk(count, bound).await?;
        let count = rows.first().map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }

    /// How many data keys there are, by provider key and state.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_counts(&self) -> Result<Vec<KeyCount>> {
        let read = |row: &QueryResult| {
            Ok::<_, DbErr>(KeyCount {
                provider: row.try_get_by_index(0)?,
                kek_ref: row.try_get_by_index(1)?,
                state: row.try_get_by_index(2)?,
                count: u64::try_from(row.try_get_by_index::<i64>(3)?).unwrap_or(0),
                oldest: row.try_get_by_index(4)?,
            })
        };
        Ok(self.walk(COUNTS, []).await?.iter().map(read).collect::<std::result::Result<_, _>>()?)
    }

    /// Runs a statement that goes from account to account.
    pub(super) async fn walk(
        &self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> std::result::Result<Vec<QueryResult>, DbErr> {
        let db = self.store.seen_by(wall::WALK).read;
        db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await
    }

    /// Reads the signals of other processes about the keys, in one statement.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_signals(&self) -> Result<KeySignals> {
        let rows = Entity::find().all(&self.store.read).await?;
        let value = |name: &str| rows.iter().find(|row| row.name == name).map_or(0, |row| row.value);
        let binds_secrets = value(SECRET_FORMAT) >= FORMAT_WITH_COUNTERS;
        Ok(KeySignals { drops: value(DROPS), reloads: value(RELOADS), binds_secrets })
    }

    /// Tells every replica to drop what data keys are not active any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn drop_keys(&self) -> Result<()> {
        self.increment_mark(DROPS).await
    }

    /// Asks every server to read its key ring again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn request_reload(&self) -> Result<()> {
        self.increment_mark(RELOADS).await
    }

    /// From now on every server binds new secrets to counters.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn enable_counters(&self) -> Result<()> {
        Ok(enable_counters(&self.store.write).await?)
    }

    async fn increment_mark(&self, name: &str) -> Result<()> {
        let more = Expr::col((Entity, Column::Value)).add(1);
        let row = ActiveModel { name: Set(name.to_owned()), value: Set(1) };
        Insert::one(row)
            .on_conflict(OnConflict::column(Column::Name).value(Column::Value, more).to_owned())
            .exec_without_returning(&self.store.write)
            .await?;
        Ok(())
    }

    /// When the rotation of all accounts was begun that has not ended yet.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unfinished_rotation(&self) -> Result<Option<DateTime<Utc>>> {
        Ok(self.key_mark(ROTATION).await?.and_then(DateTime::from_timestamp_micros))
    }

    /// Notes that a rotation of all accounts was begun, unless one is under way and is not to be given up for it; when the
    /// one was that is under way now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_rotation(&self, at: DateTime<Utc>, anew: bool) -> Result<DateTime<Utc>> {
        let row = ActiveModel { name: Set(ROTATION.to_owned()), value: Set(at.timestamp_micros()) };
        let mut conflict = OnConflict::column(Column::Name);
        match anew {
            true => conflict.update_column(Column::Value),
            false => conflict.do_nothing(),
        };
        Insert::one(row).on_conflict(conflict).exec_without_returning(&self.store.write).await?;
        Ok(self.unfinished_rotation().await?.unwrap_or(at))
    }

    /// Notes that the rotation of all accounts has ended that was begun then.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_rotation(&self, begun: DateTime<Utc>) -> Result<()> {
        let it = Entity::delete_by_id(ROTATION.to_owned()).filter(Column::Value.eq(begun.timestamp_micros()));
        it.exec(&self.store.write).await?;
        Ok(())
    }

    async fn key_mark(&self, name: &str) -> Result<Option<i64>> {
        Ok(Entity::find_by_id(name.to_owned()).one(&self.store.read).await?.map(|row| row.value))
    }
}

#[expect(clippy::disallowed_methods, reason = "belongs to no account")]
pub(super) async fn enable_counters(on: &impl ConnectionTrait) -> std::result::Result<(), DbErr> {
    let row = ActiveModel { name: Set(SECRET_FORMAT.to_owned()), value: Set(FORMAT_WITH_COUNTERS) };
    let known = OnConflict::column(Column::Name).update_column(Column::Value).to_owned();
    Insert::one(row).on_conflict(known).exec_without_returning(on).await.map(drop)
}

/// The account that a row begins with.
pub(super) fn account_of(row: &QueryResult) -> std::result::Result<AccountId, DbErr> {
    let found = AccountId::stored(&row.try_get_by_index::<String>(0)?);
    found.ok_or_else(|| DbErr::Type("an account_id is malformed".into()))
}
