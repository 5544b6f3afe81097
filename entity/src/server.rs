//! Running servers and the provider keys that they know. A row expires when its server stops writing it.

use sea_orm::entity::prelude::*;

/// One running server.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "servers")]
pub struct Model {
    /// Random; another one after each start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The names of provider keys that it can unwrap with: a JSON array of `local:2`, or of a whole key service.
    #[sea_orm(column_type = "JsonBinary")]
    pub provider_keys: Json,
    /// The provider key that it wraps new data keys with.
    pub wrapping_key: Option<String>,
    /// When it last wrote this row.
    pub seen_at: DateTimeUtc,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
