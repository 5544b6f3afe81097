//! The data keys of an account, each wrapped by a provider key.

use sea_orm::entity::prelude::*;

/// One generation of an account's data key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_keys")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// Generation, from 1; a u32 in the envelope.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: i64,
    /// Who wrapped it, for instance `local`.
    pub provider: String,
    /// Which of the provider's keys, for instance `local:1`.
    pub kek_ref: String,
    /// The wrapped key; empty when destroyed.
    pub wrapped: Vec<u8>,
    /// `active`, `decrypt_only` or `destroyed`.
    pub state: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// `account_revisions.seals` when it was made: what was counted since is the most that this key sealed.
    pub seals_before: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
