//! One row per provider key ever used: proof at start that the keys at hand are the right ones.

use sea_orm::entity::prelude::*;

/// A known text sealed under a provider key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "key_checks")]
pub struct Model {
    /// Who holds the key, for instance `local`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    /// Which of the provider's keys, for instance `local:1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kek_ref: String,
    /// Short digest of the key, safe to print.
    pub fingerprint: String,
    /// The known text, sealed.
    pub wrapped: Vec<u8>,
    /// When the key was first used.
    pub created_at: DateTimeUtc,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
