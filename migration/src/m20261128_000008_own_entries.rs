//! Catalog entries of an account's own, and the revision at which they last changed.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = big_integer("own_catalog").default(0).to_owned();
        manager.alter_table(Table::alter().table("account_revisions").add_column(column).to_owned()).await?;
        manager
            .create_table(
                Table::create()
                    .table("own_integrations")
                    .col(string_len("account_id", 63))
                    .col(uuid("id"))
                    .col(string_len("name", 63))
                    .col(json_binary("definition"))
                    .col(string_len("state", 16))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .primary_key(Index::create().col("account_id").col("id"))
                    // Row-level security sees the empty string where no account was set; no row may match that.
                    .check(Expr::col("account_id").ne(""))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("own_integrations_account_name")
                    .table("own_integrations")
                    .col("account_id")
                    .col("name")
                    .unique()
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
