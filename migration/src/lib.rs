//! The schema, one file per step. A step writes its table and column names out and never imports `entity`: history
//! must not move when an entity does.
//!
//! Rules that every step keeps, so that Citus, CockroachDB and YugabyteDB stay open: `account_id` first in every key of
//! a tenant table, foreign keys only inside one account, no sequences, triggers, procedures or extensions.

use sea_orm_migration::prelude::{DynIden, IntoIden, MigrationTrait};
pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};

mod m20261124_000001_catalog;
mod m20261124_000002_installations;
mod m20261124_000003_keys;
mod m20261124_000004_writes;
mod m20261124_000005_audit;
mod m20261124_000006_api_keys;
mod m20261124_000007_generations;
mod m20261128_000008_own_entries;
mod m20261128_000009_idempotency_keys;
mod m20261130_000010_api_key_rights;
mod m20261130_000011_servers_and_counters;

/// All steps, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_catalog::Migration),
            Box::new(m20261124_000002_installations::Migration),
            Box::new(m20261124_000003_keys::Migration),
            Box::new(m20261124_000004_writes::Migration),
            Box::new(m20261124_000005_audit::Migration),
            Box::new(m20261124_000006_api_keys::Migration),
            Box::new(m20261124_000007_generations::Migration),
            Box::new(m20261128_000008_own_entries::Migration),
            Box::new(m20261128_000009_idempotency_keys::Migration),
            Box::new(m20261130_000010_api_key_rights::Migration),
            Box::new(m20261130_000011_servers_and_counters::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "schema_migrations".into_iden()
    }
}
