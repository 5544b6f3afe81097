//! A number per account that grows with every change of its rows: what changes compare and advance, what change feeds
//! follow, and what rows kept in memory are right for.

use sea_orm::entity::prelude::*;

/// The revision of one account's installations.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_revisions")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Microseconds since 1970 at the last change, or the number before plus one where that is larger: never used twice.
    pub revision: i64,
    /// Values sealed since data keys are counted, whichever key sealed them.
    pub seals: i64,
    /// The revision at which the account's own catalog entries last changed; 0 while it never had any.
    pub own_catalog: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
