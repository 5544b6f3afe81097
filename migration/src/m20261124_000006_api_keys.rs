//! API keys: digests under the pepper, and what each may do. `only_account` is for lists of the keys of one account.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("api_keys")
                    .col(uuid("id").primary_key())
                    .col(string_len("public_id", 8).unique_key())
                    .col(blob("digest"))
                    .col(string_len("name", 100))
                    .col(json_binary("scopes"))
                    .col(json_binary_null("accounts"))
                    .col(string_len("only_account", 63))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(text("created_by"))
                    .col(timestamp_with_time_zone_null("expires_at"))
                    .col(timestamp_with_time_zone_null("last_used_at"))
                    .col(timestamp_with_time_zone_null("revoked_at"))
                    .col(text_null("revoked_by"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("api_keys_only_account")
                    .table("api_keys")
                    .col("only_account")
                    .col("id")
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
