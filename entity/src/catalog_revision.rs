//! One row: a number that grows with every change of the shared catalog, so that replicas notice.

use sea_orm::entity::prelude::*;

/// The revision of the shared catalog.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "catalog_revisions")]
pub struct Model {
    /// Always `shared`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// Grows by one with every change.
    pub revision: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
