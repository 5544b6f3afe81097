//! What came of requests that their clients may make again, for a day.

use sea_orm::entity::prelude::*;

/// A request that was done, by the key that its client gave it. Never what was asked or answered.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// The client's name for the request.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// What was asked for, `installIntegration` style.
    pub operation: String,
    /// HMAC-SHA-256 of what was supplied.
    pub digest: Vec<u8>,
    /// The generation of the account's data key that the digest was keyed with; 0 where no secret was supplied.
    pub key_id: i64,
    /// The integration or API key that it was about.
    pub subject: Uuid,
    /// Whether anything was changed.
    pub changed: bool,
    /// When it was done.
    pub created_at: DateTimeUtc,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
