//! The audit log. Ids are ordered by time, so the key serves the pages of an account's log, ranges of time, and the
//! deletion of what is old; there is no other index to write on every change.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("audit_events")
                    .col(string_len("account_id", 63))
                    .col(uuid("id"))
                    .col(timestamp_with_time_zone("at"))
                    .col(string_len("actor_kind", 16))
                    .col(string_len("actor_id", 200))
                    .col(string_len("actor_label", 200))
                    .col(string_len("action", 64))
                    .col(uuid_null("integration_id"))
                    .col(string_len("integration_name", 63))
                    .col(json_binary("fields"))
                    .col(string_len("outcome", 16))
                    .col(string_len("request_id", 128))
                    .primary_key(Index::create().col("account_id").col("id"))
                    // Row-level security sees the empty string where no account was set; no row may match that.
                    .check(Expr::col("account_id").ne(""))
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
