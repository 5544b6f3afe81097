//! What accounts install, and the revision that orders the changes of one account.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("account_revisions")
                    .col(account_id().primary_key())
                    .col(big_integer("revision"))
                    .check(account_is_named())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("installations")
                    .col(account_id())
                    .col(uuid("integration_id"))
                    .col(string_len("connection", 63))
                    .col(json_binary("params"))
                    .col(json_binary("secret_names"))
                    .col(timestamp_with_time_zone_null("installed_at"))
                    .col(big_integer("revision"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .primary_key(Index::create().col("account_id").col("integration_id").col("connection"))
                    .check(account_is_named())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("installation_secrets")
                    .col(account_id())
                    .col(uuid("integration_id"))
                    .col(string_len("connection", 63))
                    .col(string_len("name", 128))
                    .col(blob("sealed"))
                    .col(big_integer("key_id"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .primary_key(Index::create().col("account_id").col("integration_id").col("connection").col("name"))
                    .foreign_key(
                        ForeignKey::create()
                            .name("installation_secrets_installation")
                            .from_tbl("installation_secrets")
                            .from_col("account_id")
                            .from_col("integration_id")
                            .from_col("connection")
                            .to_tbl("installations")
                            .to_col("account_id")
                            .to_col("integration_id")
                            .to_col("connection")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .check(account_is_named())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("installations_account_revision")
                    .table("installations")
                    .col("account_id")
                    .col("revision")
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn account_id() -> ColumnDef {
    string_len("account_id", 63)
}

/// Row-level security sees the empty string where no account was set; no row may match that.
fn account_is_named() -> SimpleExpr {
    Expr::col("account_id").ne("")
}
