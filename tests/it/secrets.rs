//! Secrets: sealed in the database, bound to their place, never told, never stored in the clear.

use std::os::unix::fs::PermissionsExt;

use entity::installation_secret;
use patchbay::domain::{CONNECTION, IntegrationId, SecretName};
use patchbay::vault::{SecretPlace, counter_of};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, Set};
use serde_json::{Value, json};

use crate::support::{World, account_id, open};

const INSTALL: &str = "/api/v1/integrations/stripe/install";
const STRIPE: &str = "c5c44806-6981-5408-a812-edbd36c0eef2";

fn key(name: &str) -> (String, String) {
    (STRIPE.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_stored_secret_is_an_envelope_that_repeats_its_key_id_and_opens_to_the_exact_value() {
    let world = World::start().await;
    let values = json!({
        "api_key": "sk_CANARY_ä\"", "number": u64::MAX, "float": 0.1, "list": ["CANARY\0", null], "object": {"b": 1, "a": 2},
        "flag": false, "empty": "",
    });
    world.account("acme").post(INSTALL, &json!({ "secrets": values })).await.ok();
    let rows = world.secrets_of("acme").await;
    assert_eq!(rows.len(), 7);
    for row in &rows {
        assert_eq!(row.sealed[..4], [0xB1, 2, 1, 0], "{}: magic, version, algorithm, flags", row.name);
        let id = u32::from_be_bytes(row.sealed[4..8].try_into().expect("4 bytes"));
        assert_eq!((i64::from(id), row.key_id), (1, 1), "{}", row.name);
        let plain = values[&row.name].to_string();
        assert_eq!(row.sealed.len(), plain.len() + 44, "{}", row.name);
        assert!(!row.sealed.windows(6).any(|window| window == b"CANARY"), "{} is stored in the clear", row.name);
    }
    let nonces: std::collections::BTreeSet<_> = rows.iter().map(|row| row.sealed[16..28].to_vec()).collect();
    assert_eq!(nonces.len(), rows.len(), "a nonce was used twice");
    for ((_, name), value) in world.open_secrets_of("acme").await {
        assert_eq!(value, values[&name], "{name}");
    }
}

#[tokio::test]
async fn a_sealed_row_moved_to_another_place_does_not_open_and_only_that_row_is_an_error() {
    let world = World::start().await;
    let secrets = json!({"secrets": {"api_key": "sk_CANARY_1", "other": "CANARY_2"}});
    world.account("acme").post(INSTALL, &secrets).await.ok();
    world
        .account("acme")
        .post("/api/v1/integrations/slack/install", &json!({"secrets": {"other": "CANARY_3"}}))
        .await
        .ok();
    let data_key = world.data_key_of("acme").await;
    let rows = world.secrets_of("acme").await;
    let row = |id: IntegrationId, name: &str| {
        rows.iter().find(|r| r.integration_id == id.0 && r.name == name).expect("row").clone()
    };
    let (stripe, slack) = (IntegrationId::of_builtin("stripe"), IntegrationId::of_builtin("slack"));
    // Over the row of another name, and over the same name of another integration.
    for (target, name) in [(stripe, "other"), (slack, "other")] {
        let db = world.connect().await;
        let mut moved = row(target, name).into_active_model();
        moved.sealed = Set(row(stripe, "api_key").sealed);
        let moved = ActiveModelTrait::update(moved, &db).await.expect("moved");
        db.close().await.expect("closed");
        assert!(open(&data_key, &moved).is_none(), "{name} of {target}");
    }
    assert_eq!(open(&data_key, &row(stripe, "api_key")), Some(json!("sk_CANARY_1")));
    // To another connection, which no request can name yet.
    let name = SecretName::parse("api_key").expect("name");
    let account = account_id("acme");
    let counter = counter_of(&row(stripe, "api_key").sealed);
    let place = |connection| SecretPlace { account: &account, integration: stripe, connection, name: &name, counter };
    assert!(data_key.open(&place(CONNECTION), &row(stripe, "api_key").sealed).is_ok());
    assert!(data_key.open(&place("second"), &row(stripe, "api_key").sealed).is_err());
    for path in ["/api/v1/integrations", "/api/v1/integrations/stripe", "/api/v1/integrations/slack"] {
        world.account("acme").get(path).await.ok();
    }
}

#[tokio::test]
async fn a_malformed_sealed_row_stands_in_nobodys_way() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY_1", "other": "CANARY_2"}})).await.ok();
    let data_key = world.data_key_of("acme").await;
    for broken in [vec![], vec![0xB1], vec![0; 200], b"written in the clear, longer than a header and a tag".to_vec()] {
        let db = world.connect().await;
        let row = world.secrets_of("acme").await.into_iter().find(|row| row.name == "api_key").expect("row");
        let mut row = row.into_active_model();
        row.sealed = Set(broken);
        let row: installation_secret::Model = ActiveModelTrait::update(row, &db).await.expect("broken");
        db.close().await.expect("closed");
        assert!(open(&data_key, &row).is_none());
        let shown = acme.get("/api/v1/integrations/stripe").await.ok();
        assert_eq!(shown["secret_names"], json!(["api_key", "other"]), "listing opens nothing");
        acme.post(INSTALL, &json!({"params": {"n": 1}})).await.ok();
    }
    acme.post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY_new"}})).await.ok();
    assert_eq!(world.open_secrets_of("acme").await[&key("api_key")], json!("sk_CANARY_new"));
}

#[tokio::test]
async fn secrets_merge_by_name_and_a_value_given_again_is_sealed_anew() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY_a", "b": "CANARY_b", "c": "CANARY_c"}})).await.ok();
    let before = world.secrets_of("acme").await;
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY_a", "b": null, "d": "CANARY_d"}})).await.ok();
    let after = world.secrets_of("acme").await;
    let names: Vec<_> = after.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["a", "c", "d"]);
    assert_ne!(before[0].sealed, after[0].sealed, "the same value under a new nonce");
    assert_eq!(before[0].created_at, after[0].created_at);
    assert_eq!(before[2], after[1], "c was not supplied and stays as it is");
    assert_eq!(world.keys_of("acme").await.len(), 1);
}

#[tokio::test]
async fn an_uninstall_keeps_secret_rows_byte_for_byte_and_a_later_install_has_them_again() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"n": 1}, "secrets": {"api_key": "sk_CANARY"}})).await.ok();
    let (secrets, keys) = (world.secrets_of("acme").await, world.keys_of("acme").await);
    for over_graphql in [false, true] {
        let uninstalled = if over_graphql {
            let document = "mutation { uninstallIntegration(input: {integration: {name: \"stripe\"}}) { changed } }";
            acme.graphql(document, json!({})).await.data()["uninstallIntegration"].clone()
        } else {
            acme.post("/api/v1/integrations/stripe/uninstall", &Value::Null).await.ok()
        };
        assert_eq!(uninstalled["changed"], true);
        assert_eq!(world.secrets_of("acme").await, secrets);
        let again = acme.post(INSTALL, &Value::Null).await.ok();
        assert_eq!(again["integration"]["secret_names"], json!(["api_key"]));
        assert_eq!(again["integration"]["missing_fields"], json!([]));
        assert_eq!(world.secrets_of("acme").await, secrets);
    }
    assert_eq!(world.keys_of("acme").await, keys, "the data key is made once");
}

#[tokio::test]
async fn a_data_key_is_made_at_the_first_secret_and_never_again() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"n": 1}})).await.ok();
    acme.post(INSTALL, &json!({"secrets": {}})).await.ok();
    acme.post(INSTALL, &json!({"secrets": {"x": null}})).await.ok();
    assert_eq!(world.keys_of("acme").await, vec![], "nothing was to be sealed");
    acme.post(INSTALL, &json!({"secrets": {"not allowed": "CANARY"}})).await;
    assert_eq!(world.keys_of("acme").await, vec![], "refused before any key was touched");
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY"}})).await.ok();
    let keys = world.keys_of("acme").await;
    assert_eq!((keys.len(), keys[0].key_id, &*keys[0].provider, &*keys[0].kek_ref), (1, 1, "local", "local:1"));
    let replica = World::builder().beside(&world).await;
    replica.account("acme").post("/api/v1/integrations/slack/install", &json!({"secrets": {"b": "CANARY"}})).await.ok();
    assert_eq!(world.keys_of("acme").await, keys);
    assert_eq!(world.open_secrets_of("acme").await.len(), 2);
}

#[tokio::test]
async fn without_a_key_storing_is_refused_whole_and_everything_else_works() {
    let world = World::builder().without_keys().start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"n": 1}})).await.ok();
    let before = world.rows_of("acme").await;
    for body in [
        json!({"secrets": {"api_key": "sk_CANARY"}}),
        json!({"params": {"n": 2}, "secrets": {"api_key": "sk_CANARY"}}),
        json!({"params": {"n": 2}, "secrets": {"x": null, "y": "CANARY"}}),
    ] {
        let answer = acme.post(INSTALL, &body).await;
        answer.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
        let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=30).contains(&seconds));
        let document = "mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { changed } }";
        let mut input = body.clone();
        input["integration"] = json!({"name": "stripe"});
        assert_eq!(acme.graphql(document, json!({ "input": input })).await.graphql_code(), "SECRETS_UNAVAILABLE");
        assert_eq!(world.rows_of("acme").await, before, "{body}");
    }
    // 404 and 422 come before any key is asked for.
    let absent = acme.post("/api/v1/integrations/nobody/install", &json!({"secrets": {"x": "CANARY"}})).await;
    assert_eq!(absent.status.as_u16(), 404);
    assert_eq!(acme.post(INSTALL, &json!({"secrets": {"api_key": "CANARY"}})).await.status.as_u16(), 422);
    for body in [json!({"secrets": {"x": null}}), json!({"secrets": {}}), json!({"params": {}}), json!(null)] {
        assert_eq!(acme.post(INSTALL, &body).await.ok()["integration"]["status"], "installed", "{body}");
    }
    acme.post("/api/v1/integrations/stripe/uninstall", &Value::Null).await.ok();
    assert_eq!(world.nobody().get("/readyz").await.ok()["secrets"], "degraded");
    assert_eq!(world.nobody().get("/readyz?strict=1").await.status.as_u16(), 503);
}

#[tokio::test]
async fn a_data_key_that_cannot_be_unwrapped_stops_its_account_alone() {
    // Nothing is remembered: the key is read each time.
    let world = World::with(&[("database.account_cache_bytes", "0"), ("keys.cache_entries", "0")]).await;
    for account in ["acme", "other"] {
        world.account(account).post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY"}})).await.ok();
    }
    let db = world.connect().await;
    let mut row = world.keys_of("acme").await.remove(0).into_active_model();
    let mut wrapped = row.wrapped.take().expect("bytes");
    *wrapped.last_mut().expect("bytes") ^= 1;
    row.wrapped = Set(wrapped);
    ActiveModelTrait::update(row, &db).await.expect("changed");
    db.close().await.expect("closed");
    let before = world.rows_of("acme").await;
    let refused = world.account("acme").post(INSTALL, &json!({"params": {"n": 1}, "secrets": {"x": "CANARY"}})).await;
    refused.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
    assert_eq!(world.rows_of("acme").await, before);
    world.account("acme").post(INSTALL, &json!({"params": {"n": 1}})).await.ok();
    world.account("other").post(INSTALL, &json!({"secrets": {"x": "CANARY"}})).await.ok();
}

#[tokio::test]
async fn no_answer_ever_holds_a_value() {
    let world = World::start().await;
    let acme = world.account("acme");
    let document = "mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { integration { params secretNames } userErrors { message field } } }";
    for secrets in [
        json!({"api_key": "sk_CANARY", "webhook_secret": "whsec_CANARY", "own": {"CANARY_key": "CANARY"}}),
        json!({"api_key": "CANARY of the wrong form"}),
        json!({"api_key": ["CANARY"]}),
        json!({"webhook_secret": {"CANARY": 1}}),
        json!({"own": "CANARY".repeat(20_000)}),
        (0..70).map(|i| (format!("s{i}"), json!("CANARY"))).collect(),
    ] {
        for client in [acme.clone(), acme.clone().header("accept", "application/problem+json")] {
            let answer = client.post(INSTALL, &json!({ "secrets": secrets })).await;
            assert!(!answer.text().contains("CANARY"), "{}", answer.text());
            assert!(!format!("{:?}", answer.headers).contains("CANARY"));
        }
        let input = json!({"integration": {"name": "stripe"}, "secrets": secrets});
        let answer = acme.graphql(document, json!({ "input": input })).await;
        assert!(!answer.text().contains("CANARY"), "{}", answer.text());
    }
    for text in [
        r#"{"secrets": {"api_key": "sk_CANARY"}"#,
        r#"{"secrets": {"api_key": sk_CANARY}}"#,
        r#"{"secrets": "CANARY"}"#,
        r#"{"secrets": ["CANARY"]}"#,
        r#""CANARY""#,
    ] {
        let answer = acme.post_text(INSTALL, text).await;
        assert_eq!(answer.status.as_u16(), 400, "{text}");
        assert!(!answer.text().contains("CANARY"), "{}", answer.text());
    }
    for document in [
        r#"mutation { installIntegration(input: {integration: {name: "stripe"}, secrets: {api_key: "sk_CANARY"}) { changed } }"#,
        r#"mutation { installIntegration(input: {integration: {name: "stripe"}, secrets: "CANARY"}) { changed } }"#,
        r#"mutation { installIntegration(input: {integration: {name: "stripe"}, secrets: {api_key: CANARY}}) { changed } }"#,
        r#"mutation { installIntegration(input: {integration: {name: "stripe"}, sk_CANARY: 1}) { changed } }"#,
        r#"mutation { installIntegration(input: {integration: {name: "stripe", id: "CANARY"}}) { changed } }"#,
        r#"{ CANARY }"#,
        r#""CANARY"#,
    ] {
        let answer = acme.graphql(document, json!({})).await;
        assert!(!answer.text().contains("CANARY"), "{document}: {}", answer.text());
    }
    let metrics = world.nobody().get("/metrics").await.text();
    assert!(!metrics.contains("CANARY") && !metrics.contains("acme"));
}

#[tokio::test]
async fn a_key_check_is_recorded_once_and_holds_no_key() {
    let world = World::start().await;
    let _replica = World::builder().beside(&world).await;
    let db = world.connect().await;
    let of_providers = entity::key_check::Column::Provider.ne("pepper");
    let checks = entity::key_check::Entity::find().filter(of_providers).all(&db).await.expect("checks");
    db.close().await.expect("closed");
    assert_eq!(checks.len(), 1);
    assert_eq!((&*checks[0].provider, &*checks[0].kek_ref, checks[0].fingerprint.len()), ("local", "local:1", 16));
    let ring = world.folder.path().join("keyring.json");
    let text = std::fs::read_to_string(&ring).expect("ring");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert!(!document["keys"][0]["key"].as_str().expect("key").contains(&checks[0].fingerprint));
    assert_eq!(std::fs::metadata(ring).expect("file").permissions().mode() & 0o777, 0o600);
}
