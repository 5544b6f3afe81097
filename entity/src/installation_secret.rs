//! Sealed secrets, one row per name.

use sea_orm::entity::prelude::*;

/// One sealed secret of one installation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installation_secrets")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    /// The catalog entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: Uuid,
    /// The connection of the installation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection: String,
    /// The secret's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The envelope: header, nonce, ciphertext, tag.
    pub sealed: Vec<u8>,
    /// The key id inside the envelope, repeated so that rows of an old key can be counted.
    pub key_id: i64,
    /// When the row was first written.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
