//! Reading stored secrets back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Client, World};

const READ: &str = "/api/v1/integrations/stripe/secrets/read";

/// The message of the answer when `api_key` does not open.
const UNREADABLE: &str = "The stored secret api_key cannot be opened: store it again, or read the others by name";

async fn reading() -> (World, Client) {
    let world = World::builder().set(&[("secrets.read_back", "true"), ("keys.cache_entries", "0")]).start().await;
    let acme = world.account("acme");
    let secrets = json!({"api_key": "sk_test_CANARY", "other": {"deep": ["whsec_CANARY", 1.5, null, "\u{0}é"]}});
    acme.post("/api/v1/integrations/stripe/install", &json!({"secrets": secrets})).await.ok();
    (world, acme)
}

#[tokio::test]
async fn what_was_supplied_comes_back_and_nobody_may_keep_it() {
    let (_world, acme) = reading().await;
    let all = acme.post_text(READ, "").await;
    assert_eq!(all.header("cache-control"), Some("no-store"));
    assert_eq!(all.header("etag"), None);
    let secrets = json!({"api_key": "sk_test_CANARY", "other": {"deep": ["whsec_CANARY", 1.5, null, "\u{0}é"]}});
    let integration = json!({"id": "c5c44806-6981-5408-a812-edbd36c0eef2", "name": "stripe"});
    assert_eq!(all.ok(), json!({"integration": integration, "secrets": secrets, "ignored_fields": []}));
    for (body, names) in [
        (json!(null), &["api_key", "other"][..]),
        (json!({}), &["api_key", "other"]),
        (json!({"names": null, "other": 1}), &["api_key", "other"]),
        (json!({"names": ["api_key"]}), &["api_key"]),
        (json!({"names": ["other", "api_key", "api_key"]}), &["api_key", "other"]),
        (json!({"names": []}), &[]),
    ] {
        let read: BTreeMap<String, Value> =
            serde_json::from_value(acme.post(READ, &body).await.ok()["secrets"].clone()).expect("secrets");
        assert_eq!(read.into_keys().collect::<Vec<_>>(), names, "{body}");
    }
}

#[tokio::test]
async fn every_refusal_says_why_and_holds_no_value() {
    let (world, acme) = reading().await;
    let many = json!({"names": vec!["x"; 65]}).to_string();
    let huge = format!(r#"{{"names": ["{}"]}}"#, "x".repeat(300_000));
    for (body, status, code, part) in [
        ("[]", 400, "bad_user_input", "must be a JSON object"),
        ("{", 400, "bad_user_input", "Malformed JSON"),
        (r#"{"names": "api_key"}"#, 400, "bad_user_input", "names must be a list of strings"),
        (r#"{"names": [1]}"#, 400, "bad_user_input", "names must be a list of strings"),
        (many.as_str(), 400, "bad_user_input", "at most 64"),
        (huge.as_str(), 413, "body_too_large", "larger than"),
        (
            r#"{"names": ["api_key", "absent", "a b"]}"#,
            422,
            "secrets_invalid",
            "secrets.absent: is not stored; secrets.a b",
        ),
    ] {
        let answer = acme.post_text(READ, body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (status, code), "{}", answer.text());
        assert!(answer.text().contains(part) && !answer.text().contains("CANARY"), "{}", answer.text());
    }
    let as_text = acme.clone().header("content-type", "text/plain");
    assert_eq!(as_text.send(axum::http::Method::POST, READ, "{}".into()).await.status, 415);
    acme.get(READ).await.assert_refused(405, "method_not_allowed", "Method not allowed");
    let unknown = acme.post_text("/api/v1/integrations/nobody_has_this/secrets/read", "").await;
    unknown.assert_refused(404, "integration_not_found", "Integration not found");
    let stranger = world.account("stranger").post_text(READ, "").await;
    stranger.assert_refused(409, "integration_not_installed", "Integration is not installed");
}

#[tokio::test]
async fn an_integration_that_is_not_installed_gives_nothing_away() {
    let (_world, acme) = reading().await;
    acme.post("/api/v1/integrations/stripe/uninstall", &Value::Null).await.ok();
    acme.post_text(READ, "").await.assert_refused(409, "integration_not_installed", "Integration is not installed");
    acme.post("/api/v1/integrations/stripe/install", &Value::Null).await.ok();
    assert_eq!(acme.post_text(READ, "").await.ok()["secrets"]["api_key"], "sk_test_CANARY");
}

#[tokio::test]
async fn nobody_reads_until_the_operator_turns_it_on() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post("/api/v1/integrations/stripe/install", &json!({"secrets": {"api_key": "sk_test_CANARY"}})).await.ok();
    for path in [READ, "/api/v1/integrations/nobody_has_this/secrets/read"] {
        let answer = acme.post_text(path, "").await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (403, "forbidden"));
        assert!(answer.text().contains("secrets.read_back"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_value_that_was_moved_is_refused_and_the_others_can_be_read() {
    let (world, acme) = reading().await;
    let sealed = "SELECT sealed FROM installation_secrets WHERE account_id = 'acme' AND name = 'other'";
    let moved =
        format!("UPDATE installation_secrets SET sealed = ({sealed}) WHERE account_id = 'acme' AND name = 'api_key'");
    world.sql(&moved).await;
    for body in [json!({}), json!({"names": ["api_key"]})] {
        acme.post(READ, &body).await.assert_refused(500, "internal", UNREADABLE);
    }
    assert!(acme.post(READ, &json!({"names": ["other"]})).await.ok()["secrets"].is_object());
}

#[tokio::test]
async fn a_deleted_row_is_an_error_and_not_an_empty_answer() {
    let (world, acme) = reading().await;
    world.sql("DELETE FROM installation_secrets WHERE account_id = 'acme' AND name = 'api_key'").await;
    for body in [json!({}), json!({"names": ["api_key"]})] {
        acme.post(READ, &body).await.assert_refused(500, "internal", UNREADABLE);
    }
    assert!(acme.post(READ, &json!({"names": ["other"]})).await.ok()["secrets"].is_object());
    acme.post("/api/v1/integrations/stripe/install", &json!({"secrets": {"api_key": "sk_CANARY_2"}})).await.ok();
    assert_eq!(acme.post(READ, &json!({"names": ["api_key"]})).await.ok()["secrets"]["api_key"], "sk_CANARY_2");
}

#[tokio::test]
async fn secret_row_without_a_record_is_not_returned() {
    let (world, acme) = reading().await;
    world.sql("UPDATE installations SET secret_names = '[\"other\"]' WHERE account_id = 'acme'").await;
    // Behind the server's back, so that it still has the record of before in memory.
    world.sql("UPDATE account_revisions SET revision = revision + 1 WHERE account_id = 'acme'").await;
    let read = acme.post_text(READ, "").await.ok();
    let names: Vec<_> = read["secrets"].as_object().expect("secrets").keys().collect();
    assert_eq!(names, ["other"]);
}

#[tokio::test]
async fn each_reading_is_on_record_with_names_alone_whether_it_succeeds_or_fails() {
    let (world, acme) = reading().await;
    acme.post(READ, &json!({"names": ["api_key"]})).await.ok();
    acme.post_text(READ, "").await.ok();
    // Nothing was read: nothing is on record.
    acme.post(READ, &json!({"names": ["absent"]})).await;
    let moved = "UPDATE account_keys SET provider = 'nobody' WHERE account_id = 'acme'";
    world.sql(moved).await;
    acme.post_text(READ, "").await;
    let events = acme.get("/api/v1/events?action=secrets.read").await.ok();
    let told: Vec<_> = events["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| (event["outcome"].clone(), event["fields"].clone(), event["integration_name"].clone()))
        .collect();
    let both = json!(["secrets.api_key", "secrets.other"]);
    assert_eq!(
        told,
        [
            (json!("failed"), both.clone(), json!("stripe")),
            (json!("succeeded"), both, json!("stripe")),
            (json!("succeeded"), json!(["secrets.api_key"]), json!("stripe")),
        ]
    );
    assert!(!events.to_string().contains("CANARY"), "{events}");
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_handed_out() {
    let (world, acme) = reading().await;
    world.sql("ALTER TABLE audit_events RENAME TO gone").await;
    let answer = acme.post_text(READ, "").await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (500, "database_error"));
    assert!(!answer.text().contains("CANARY"));
}
