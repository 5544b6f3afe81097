//! Running servers with the provider keys that they know, and the counters that sealed secrets are bound to.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let counters = json_binary("secret_counters").default("{}").to_owned();
        manager.alter_table(Table::alter().table("installations").add_column(counters).to_owned()).await?;
        manager
            .create_table(
                Table::create()
                    .table("servers")
                    .col(uuid("id").primary_key())
                    .col(json_binary("provider_keys"))
                    .col(string_len_null("wrapping_key", 255))
                    .col(timestamp_with_time_zone("seen_at"))
                    .to_owned(),
            )
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
