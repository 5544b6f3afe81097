//! What came of requests that their clients may make again.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("idempotency_keys")
                    .col(string_len("account_id", 63))
                    .col(string_len("key", 255))
                    .col(string_len("operation", 64))
                    .col(blob("digest"))
                    .col(big_integer("key_id"))
                    .col(uuid("subject"))
                    .col(boolean("changed"))
                    .col(timestamp_with_time_zone("created_at"))
                    .primary_key(Index::create().col("account_id").col("key"))
                    // Row-level security sees the empty string where no account was set; no row may match that.
                    .check(Expr::col("account_id").ne(""))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("idempotency_keys_account_created_at")
                    .table("idempotency_keys")
                    .col("account_id")
                    .col("created_at")
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
