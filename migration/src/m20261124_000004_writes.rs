//! One index less, and no statistics. Every change of an installation moves its revision; with the revision in an index
//! PostgreSQL has to write the row's place into each index again, without it none. A feed that asks for what changed
//! reads the account's rows by the first column of their key.
//!
//! SQLite gathered statistics when a server stopped. Those of a young database say that an account has most of the rows,
//! and SQLite then reads whole tables instead of using keys, until somebody gathers them again. Every statement here goes
//! by a key, so it is better off without any.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[expect(clippy::disallowed_methods, reason = "statistics belong to no account")]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name("installations_account_revision").table("installations").to_owned();
        manager.drop_index(index).await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            // Makes the table of statistics where there is none yet.
            manager.get_connection().execute_unprepared("ANALYZE schema_migrations").await?;
            manager.get_connection().execute_unprepared("DELETE FROM sqlite_stat1").await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
