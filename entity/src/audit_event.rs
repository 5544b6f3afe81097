//! What was done, by whom, to which names. Rows are added, and deleted when they are old; never changed.

use sea_orm::entity::prelude::*;

/// One event of one account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// UUIDv7: ordered by time, which is why a range of time needs no index of its own.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The moment in `id`.
    pub at: DateTimeUtc,
    /// On whose word: `api_key`, `gateway` and so on.
    pub actor_kind: String,
    /// Which one of that kind; may be empty.
    pub actor_id: String,
    /// What people call it; may be empty.
    pub actor_label: String,
    /// `installation.installed` and so on.
    pub action: String,
    /// The catalog entry, if the event is about one.
    pub integration_id: Option<Uuid>,
    /// Its name at that time; empty without one.
    pub integration_name: String,
    /// Names of what was changed or read, a JSON list of text; never a value.
    #[sea_orm(column_type = "JsonBinary")]
    pub fields: Json,
    /// `succeeded` or `failed`.
    pub outcome: String,
    /// The id that the request was logged under.
    pub request_id: String,
}

/// No relations: an event outlives what it tells of.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
