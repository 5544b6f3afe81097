//! Bytes that were copied between accounts behind the server's back do not open.

use entity::{account_key, installation_secret};
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde_json::json;

use super::{MARK, furnish};
use crate::support::{World, account_id, open, wrapped};

#[tokio::test]
async fn a_sealed_row_copied_to_another_account_does_not_open() {
    let world = World::with(&[("secrets.read_back", "true")]).await;
    furnish(&world).await;
    let stranger = world.account("stranger");
    let own = json!({"secrets": {"token": "CANARY_own"}});
    stranger.post("/api/v1/integrations/stripe/install", &own).await.ok();
    let db = world.connect().await;
    for row in world.secrets_of("acme").await.into_iter().filter(|row| row.name == "api_key") {
        let mut copy = row.into_active_model();
        copy.account_id = Set("stranger".into());
        ActiveModelTrait::insert(copy, &db).await.expect("copied");
    }
    db.close().await.expect("closed");
    let (of_acme, of_stranger) = (world.data_key_of("acme").await, world.data_key_of("stranger").await);
    let rows = world.secrets_of("stranger").await;
    let row = |name: &str| -> &installation_secret::Model { rows.iter().find(|row| row.name == name).expect(name) };
    assert!(open(&of_stranger, row("api_key")).is_none());
    assert!(open(&of_acme, row("api_key")).is_none(), "not even with the key it was sealed with");
    assert_eq!(open(&of_stranger, row("token")), Some(json!("CANARY_own")), "only that row is an error");
    stranger.get("/api/v1/integrations/stripe").await.ok();
    // No record names the copy: it is not even opened.
    for body in [json!({}), json!({"names": ["token"]})] {
        let read = stranger.post("/api/v1/integrations/stripe/secrets/read", &body).await;
        assert!(!read.text().contains(MARK), "{}", read.text());
        assert_eq!(read.ok()["secrets"], json!({"token": "CANARY_own"}));
    }
}

#[tokio::test]
async fn a_data_key_copied_to_another_account_does_not_open() {
    let world = World::start().await;
    furnish(&world).await;
    let db = world.connect().await;
    let mut copy = world.keys_of("acme").await.remove(0).into_active_model();
    copy.account_id = Set("stranger".into());
    let copy: account_key::Model = ActiveModelTrait::insert(copy, &db).await.expect("copied");
    db.close().await.expect("closed");
    assert!(world.vault().data_key(&account_id("stranger"), &wrapped(&copy)).await.is_err());
    // The account whose key is not its own cannot store a secret, and is told so instead of being given a weaker place.
    let install = json!({"params": {"kept": false}, "secrets": {"api_key": "sk_CANARY"}});
    let before = world.rows_of("stranger").await;
    let refused = world.account("stranger").post("/api/v1/integrations/stripe/install", &install).await;
    refused.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
    assert_eq!(world.rows_of("stranger").await, before);
    world.account("acme").post("/api/v1/integrations/stripe/install", &install).await.ok();
}
