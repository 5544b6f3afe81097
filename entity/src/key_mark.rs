//! What the keepers of the keys tell each other across processes: numbers under names.

use sea_orm::entity::prelude::*;

/// A number under a name.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "key_marks")]
pub struct Model {
    /// What it says, for instance `drops`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The number.
    pub value: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
