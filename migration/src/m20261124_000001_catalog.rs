//! The shared catalog and its revision.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("integrations")
                    .col(uuid("id").primary_key())
                    .col(string_len("name", 63).unique_key())
                    .col(json_binary("definition"))
                    .col(string_len("state", 16).default("active"))
                    .col(integer("default_revision"))
                    .col(boolean("modified_from_default").default(false))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("catalog_revisions")
                    .col(string_len("scope", 16).primary_key())
                    .col(big_integer("revision"))
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
