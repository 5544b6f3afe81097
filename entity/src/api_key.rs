//! API keys. They belong to no account: one may be for several, or for all.

use sea_orm::entity::prelude::*;

/// One API key, without what proves it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The id in the key's text.
    #[sea_orm(unique)]
    pub public_id: String,
    /// HMAC-SHA-256 of the key's text under the pepper.
    pub digest: Vec<u8>,
    /// What people call it.
    pub name: String,
    /// A list of scopes, by their words.
    pub scopes: Json,
    /// A list of accounts; null for all there are.
    pub accounts: Option<Json>,
    /// The account, when there is exactly one; else empty.
    pub only_account: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// By whom.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<DateTimeUtc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTimeUtc>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// Format version and HMAC-SHA-256 over the rights, under a key derived from the pepper; null in a row of an older
    /// version, empty in a row that was revoked without the pepper.
    pub rights_mac: Option<Vec<u8>>,
    /// Requests per minute; null for the default.
    pub rate_per_minute: Option<i32>,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
