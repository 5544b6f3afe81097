//! Receipts: what came of a request that its client may make again, by the key that it gave it.
//!
//! A handle that carries one writes it in the transaction of what it tells of, so that there is a receipt of everything
//! that took effect and of nothing else. It holds neither what was asked nor what was answered.

use chrono::{DateTime, Utc};
use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, QueryResult};

use super::failure::Failed;
use super::key_walk::account_of;
use super::pool::Transaction;
use super::{Outcome, SystemStore, TenantStore, Work, failure, now, wall};
use crate::domain::{AccountId, IdempotencyKey};
use crate::error::{Error, Result};

/// How long a key stands for its request.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(24);
/// Old ones that are deleted together: a long lock would keep installs waiting.
const ERASED_AT_ONCE: u64 = 500;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The client's name for the request.
    pub key: IdempotencyKey,
    /// What was asked for, `installIntegration` style.
    pub operation: String,
    /// Keyed digest of what was supplied.
    pub digest: [u8; 32],
    /// The generation of the account's data key that it was keyed with; 0 where no secret was supplied.
    pub key_id: u32,
    /// The integration or API key that it was about.
    pub subject: Uuid,
    /// Whether anything was changed.
    pub changed: bool,
}

const FIND: &str = r#"SELECT "operation", "digest", "key_id", "subject", "changed" FROM "idempotency_keys"
    WHERE "account_id" = $1 AND "key" = $2 AND "created_at" >= $3"#;

/// One that has expired gives way; another stays, and no row comes back.
const KEEP: &str = r#"INSERT INTO "idempotency_keys" AS "kept" ("account_id", "key", "operation", "digest", "key_id", "subject",
    "changed", "created_at") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT ("account_id", "key") DO UPDATE SET "operation" = "excluded"."operation", "digest" = "excluded"."digest",
    "key_id" = "excluded"."key_id", "subject" = "excluded"."subject", "changed" = "excluded"."changed",
    "created_at" = "excluded"."created_at" WHERE "kept"."created_at" < $9 RETURNING 1"#;

const ERASE: &str = r#"DELETE FROM "idempotency_keys" WHERE "account_id" = $1 AND "key" IN (
    SELECT "key" FROM "idempotency_keys" WHERE "account_id" = $1 AND "created_at" < $2 LIMIT $3
) RETURNING 1"#;

/// Tells one account's name, and nothing of what it has.
const NEXT_EXPIRED: &str = r#"SELECT "account_id" FROM "idempotency_keys" WHERE "account_id" > $1 AND "created_at" < $2
    ORDER BY "account_id" LIMIT 1"#;

impl TenantStore {
    /// What came of the request that the account gave this key within the last 24 hours.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn receipt(&self, key: &IdempotencyKey) -> Result<Option<Receipt>> {
        let asked = [key.as_str().into(), oldest_kept().into()];
        let rows = self.query(&self.store.read, FIND, asked).await?;
        Ok(rows.first().map(|row| read(key, row)).transpose()?)
    }

    /// Keeps the receipt that this handle carries, of a request that changed nothing.
    ///
    /// # Errors
    /// [`Error::RequestRunning`] when there is one already; those of the database.
    pub async fn keep_receipt(&self) -> Result<()> {
        self.store.transaction(Keep(self.clone())).await
    }

    /// Writes the receipt that this handle carries, if it does; refused when there is another under its key.
    pub(super) async fn write_receipt(&self, t: &Transaction) -> std::result::Result<(), Failed> {
        let Some(receipt) = self.carried_receipt() else { return Ok(()) };
        if self.store.walled.is_some() {
            // The transaction may be for the rows of another, as one of an API key for several accounts is.
            wall::turn_to(t, self.account()).await?;
        }
        let row = [
            receipt.key.as_str().into(),
            receipt.operation.as_str().into(),
            receipt.digest.to_vec().into(),
            i64::from(receipt.key_id).into(),
            receipt.subject.into(),
            receipt.changed.into(),
            now().into(),
            oldest_kept().into(),
        ];
        match self.query(t, KEEP, row).await?.is_empty() {
            true => Err(Failed::Rule(Error::RequestRunning)),
            false => Ok(()),
        }
    }

    async fn erase_receipts_before(&self, moment: DateTime<Utc>) -> Result<u64> {
        let erase = async || {
            let erased = self.query(&self.store.write, ERASE, [moment.into(), ERASED_AT_ONCE.into()]).await?;
            Ok::<_, Failed>(erased.len() as u64)
        };
        failure::until_won(erase).await
    }
}

impl SystemStore {
    /// Deletes the receipts of all accounts that are older than a day, account by account; how many there were. Several
    /// replicas may do it at once.
    ///
    /// # Errors
    /// Those of the database; what was deleted until then stays deleted.
    pub async fn erase_old_receipts(&self) -> Result<u64> {
        let moment = oldest_kept();
        let (mut account, mut erased) = (None::<AccountId>, 0);
        loop {
            let after = account.as_ref().map_or("", AccountId::as_str);
            let rows = self.walk(NEXT_EXPIRED, [after.into(), moment.into()]).await?;
            let Some(next) = rows.first().map(account_of).transpose()? else { return Ok(erased) };
            let tenant = self.store.tenant(next.clone());
            loop {
                let count = tenant.erase_receipts_before(moment).await?;
                erased += count;
                if count < ERASED_AT_ONCE {
                    break;
                }
            }
            account = Some(next);
        }
    }
}

struct Keep(TenantStore);

impl Work for Keep {
    type Value = ();

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<()>, Failed> {
        self.0.write_receipt(t).await.map(Outcome::Commit)
    }
}

fn oldest_kept() -> DateTime<Utc> {
    now() - KEPT
}

fn read(key: &IdempotencyKey, row: &QueryResult) -> std::result::Result<Receipt, DbErr> {
    let broken = |what: &str| DbErr::Type(format!("idempotency_keys.{what} is malformed"));
    let digest: Vec<u8> = row.try_get_by_index(1)?;
    let key_id: i64 = row.try_get_by_index(2)?;
    Ok(Receipt {
        key: key.clone(),
        operation: row.try_get_by_index(0)?,
        digest: digest.try_into().map_err(|_| broken("digest"))?,
        key_id: u32::try_from(key_id).map_err(|_| broken("key_id"))?,
        subject: row.try_get_by_index(3)?,
        changed: row.try_get_by_index(4)?,
    })
}
