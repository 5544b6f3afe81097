//! The shared catalog: one row per integration, the same for every account.

use sea_orm::entity::prelude::*;

/// A catalog entry as loaded or as an operator edited it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "integrations")]
pub struct Model {
    /// UUIDv5 of the name for built-in entries.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique snake_case name, never reused.
    #[sea_orm(unique)]
    pub name: String,
    /// The entry in the vocabulary of the catalog files.
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    /// `active` or `deprecated`.
    pub state: String,
    /// `revision` of the built-in entry this row was last written from.
    pub default_revision: i32,
    /// True once an operator edited the row; loading then leaves it alone.
    pub modified_from_default: bool,
    /// When the row was first written.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// No relations: the catalog is joined in memory.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
