//! The rows behind the server's back: what proves that nothing was written, and entries to test with.

use entity::{account_key, account_revision, catalog_revision, installation, installation_secret, integration};
use sea_orm::{
    ActiveModelTrait, DatabaseConnection, DbBackend, EntityTrait, IntoActiveModel, IsolationLevel, QueryOrder, Set,
    TransactionOptions, TransactionTrait,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::World;

/// Everything that accounts wrote, in a fixed order.
#[derive(Debug, PartialEq)]
pub struct Rows {
    pub installations: Vec<installation::Model>,
    pub secrets: Vec<installation_secret::Model>,
    pub keys: Vec<account_key::Model>,
    pub revisions: Vec<account_revision::Model>,
}

impl Rows {
    /// All of them at one moment, whatever is being written.
    pub async fn read(database: &DatabaseConnection) -> Self {
        use installation_secret::Column;
        let is_postgres = database.get_database_backend() == DbBackend::Postgres;
        let moment = TransactionOptions {
            isolation_level: is_postgres.then_some(IsolationLevel::RepeatableRead),
            ..TransactionOptions::default()
        };
        let moment = database.begin_with_options(moment).await.expect("begun");
        let rows = Self {
            installations: installation::Entity::find()
                .order_by_asc(installation::Column::AccountId)
                .order_by_asc(installation::Column::IntegrationId)
                .all(&moment)
                .await
                .expect("installations"),
            secrets: installation_secret::Entity::find()
                .order_by_asc(Column::AccountId)
                .order_by_asc(Column::IntegrationId)
                .order_by_asc(Column::Name)
                .all(&moment)
                .await
                .expect("secrets"),
            keys: account_key::Entity::find().all(&moment).await.expect("keys"),
            revisions: account_revision::Entity::find()
                .order_by_asc(account_revision::Column::AccountId)
                .all(&moment)
                .await
                .expect("revisions"),
        };
        moment.rollback().await.expect("ended");
        rows
    }

    pub fn is_empty(&self) -> bool {
        self.installations.is_empty() && self.secrets.is_empty() && self.keys.is_empty() && self.revisions.is_empty()
    }

    /// The sealed bytes under each secret name.
    pub fn sealed(&self) -> Vec<(&str, &[u8])> {
        self.secrets.iter().map(|row| (row.name.as_str(), row.sealed.as_slice())).collect()
    }
}

/// Opens a stored secret of Stripe with the key ring of this world: its JSON text.
pub async fn opened(world: &World, account: &str, name: &str) -> String {
    let mut secrets = world.open_secrets_of(account).await.into_iter();
    let (_, value) = secrets.find(|((_, stored), _)| stored == name).unwrap_or_else(|| panic!("no {name}"));
    value.to_string()
}

/// Adds entries like Stripe's, each with these keys changed, and lets the server see them.
pub async fn add_entries(world: &World, entries: &[(u128, &str, Value)]) {
    let database = world.connect().await;
    let stripe = stripe(&database).await;
    for (id, name, changes) in entries {
        let mut definition = stripe.definition.clone();
        for (key, value) in changes.as_object().expect("changes") {
            definition[key] = value.clone();
        }
        let mut row = stripe.clone().into_active_model();
        row.id = Set(Uuid::from_u128(*id));
        row.name = Set((*name).to_owned());
        row.definition = Set(definition);
        row.insert(&database).await.expect("added");
    }
    announce(world, &database).await;
}

/// Adds an entry of our own with a field of each kind, so that no change of the catalog's facts touches a test.
pub async fn add_widgets(world: &World) {
    let widgets = json!({
        "display_name": "Widgets & Co", "description": "Sells widgets.", "category": "commerce", "tags": ["widgets"],
        "homepage_url": "https://widgets.example", "docs_url": "https://widgets.example/api",
        "auth": [{"kind": "bearer", "placements": []}, {"kind": "none", "placements": []}],
        "params": [
            {"name": "region", "label": "Region", "type": "enum", "enum": ["eu", "us"], "default": "eu", "required": true, "order": 1},
            {"name": "port", "label": "Port", "help": "Rarely needed.", "type": "integer", "example": 443, "order": 2},
            {"name": "owner", "label": "Owner", "type": "string", "format": "email", "required": true, "order": 3},
            {"name": "host", "label": "Host", "type": "string", "format": "hostname", "order": 4},
            {"name": "is_test", "label": "Test", "type": "boolean", "order": 5}
        ],
        "secrets": [
            {"name": "api_key", "label": "API key", "type": "string", "pattern": "^wk_", "example": "wk_example", "required": true, "order": 6}
        ],
        "http": null
    });
    add_entries(world, &[(0x57d6, "widgets", widgets)]).await;
}

/// Says that Stripe's entry last changed at this time, and lets the server see it.
pub async fn touch_stripe(world: &World, at: sea_orm::prelude::DateTimeUtc) {
    let database = world.connect().await;
    let mut row = stripe(&database).await.into_active_model();
    row.updated_at = Set(at);
    row.update(&database).await.expect("touched");
    announce(world, &database).await;
}

async fn stripe(database: &DatabaseConnection) -> integration::Model {
    let rows = integration::Entity::find().all(database).await.expect("catalog");
    rows.into_iter().find(|row| row.name == "stripe").expect("stripe")
}

async fn announce(world: &World, database: &DatabaseConnection) {
    let revision = catalog_revision::Entity::find().one(database).await.expect("revision").expect("a revision");
    let next = revision.revision + 1;
    let mut row = revision.into_active_model();
    row.revision = Set(next);
    row.update(database).await.expect("announced");
    world.app.services().refresh_catalog().await.unwrap_or_else(|error| panic!("{error:?}"));
}
