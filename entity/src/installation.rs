//! What one account stored for one integration. The row outlives an uninstall: only `installed_at` is cleared.

use sea_orm::entity::prelude::*;

/// One installation of one account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installations")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// The catalog entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: Uuid,
    /// `default` until an account can connect the same integration more than once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection: String,
    /// Plain parameters, a JSON object.
    #[sea_orm(column_type = "JsonBinary")]
    pub params: Json,
    /// Sorted names of the rows in `installation_secrets`, kept here so that a list reads one table.
    #[sea_orm(column_type = "JsonBinary")]
    pub secret_names: Json,
    /// The counters that sealed values in `installation_secrets` are bound to: a JSON object of numbers by name. A name that
    /// has none has a value of format 1.
    #[sea_orm(column_type = "JsonBinary")]
    pub secret_counters: Json,
    /// Set while installed.
    pub installed_at: Option<DateTimeUtc>,
    /// The account's revision at the last change.
    pub revision: i64,
    /// When the row was first written.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// No relations: the wall between tenants is kept by `store::scope`, not by joins.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
