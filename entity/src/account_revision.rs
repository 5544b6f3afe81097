//! A number per account that grows with every change of its installations: the lock that orders writes of one
//! account, and the counter that change feeds follow.

use sea_orm::entity::prelude::*;

/// The revision of one account's installations.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_revisions")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Grows by one with every change.
    pub revision: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
