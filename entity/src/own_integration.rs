//! Catalog entries that belong to one account, which alone sees them.

use sea_orm::entity::prelude::*;

/// An entry of an account's own.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "own_integrations")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique within the account, never reused.
    pub name: String,
    /// The entry in the vocabulary of the catalog files; `{}` once it is deleted.
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    /// `active`, `deprecated` or `deleted`.
    pub state: String,
    /// When the row was first written.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// No relations: the catalog is joined in memory.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
