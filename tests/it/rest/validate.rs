//! A dry run of an install: the same verdict, and nothing stored.

use serde_json::{Value, json};

use super::rows::Rows;
use super::{INSTALL, PROBLEM, STRIPE};
use crate::support::{Client, World};

const VALIDATE: &str = "/api/v1/integrations/stripe/validate";

async fn validate(client: &Client, body: &Value) -> Value {
    client.post(VALIDATE, body).await.ok()
}

#[tokio::test]
async fn a_dry_run_says_what_an_install_would_refuse_and_stores_nothing() {
    let world = World::start().await;
    let acme = world.account("acme");
    let bodies = [
        json!(null),
        json!({}),
        json!({"params": {"api_version": "new"}}),
        json!({"params": {"api_version": 7, "other": 1}, "secrets": {"api_key": "CANARY", "webhook_secret": 7}}),
        json!({"secrets": {"not a name": "CANARY", "a/b~c": "CANARY"}}),
        json!({"secrets": {"api_key": "sk_test_CANARY"}}),
    ];
    for body in bodies {
        let verdict = validate(&acme, &body).await;
        assert!(!verdict.to_string().contains("CANARY"));
        let db = world.connect().await;
        assert!(Rows::read(&db).await.is_empty(), "{body}");
        db.close().await.expect("closed");
        let stranger = world.account("stranger").header("accept", PROBLEM);
        let installed = stranger.post(INSTALL, &body).await;
        assert_eq!(verdict["valid"], installed.status.is_success(), "{body}");
        if installed.status.is_success() {
            assert_eq!(verdict["errors"], json!([]));
            assert_eq!(verdict["missing_fields"], installed.json()["integration"]["missing_fields"], "{body}");
            stranger.post("/api/v1/integrations/stripe/purge", &json!({})).await.ok();
            world.sql("DELETE FROM account_revisions").await;
            world.sql("DELETE FROM account_keys").await;
            world.sql("DELETE FROM installations").await;
        } else {
            assert_eq!(verdict["errors"], installed.json()["errors"], "{body}");
        }
    }
}

#[tokio::test]
async fn what_would_still_be_missing_counts_what_is_stored() {
    let world = World::start().await;
    let acme = world.account("acme");
    let missing = async |body: Value| validate(&acme, &body).await["missing_fields"].clone();
    assert_eq!(missing(json!({})).await, json!(["secrets.api_key"]));
    acme.post(INSTALL, &json!({"secrets": {"api_key": "sk_test_CANARY"}})).await.ok();
    assert_eq!(missing(json!({})).await, json!([]));
    assert_eq!(missing(json!({"secrets": {"api_key": null}})).await, json!(["secrets.api_key"]));
    assert_eq!(acme.get(STRIPE).await.ok()["secret_names"], json!(["api_key"]));
    assert_eq!(
        world.account("other").post(VALIDATE, &json!({})).await.ok()["missing_fields"],
        json!(["secrets.api_key"])
    );
}

#[tokio::test]
async fn it_needs_no_key_and_refuses_what_an_install_cannot_read() {
    let world = World::builder().without_keys().start().await;
    let acme = world.account("acme");
    assert_eq!(validate(&acme, &json!({"secrets": {"api_key": "sk_test_CANARY"}})).await["valid"], true);
    let absent = acme.post("/api/v1/integrations/nobody_has_this/validate", &json!({})).await;
    absent.assert_refused(404, "integration_not_found", "Integration not found");
    for (body, sentence) in
        [(json!([]), "The request body must be a JSON object"), (json!({"params": 7}), "params must be a JSON object")]
    {
        acme.post(VALIDATE, &body).await.assert_refused(400, "bad_user_input", sentence);
    }
    let huge = json!({"params": {"text": "x".repeat(300 * 1024)}});
    assert_eq!(acme.post(VALIDATE, &huge).await.status.as_u16(), 413);
}
