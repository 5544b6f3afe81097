//! Data keys per account, and the checks that tell a wrong key at start.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("account_keys")
                    .col(string_len("account_id", 63))
                    .col(big_integer("key_id"))
                    .col(string_len("provider", 32))
                    .col(string_len("kek_ref", 255))
                    .col(blob("wrapped"))
                    .col(string_len("state", 16))
                    .col(timestamp_with_time_zone("created_at"))
                    .primary_key(Index::create().col("account_id").col("key_id"))
                    .check(Expr::col("account_id").ne(""))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("key_checks")
                    .col(string_len("provider", 32))
                    .col(string_len("kek_ref", 255))
                    .col(string_len("fingerprint", 64))
                    .col(blob("wrapped"))
                    .col(timestamp_with_time_zone("created_at"))
                    .primary_key(Index::create().col("provider").col("kek_ref"))
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
