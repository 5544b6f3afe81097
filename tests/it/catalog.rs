//! The shared catalog in the database: loaded once, kept up to date, never trampled on.

use std::time::Duration;

use entity::integration;
use patchbay::domain::IntegrationId;
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, World, eventually};

/// The contract: a change made through any replica is seen within two seconds.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

async fn row(world: &World, name: &str) -> integration::Model {
    world.catalog_rows().await.into_iter().find(|row| row.name == name).expect("row")
}

/// Changes a row behind the server's back, as an operator would.
async fn edit(world: &World, name: &str, change: impl FnOnce(&mut integration::ActiveModel)) {
    let mut active = row(world, name).await.into_active_model();
    change(&mut active);
    let db = world.connect().await;
    ActiveModelTrait::update(active, &db).await.expect("edited");
    db.close().await.expect("closed");
}

fn described(definition: &Value, description: &str) -> Value {
    let mut definition = definition.clone();
    definition["description"] = description.into();
    definition
}

async fn description(client: &Client, name: &str) -> Value {
    client.get(&format!("/api/v1/integrations/{name}")).await.ok()["description"].clone()
}

#[tokio::test]
async fn ids_are_derived_from_names_as_the_contract_says() {
    let world = World::start().await;
    let namespace = Uuid::new_v5(&Uuid::nil(), b"patchbay/integration");
    let listed = world.account("acme").get("/api/v1/integrations").await.ok();
    let listed = listed["integrations"].as_array().expect("list");
    assert!(listed.len() >= 40);
    for item in listed {
        let name = item["name"].as_str().expect("name");
        let id = Uuid::new_v5(&namespace, name.as_bytes());
        assert_eq!(item["id"], json!(id), "{name}");
        assert_eq!(row(&world, name).await.id, id);
    }
    assert_eq!(IntegrationId::of_builtin("stripe").to_string(), "c5c44806-6981-5408-a812-edbd36c0eef2");
}

#[tokio::test]
async fn a_restart_changes_no_row() {
    let world = World::start().await;
    let before = world.catalog_rows().await;
    for _ in 0..2 {
        let _replica = World::builder().beside(&world).await;
        assert_eq!(world.catalog_rows().await, before);
    }
}

#[tokio::test]
async fn an_entry_that_an_operator_edited_is_not_overwritten() {
    let world = World::start().await;
    let definition = row(&world, "stripe").await.definition;
    edit(&world, "stripe", |row| {
        row.definition = Set(described(&definition, "Our own words."));
        row.modified_from_default = Set(true);
        row.default_revision = Set(0);
    })
    .await;
    let edited = world.catalog_rows().await;
    let replica = World::builder().beside(&world).await;
    assert_eq!(world.catalog_rows().await, edited);
    assert_eq!(description(&replica.account("acme"), "stripe").await, "Our own words.");
}

#[tokio::test]
async fn an_older_entry_that_nobody_edited_is_brought_up_to_date() {
    let world = World::start().await;
    let before = world.catalog_rows().await;
    let stripe = row(&world, "stripe").await;
    edit(&world, "stripe", |row| {
        row.definition = Set(described(&stripe.definition, "What an older binary said."));
        row.default_revision = Set(0);
    })
    .await;
    let replica = World::builder().beside(&world).await;
    let updated = row(&world, "stripe").await;
    assert_eq!((&updated.definition, updated.default_revision), (&stripe.definition, stripe.default_revision));
    assert_eq!(updated.created_at, stripe.created_at);
    assert!(updated.updated_at > stripe.updated_at);
    let others = |rows: Vec<integration::Model>| rows.into_iter().filter(|r| r.name != "stripe").collect::<Vec<_>>();
    assert_eq!(others(world.catalog_rows().await), others(before));
    assert_eq!(description(&replica.account("acme"), "stripe").await, stripe.definition["description"]);
}

#[tokio::test]
async fn an_entry_of_a_newer_binary_is_never_lowered() {
    let world = World::start().await;
    let stripe = row(&world, "stripe").await;
    edit(&world, "stripe", |row| {
        row.definition = Set(described(&stripe.definition, "What a newer binary says."));
        row.default_revision = Set(stripe.default_revision + 1);
    })
    .await;
    let newer = world.catalog_rows().await;
    let replica = World::builder().beside(&world).await;
    assert_eq!(world.catalog_rows().await, newer);
    assert_eq!(description(&replica.account("acme"), "stripe").await, "What a newer binary says.");
}

#[tokio::test]
async fn a_broken_row_is_left_out_and_takes_nothing_with_it() {
    let world = World::start().await;
    world.account("acme").post("/api/v1/integrations/stripe/install", &json!({"params": {"n": 1}})).await.ok();
    let rows = world.rows_of("acme").await;
    let total = world.account("acme").get("/api/v1/integrations").await.ok()["total"].as_u64().expect("total");
    for broken in [json!({}), json!([]), json!("text"), json!({"name": "stripe", "params": 5})] {
        edit(&world, "stripe", |row| {
            row.definition = Set(broken.clone());
            row.modified_from_default = Set(true);
        })
        .await;
        let replica = World::builder().beside(&world).await;
        let acme = replica.account("acme");
        assert_eq!(acme.get("/api/v1/integrations").await.ok()["total"], total - 1, "{broken}");
        assert_eq!(acme.get("/api/v1/integrations/stripe").await.error_code(), "integration_not_found", "{broken}");
        acme.get("/api/v1/integrations/slack").await.ok();
        let data = acme.graphql("{ integrations(first: 200) { totalCount } }", json!({})).await.data();
        assert_eq!(data["integrations"]["totalCount"], total - 1);
    }
    assert_eq!(world.rows_of("acme").await, rows, "what was installed outlives a broken entry");
}

#[tokio::test]
async fn a_replica_sees_a_change_of_the_catalog_within_two_seconds() {
    let world = World::start().await;
    let served = world.serve().await;
    let stripe = row(&world, "stripe").await;
    edit(&world, "stripe", |row| {
        row.definition = Set(described(&stripe.definition, "Edited."));
        row.default_revision = Set(0);
    })
    .await;
    world.sql("UPDATE catalog_revisions SET revision = revision + 1").await;
    let acme = world.account("acme");
    eventually("an edited row is seen", SEEN_WITHIN, async || description(&acme, "stripe").await == "Edited.").await;
    // A newer binary starts beside it and brings the row up to date.
    let _replica = World::builder().beside(&world).await;
    let builtin = &stripe.definition["description"];
    eventually("what another replica loaded is seen", SEEN_WITHIN, async || {
        description(&acme, "stripe").await == *builtin
    })
    .await;
    served.stop().await;
}
