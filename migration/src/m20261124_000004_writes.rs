//! One index less, and no statistics. Every change of an installation moves its revision; with the revision in an index
//! PostgreSQL has to write the row's place into each index again, without it none. A feed that asks for what changed
//! reads the account's rows by the first column of their key.
//!
//! SQLite gathered statistics when a server stopped. Those of a young database say that an account has most of the rows,
//! and SQLite then reads whole tables instead of using keys, until somebody gathers them again. Every statement here goes
//! by a key, so it is better off without any.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("installations_account_revision").table("installations").to_owned()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
