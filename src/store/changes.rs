//! Changing an installation: worked out from what the account had, written if it still has that.
//!
//! The account's revision is compared and advanced by the statement that writes, so that of two changes at once one
//! finds the account moved on and is worked out anew. On PostgreSQL a change is one statement and one round trip; on
//! SQLite the `writer` commits many together.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::entity::installation_secret;
use sea_orm::{ColumnTrait, DbErr, QueryFilter, Value};

use super::failure::{self, Failed};
use super::pool::Transaction;
use super::{AccountState, Outcome, TenantStore, Work, events};
use crate::domain::{Action, CONNECTION, Event, Installation, Sealed, SecretChange};
use crate::error::Result;

/// What is to be written. Secrets arrive sealed; nothing else fits.
#[derive(Clone)]
pub struct Change {
    /// The row as it will stand, at [`AccountState::next_revision`].
    pub installation: Arc<Installation>,
    /// Stored anew, or removed.
    pub secrets: Vec<SecretChange<Sealed>>,
    /// What the audit log keeps of it.
    pub event: Event,
}

/// Advances the revision of an account that has one.
macro_rules! next_turn {
    () => {
        r#"UPDATE "account_revisions" SET "revision" = $2, "seals" = "seals" + cardinality($10)
            WHERE "account_id" = $1 AND "revision" = $3 RETURNING "account_id""#
    };
}

/// The first change of an account.
macro_rules! first_turn {
    () => {
        r#"INSERT INTO "account_revisions" ("account_id", "revision", "seals")
            SELECT $1, $2, cardinality($10) WHERE $3::bigint = 0
            ON CONFLICT ("account_id") DO NOTHING RETURNING "account_id""#
    };
}

/// The row, its secrets and its event, if it is the change's turn: one statement and one round trip. All of it or, when
/// the account has moved on, nothing; no row comes back then.
macro_rules! write_in_turn {
    ($turn:ident) => {
        concat!(
            r#"WITH "turn" AS ("#,
            $turn!(),
            r#"), "row" AS (
    INSERT INTO "installations" ("account_id", "integration_id", "connection", "params", "secret_names", "installed_at",
        "revision", "created_at", "updated_at", "secret_counters")
    SELECT "account_id", $4, $5, $6, $7, $8, $2, $9, $9, $24 FROM "turn"
    ON CONFLICT ("account_id", "integration_id", "connection") DO UPDATE SET "params" = "excluded"."params",
        "secret_names" = "excluded"."secret_names", "installed_at" = "excluded"."installed_at",
        "revision" = "excluded"."revision", "updated_at" = "excluded"."updated_at",
        "secret_counters" = "excluded"."secret_counters"
), "stored" AS (
    INSERT INTO "installation_secrets" ("account_id", "integration_id", "connection", "name", "sealed", "key_id",
        "created_at", "updated_at")
    SELECT "account_id", $4, $5, "name", "sealed", "key_id", $9, $9
    FROM "turn", unnest($10, $11, $12) AS "secret" ("name", "sealed", "key_id")
    ON CONFLICT ("account_id", "integration_id", "connection", "name") DO UPDATE SET "sealed" = "excluded"."sealed",
        "key_id" = "excluded"."key_id", "updated_at" = "excluded"."updated_at"
), "event" AS (
    INSERT INTO "audit_events" ("account_id", "id", "at", "actor_kind", "actor_id", "actor_label", "action",
        "integration_id", "integration_name", "fields", "outcome", "request_id")
    SELECT "account_id", $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23 FROM "turn"
) SELECT "account_id" FROM "turn""#
        )
    };
}

const WRITE: &str = write_in_turn!(next_turn);
const WRITE_FIRST: &str = write_in_turn!(first_turn);

impl TenantStore {
    /// Writes a change that was worked out from `state`; false when the account has moved on, and nothing is written.
    ///
    /// # Errors
    /// [`RequestRunning`](crate::error::Error::RequestRunning) when there is a receipt already where the handle carries one;
    /// those of the database.
    pub async fn write(&self, state: &AccountState, change: Change) -> Result<bool> {
        let (installation, seals) = (change.installation.clone(), change.seals());
        let is_erasure = change.removes() || change.event.action == Action::Purged;
        let written = match &self.store.writer {
            Some(writer) => writer.write(self.clone(), state.revision(), change).await?,
            None if change.removes() || self.carried_receipt().is_some() => {
                let known = state.revision();
                self.store.transaction(WriteInSteps { tenant: self.clone(), known, change }).await?
            }
            None => self.write_at_once(state.revision(), &change).await?,
        };
        if written && is_erasure {
            self.store.request_truncation();
        }
        match written {
            true => self.keep_state(&Arc::new(state.with(installation, seals))),
            false => self.store.states.forget(self.account()),
        }
        Ok(written)
    }

    async fn write_at_once(&self, known: i64, change: &Change) -> Result<bool> {
        let write = async || {
            let rows = self.query(&self.store.write, statement(known), values(known, change)).await?;
            Ok(!rows.is_empty())
        };
        failure::until_won(write).await
    }
}

fn statement(known: i64) -> &'static str {
    if known == 0 { WRITE_FIRST } else { WRITE }
}

fn values(known: i64, change: &Change) -> impl Iterator<Item = Value> {
    let row = &change.installation;
    let stored = || change.stored();
    let of_row: [Value; 11] = [
        row.revision.into(),
        known.into(),
        row.integration_id.0.into(),
        CONNECTION.into(),
        serde_json::Value::Object(row.params.to_map()).into(),
        serde_json::Value::from(row.secret_names.clone()).into(),
        row.installed_at.into(),
        row.updated_at.into(),
        stored().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().into(),
        stored().map(|(_, sealed)| sealed.bytes.clone()).collect::<Vec<_>>().into(),
        stored().map(|(_, sealed)| i64::from(sealed.key_id)).collect::<Vec<_>>().into(),
    ];
    of_row.into_iter().chain(events::values(&change.event)).chain([counters(&row.secret_counters).into()])
}

/// The counters as their column holds them.
pub(super) fn counters(counters: &BTreeMap<String, u64>) -> serde_json::Value {
    counters.iter().map(|(name, counter)| (name.clone(), serde_json::Value::from(*counter))).collect()
}

impl Change {
    /// Names and values that are stored anew.
    pub(super) fn stored(&self) -> impl Iterator<Item = (&str, &Sealed)> {
        self.secrets.iter().filter_map(|secret| Some((secret.name.as_str(), secret.value.as_ref()?)))
    }

    /// How many values were sealed for it.
    pub(super) fn seals(&self) -> i64 {
        i64::try_from(self.stored().count()).unwrap_or(i64::MAX)
    }

    pub(super) fn removes(&self) -> bool {
        self.secrets.iter().any(|secret| secret.value.is_none())
    }

    /// Removes the names that are to be removed.
    pub(super) async fn remove(&self, tenant: &TenantStore, t: &Transaction) -> std::result::Result<(), DbErr> {
        let removed = self.secrets.iter().filter(|secret| secret.value.is_none()).map(|secret| secret.name.as_str());
        tenant
            .delete::<installation_secret::Entity>()
            .filter(installation_secret::Column::IntegrationId.eq(self.installation.integration_id.0))
            .filter(installation_secret::Column::Connection.eq(CONNECTION))
            .filter(installation_secret::Column::Name.is_in(removed))
            .exec(t)
            .await
            .map(drop)
    }
}

/// A change that removes secrets, or has a receipt. Statements of their own, because not every PostgreSQL-compatible
/// database lets one statement write a table twice, and because a receipt waits for another of its key.
struct WriteInSteps {
    tenant: TenantStore,
    known: i64,
    change: Change,
}

impl Work for WriteInSteps {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        let Self { tenant, known, change } = self;
        if tenant.query(t, statement(*known), values(*known, change)).await?.is_empty() {
            return Ok(Outcome::Nothing(false));
        }
        if change.removes() {
            change.remove(tenant, t).await?;
        }
        tenant.write_receipt(t).await?;
        Ok(Outcome::Commit(true))
    }
}
