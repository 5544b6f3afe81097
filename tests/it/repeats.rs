//! Requests with an idempotency key: made twice, done once; whoever else uses the key, and whatever goes wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use entity::idempotency_key;
use sea_orm::{EntityTrait, Set};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::access;
use crate::support::{Answer, Client, KeyService, Mood, PEPPER, REPLAYED, World, eventually};

const LIST: &str = "/api/v1/integrations";
const STRIPE: &str = "/api/v1/integrations/stripe";
const INSTALL: &str = "/api/v1/integrations/stripe/install";
const OWN: &str = "/api/v1/integrations/acme_billing";

fn values() -> Value {
    json!({"params": {"api_version": "2024-06-20"}, "secrets": {"api_key": "sk_test_CANARY"}})
}

fn billing(description: &str) -> Value {
    json!({"name": "acme_billing", "display_name": "Acme Billing", "description": description,
           "category": "accounting", "auth": [{"kind": "none"}]})
}

fn with_key(client: &Client, key: &str) -> Client {
    client.clone().header("idempotency-key", key)
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let method = method.parse::<Method>().expect("a method");
    client.clone().header("content-type", "application/json").send(method, path, body).await
}

async fn events(client: &Client) -> usize {
    client.get("/api/v1/events?limit=200").await.ok()["events"].as_array().expect("events").len()
}

async fn receipts(world: &World) -> Vec<idempotency_key::Model> {
    let db = world.connect().await;
    let rows = idempotency_key::Entity::find().all(&db).await.expect("receipts");
    db.close().await.expect("closed");
    rows
}

fn assert_reused(answer: &Answer) {
    let sentence = "The idempotency key was used for another request: every request needs a key of its own";
    answer.assert_refused(422, "idempotency_key_reused", sentence);
}

#[tokio::test]
async fn every_request_that_changes_something_is_done_once_and_the_second_answer_says_so() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let revoked = acme.post("/api/v1/api-keys", &json!({"name": "old", "scopes": ["catalog:read"]})).await;
    let revoked = format!("/api/v1/api-keys/{}/revoke", revoked.json()["api_key"]["id"].as_str().expect("an id"));
    for (n, (method, path, body, status)) in [
        ("POST", INSTALL, values(), 200),
        ("POST", INSTALL, Value::Null, 200),
        ("POST", "/api/v1/integrations/stripe/uninstall", Value::Null, 200),
        ("POST", "/api/v1/integrations/stripe/uninstall", json!({}), 200),
        ("POST", "/api/v1/integrations/stripe/purge", Value::Null, 200),
        ("POST", LIST, billing("Ours."), 201),
        ("PUT", OWN, billing("Ours, too."), 200),
        ("PUT", OWN, billing("Ours, too."), 200),
        ("POST", "/api/v1/integrations/acme_billing/deprecate", Value::Null, 200),
        ("DELETE", OWN, Value::Null, 204),
        ("POST", &revoked, Value::Null, 200),
        ("POST", &revoked, json!({}), 200),
    ]
    .into_iter()
    .enumerate()
    {
        let keyed = with_key(&acme, &format!("key-{n}"));
        let first = send(&keyed, method, path, &body).await;
        assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (status, None), "{path}: {}", first.text());
        let (rows, logged) = (world.rows_of("acme").await, events(&acme).await);
        for _ in 0..2 {
            let again = send(&keyed, method, path, &body).await;
            assert_eq!((again.status.as_u16(), again.header(REPLAYED)), (status, Some("true")), "{path}");
            assert_eq!(again.text(), first.text(), "{path}");
            assert_eq!(again.header("location"), first.header("location"));
        }
        assert_eq!((world.rows_of("acme").await, events(&acme).await), (rows, logged), "{path}");
    }
    assert_eq!(receipts(&world).await.len(), 12);
}

#[tokio::test]
async fn every_mutation_takes_a_key_and_is_the_same_request_as_in_rest() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    with_key(&acme, "shared").post(INSTALL, &values()).await.ok();
    let install = "mutation($input: InstallIntegrationInput!) { done: installIntegration(input: $input) {
        replayed changed integration { status } userErrors { message } } }";
    let mut input = values();
    input["integration"] = json!({"name": "stripe"});
    input["idempotencyKey"] = json!("shared");
    let done = acme.graphql(install, json!({"input": input})).await.data()["done"].clone();
    assert_eq!(
        done,
        json!({"replayed": true, "changed": true, "integration": {"status": "INSTALLED"}, "userErrors": []})
    );
    input["secrets"]["api_key"] = json!("sk_test_CANARY_other");
    assert_eq!(acme.graphql(install, json!({"input": input})).await.graphql_code(), "IDEMPOTENCY_KEY_REUSED");

    let definition = |text: &str| json!({"definition": billing(text)});
    let own = json!({"integration": {"name": "acme_billing"}});
    let made = acme.graphql(
        "mutation { createApiKey(input: {name: \"old\", scopes: [\"catalog:read\"]}) { apiKey { id } } }",
        json!({}),
    );
    let id = made.await.data()["createApiKey"]["apiKey"]["id"].clone();
    for (field, type_name, input) in [
        ("uninstallIntegration", "UninstallIntegrationInput", json!({"integration": {"name": "stripe"}})),
        ("purgeInstallationData", "PurgeInstallationDataInput", json!({"integration": {"name": "stripe"}})),
        ("createIntegration", "CreateIntegrationInput", definition("Ours.")),
        (
            "updateIntegration",
            "UpdateIntegrationInput",
            json!({"integration": own["integration"], "definition": billing("Ours!")}),
        ),
        ("deprecateIntegration", "DeprecateIntegrationInput", own.clone()),
        ("deleteIntegration", "DeleteIntegrationInput", own.clone()),
        ("revokeApiKey", "RevokeApiKeyInput", json!({"id": id})),
    ] {
        let document = format!(
            "mutation($input: {type_name}!) {{ done: {field}(input: $input) {{ replayed userErrors {{ message }} }} }}"
        );
        let mut input = input;
        input["idempotencyKey"] = json!(field);
        let logged = events(&acme).await;
        for replayed in [false, true] {
            let done = acme.graphql(&document, json!({"input": input})).await.data()["done"].clone();
            assert_eq!(done, json!({"replayed": replayed, "userErrors": []}), "{field}");
        }
        assert_eq!(events(&acme).await, logged + 1, "{field}");
        input["idempotencyKey"] = json!("\u{e9}");
        let refused = acme.graphql(&document, json!({"input": input})).await;
        assert_eq!(refused.graphql_code(), "BAD_USER_INPUT", "{field}");
        assert!(refused.text().contains("visible ASCII"), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_account() {
    let world = World::start().await;
    let (acme, other) = (world.account("acme"), world.account("other"));
    let keyed = with_key(&acme, "k");
    keyed.post(INSTALL, &values()).await.ok();
    let rows = world.rows_of("acme").await;
    let mut changed = values();
    changed["secrets"]["api_key"] = json!("sk_test_CANARY2");
    let without = json!({"params": {"api_version": "2024-06-20"}});
    for (path, body) in [
        (INSTALL, &changed),
        (INSTALL, &without),
        (INSTALL, &json!({"params": {"api_version": "2025-01-01"}, "secrets": values()["secrets"]})),
        (INSTALL, &Value::Null),
        ("/api/v1/integrations/slack/install", &values()),
        ("/api/v1/integrations/stripe/uninstall", &Value::Null),
        ("/api/v1/integrations/stripe/purge", &Value::Null),
        (LIST, &billing("Ours.")),
        ("/api/v1/api-keys", &json!({"name": "n", "scopes": ["catalog:read"]})),
    ] {
        assert_reused(&send(&keyed, "POST", path, body).await);
    }
    assert_eq!(world.rows_of("acme").await, rows, "nothing of it was done");
    // Another account's key of the same name is its own.
    let theirs = with_key(&other, "k").post("/api/v1/integrations/stripe/uninstall", &Value::Null).await;
    assert_eq!((theirs.header(REPLAYED), &theirs.ok()["changed"]), (None, &json!(false)));
    let again = keyed.post(INSTALL, &values()).await;
    assert_eq!(again.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn a_malformed_key_is_refused_and_nothing_is_done() {
    let world = World::start().await;
    let acme = world.account("acme");
    let long = "k".repeat(256);
    let sentence = "Invalid Idempotency-Key header: send one of 1 to 255 visible ASCII characters, without quotation marks and \
                    backslashes";
    for key in ["", "a b", "\"", "\"\"", "a\\b", "\u{e9}", &long] {
        let refused = with_key(&acme, key).post(INSTALL, &values()).await;
        refused.assert_refused(400, "bad_user_input", sentence);
    }
    let twice = with_key(&with_key(&acme, "a"), "b").post(INSTALL, &values()).await;
    twice.assert_refused(400, "bad_user_input", sentence);
    assert_eq!(acme.get(STRIPE).await.ok()["status"], "available");
    // With quotation marks, as the draft has it, and without it is the same.
    with_key(&acme, "\"quoted\"").post(INSTALL, &values()).await.ok();
    assert_eq!(with_key(&acme, "quoted").post(INSTALL, &values()).await.header(REPLAYED), Some("true"));
    // What changes nothing takes none, and looks at none.
    assert_eq!(with_key(&acme, "").get(STRIPE).await.status.as_u16(), 200);
    with_key(&acme, "").post(&format!("{STRIPE}/validate"), &values()).await.ok();
}

#[tokio::test]
async fn while_a_request_is_running_another_with_its_key_is_told_to_wait() {
    let service = KeyService::new(Mood::Works);
    let world = World::builder().key_service(&service).start().await;
    let keyed = with_key(&world.account("acme"), "k");
    service.set(Mood::Hangs);
    let running = tokio::spawn({
        let keyed = keyed.clone();
        async move { keyed.post(INSTALL, &values()).await }
    });
    eventually("the first one waits for the key service", Duration::from_secs(5), async || service.asked("wrap") > 0)
        .await;
    for body in [values(), Value::Null] {
        let refused = keyed.post(INSTALL, &body).await;
        let sentence = "A request with this idempotency key is being worked on: wait for its answer";
        refused.assert_refused(409, "idempotency_key_in_use", sentence);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // Of another account it says nothing.
    with_key(&world.account("other"), "k").post(INSTALL, &Value::Null).await.ok();
    service.set(Mood::Works);
    assert_eq!(running.await.expect("ran").header(REPLAYED), None);
    assert_eq!(keyed.post(INSTALL, &values()).await.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn one_that_was_given_up_leaves_the_key_free() {
    let service = KeyService::new(Mood::Works);
    let world = World::builder().key_service(&service).start().await;
    let keyed = with_key(&world.account("acme"), "k");
    service.set(Mood::Away);
    assert_eq!(keyed.post(INSTALL, &values()).await.status.as_u16(), 503);
    service.set(Mood::Hangs);
    let body = values();
    let waiting = tokio::time::timeout(Duration::from_millis(300), keyed.post(INSTALL, &body));
    assert!(waiting.await.is_err(), "it waits, and its client goes");
    service.set(Mood::Works);
    // Another body: the key stands for nothing yet.
    eventually("the breaker lets through", Duration::from_secs(10), async || {
        keyed.post(INSTALL, &Value::Null).await.status.as_u16() == 200
    })
    .await;
    assert_eq!(keyed.post(INSTALL, &Value::Null).await.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn what_was_refused_or_failed_is_not_on_record() {
    let world = World::start().await;
    let keyed = with_key(&world.account("acme"), "k");
    let bad = json!({"params": {"api_version": 7}});
    assert_eq!(keyed.post(INSTALL, &bad).await.error_code(), "params_invalid");
    assert_eq!(keyed.post("/api/v1/integrations/nobody/install", &json!({})).await.status.as_u16(), 404);
    // A receipt that cannot be written takes the change with it.
    let slack = "/api/v1/integrations/slack/uninstall";
    with_key(&world.account("acme"), "another").post(slack, &Value::Null).await.ok();
    world.sql("CREATE UNIQUE INDEX one_alone ON idempotency_keys (account_id)").await;
    for (method, path, body) in [("POST", INSTALL, values()), ("POST", LIST, billing("Ours."))] {
        let failed = send(&keyed, method, path, &body).await;
        failed.assert_refused(500, "database_error", "Database error");
    }
    world.sql("DROP INDEX one_alone").await;
    let acme = world.account("acme");
    assert_eq!(acme.get(STRIPE).await.ok()["status"], "available");
    assert_eq!((world.secrets_of("acme").await, events(&acme).await), (vec![], 0));
    acme.get(OWN).await.assert_refused(404, "integration_not_found", "Integration not found");
    let first = keyed.post(INSTALL, &values()).await;
    assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (200, None));
}

#[tokio::test]
async fn that_nothing_was_to_be_done_is_on_record_too() {
    let world = World::start().await;
    let acme = world.account("acme");
    let uninstall = format!("{STRIPE}/uninstall");
    let keyed = with_key(&acme, "k");
    assert_eq!(keyed.post(&uninstall, &Value::Null).await.ok()["changed"], false);
    acme.post(INSTALL, &values()).await.ok();
    // The same request once more, late: it must not undo the install.
    let late = keyed.post(&uninstall, &Value::Null).await;
    assert_eq!((late.header(REPLAYED), &late.ok()["changed"]), (Some("true"), &json!(false)));
    assert_eq!(late.ok()["integration"]["status"], "installed");
    assert_eq!(acme.get(STRIPE).await.ok()["status"], "installed");
}

#[tokio::test]
async fn the_record_holds_neither_body_nor_a_digest_that_guesses_could_be_tried_on() {
    let world = World::start().await;
    for account in ["acme", "other"] {
        with_key(&world.account(account), "k").post(INSTALL, &values()).await.ok();
    }
    let rows = receipts(&world).await;
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0].digest, rows[1].digest, "of the same body, under the data keys of two accounts");
    for row in &rows {
        assert_eq!((row.operation.as_str(), row.key_id, row.changed), ("installIntegration", 1, true));
        let text = format!("{row:?}");
        assert!(!text.contains("CANARY") && !text.contains("2024-06-20"), "{text}");
    }
    // Without the data key nothing can be compared, and nobody is told that it is the same.
    world.sql("UPDATE idempotency_keys SET key_id = 99 WHERE account_id = 'acme'").await;
    assert_reused(&with_key(&world.account("acme"), "k").post(INSTALL, &values()).await);
}

#[tokio::test]
async fn after_a_day_a_key_is_as_good_as_new_and_its_record_is_deleted() {
    let world = World::start().await;
    let (acme, other) = (world.account("acme"), world.account("other"));
    for client in [&acme, &other] {
        with_key(client, "k").post(INSTALL, &values()).await.ok();
    }
    with_key(&other, "young").post(INSTALL, &values()).await.ok();
    let db = world.connect().await;
    for age in [23, 25] {
        let then = chrono::Utc::now() - chrono::TimeDelta::hours(age);
        use sea_orm::{ColumnTrait, QueryFilter, sea_query::Expr};
        idempotency_key::Entity::update_many()
            .col_expr(idempotency_key::Column::CreatedAt, Expr::value(then))
            .filter(idempotency_key::Column::Key.eq("k"))
            .exec(&db)
            .await
            .expect("aged");
        let answer = with_key(&acme, "k").post(INSTALL, &json!({"params": {}})).await;
        match age {
            23 => assert_reused(&answer),
            _ => assert_eq!((answer.status.as_u16(), answer.header(REPLAYED)), (200, None)),
        }
    }
    db.close().await.expect("closed");
    let served = world.serve().await;
    eventually("the old one of the other account is deleted", Duration::from_secs(10), async || {
        receipts(&world).await.len() == 2
    })
    .await;
    served.stop().await;
    let left: BTreeSet<_> =
        receipts(&world).await.into_iter().map(|row| format!("{}/{}", row.account_id, row.key)).collect();
    assert_eq!(left, ["acme/k", "other/young"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_does_it_and_the_other_answers_with_what_came_of_it_or_asks_to_wait() {
    let world = World::start().await;
    let beside = World::builder().beside(&world).await;
    let clients = [world.account("acme"), beside.account("acme")];
    clients[0].post(INSTALL, &Value::Null).await.ok();
    let before = events(&clients[0]).await;
    for n in 0..10 {
        let key = format!("key-{n}");
        let sent = clients.iter().cycle().take(6).map(|client| {
            let keyed = with_key(client, &key);
            tokio::spawn(async move { keyed.post(INSTALL, &values()).await })
        });
        let mut done = 0;
        for sent in sent.collect::<Vec<_>>() {
            let answer = sent.await.expect("sent");
            match (answer.status.as_u16(), answer.header(REPLAYED)) {
                (200, None) => done += 1,
                (200, Some("true")) | (409, None) => {}
                other => panic!("{other:?}: {}", answer.text()),
            }
        }
        assert_eq!(done, 1, "round {n}");
    }
    assert_eq!(events(&clients[0]).await, before + 10);
}

#[tokio::test]
async fn a_request_that_made_an_api_key_makes_no_second_one_and_says_which_it_was() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let keys = "/api/v1/api-keys";
    let count = async || acme.get(keys).await.ok()["api_keys"].as_array().expect("keys").len();
    // The events of a key for all accounts belong to none of them; the record of the request is acme's all the same.
    for (name, all_accounts) in [("worker", false), ("agent", true)] {
        let wish = json!({"name": name, "scopes": ["catalog:read"], "all_accounts": all_accounts});
        let keyed = with_key(&acme, name);
        let made = keyed.post(keys, &wish).await;
        assert_eq!(made.status.as_u16(), 201, "{}", made.text());
        let made = made.json();
        let public_id = made["api_key"]["public_id"].as_str().expect("an id");
        let before = count().await;
        let sentence = format!(
            "This request made the API key {public_id} before, which is shown once: revoke it, and ask for another with a \
             new idempotency key"
        );
        keyed.post(keys, &wish).await.assert_refused(409, "api_key_shown_before", &sentence);
        let revoke = format!("{keys}/{public_id}/revoke");
        for replayed in [None, Some("true")] {
            assert_eq!(with_key(&acme, &revoke).post(&revoke, &Value::Null).await.header(REPLAYED), replayed);
        }
        assert_reused(&keyed.post(keys, &json!({"name": "other", "scopes": ["catalog:read"]})).await);
        assert_eq!(count().await, before);
    }
    assert!(receipts(&world).await.iter().all(|row| row.account_id == "acme"));
}

#[tokio::test]
async fn another_actor_cannot_repeat_a_request() {
    let world = World::with(&[("auth.mode", "open")]).await;
    let [zoe, tom] = ["zoe", "tom"].map(|actor| world.account("acme").header("x-actor-id", actor));
    with_key(&zoe, "k").post(INSTALL, &values()).await.ok();
    for other in [&tom, &world.account("acme")] {
        assert_reused(&with_key(other, "k").post(INSTALL, &values()).await);
    }
    assert_eq!(with_key(&zoe, "k").post(INSTALL, &values()).await.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn an_idempotency_record_shows_no_invisible_api_key() {
    let world = access::world().await;
    let all = access::holder(&world, &access::key(&world, &["admin"], &[]).await, Some("acme"));
    let narrow = access::holder(&world, &access::key(&world, &["keys:write"], &["acme"]).await, Some("acme"));
    let several = access::key(&world, &["catalog:read"], &["acme", "globex"]).await;
    let path = format!("/api/v1/api-keys/{}/revoke", several.key.public_id);
    for replayed in [None, Some("true")] {
        let revoked = with_key(&all, "revoke").post(&path, &Value::Null).await;
        assert_eq!((revoked.status.as_u16(), revoked.header(REPLAYED)), (200, replayed));
    }
    for client in [narrow.clone(), with_key(&narrow, "revoke"), with_key(&narrow, "other")] {
        client.post(&path, &Value::Null).await.assert_refused(404, "api_key_not_found", "API key not found");
    }
    let wish = json!({"name": "x", "scopes": ["admin"]});
    assert_eq!(with_key(&all, "make").post("/api/v1/api-keys", &wish).await.status.as_u16(), 201);
    let refused = with_key(&narrow, "make").post("/api/v1/api-keys", &wish).await;
    assert_eq!((refused.status.as_u16(), refused.error_code()), (403, "forbidden"), "{}", refused.text());
}

#[tokio::test]
async fn an_integrations_name_and_id_make_one_request() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let id = acme.get(STRIPE).await.ok()["id"].as_str().expect("an id").to_owned();
    with_key(&acme, "k").post(INSTALL, &values()).await.ok();
    for path in [format!("{LIST}/{id}/install"), format!("{LIST}/{}/install", id.to_uppercase())] {
        assert_eq!(with_key(&acme, "k").post(&path, &values()).await.header(REPLAYED), Some("true"), "{path}");
    }
    let own = acme.post(LIST, &billing("Ours.")).await.json()["id"].as_str().expect("an id").to_owned();
    let deleting = with_key(&acme, "d");
    for (path, replayed) in
        [(OWN.to_owned(), None), (OWN.to_owned(), Some("true")), (format!("{LIST}/{own}"), Some("true"))]
    {
        let deleted = send(&deleting, "DELETE", &path, &Value::Null).await;
        assert_eq!((deleted.status.as_u16(), deleted.header(REPLAYED)), (204, replayed), "{path}: {}", deleted.text());
    }
    assert_reused(&send(&deleting, "DELETE", &format!("{LIST}/no_such_name"), &Value::Null).await);
}

/// The UUID and the public id of a new API key.
async fn create_api_key(client: &Client) -> [String; 2] {
    let made = client.post("/api/v1/api-keys", &json!({"name": "n", "scopes": ["catalog:read"]})).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    let made = made.json();
    ["id", "public_id"].map(|field| made["api_key"][field].as_str().expect("an id").to_owned())
}

fn revoke_path(named: &str) -> String {
    format!("/api/v1/api-keys/{named}/revoke")
}

#[tokio::test]
async fn both_ids_of_an_api_key_make_one_request() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let [id, public_id] = create_api_key(&acme).await;
    let keyed = with_key(&acme, "r1");
    for (named, replayed) in
        [(&public_id, None), (&id, Some("true")), (&id.to_uppercase(), Some("true")), (&public_id, Some("true"))]
    {
        let revoked = keyed.post(&revoke_path(named), &Value::Null).await;
        let answer = (revoked.status.as_u16(), revoked.header(REPLAYED));
        assert_eq!(answer, (200, replayed), "{named}: {}", revoked.text());
    }
    let document = "mutation($input: RevokeApiKeyInput!) {
        done: revokeApiKey(input: $input) { replayed userErrors { message } } }";
    for named in [&id, &public_id] {
        let input = json!({"input": {"id": named, "idempotencyKey": "r1"}});
        let done = acme.graphql(document, input).await.data()["done"].clone();
        assert_eq!(done, json!({"replayed": true, "userErrors": []}), "{named}");
    }
    let [other, _] = create_api_key(&acme).await;
    assert_reused(&keyed.post(&revoke_path(&other), &Value::Null).await);
}

/// Writes the record that version 0.1 left of a request with the key `old`.
async fn insert_record_of_version_0_1(world: &World, operation: &str, content: &str, subject: &str) {
    let row = idempotency_key::ActiveModel {
        account_id: Set("acme".into()),
        key: Set("old".into()),
        operation: Set(operation.into()),
        digest: Set(Sha256::digest(format!("acme{content}")).to_vec()),
        key_id: Set(0),
        subject: Set(subject.parse().expect("UUID")),
        changed: Set(true),
        created_at: Set(chrono::Utc::now()),
    };
    let db = world.connect().await;
    idempotency_key::Entity::insert(row).exec_without_returning(&db).await.expect("inserted");
    db.close().await.expect("closed");
}

#[tokio::test]
async fn a_revocation_on_record_of_version_0_1_is_replayed() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let [id, public_id] = create_api_key(&acme).await;
    insert_record_of_version_0_1(&world, "revokeApiKey", &format!("\"{public_id}\""), &id).await;
    let again = with_key(&acme, "old").post(&revoke_path(&public_id), &Value::Null).await;
    assert_eq!((again.status.as_u16(), again.header(REPLAYED)), (200, Some("true")), "{}", again.text());
    let [other, _] = create_api_key(&acme).await;
    assert_reused(&with_key(&acme, "old").post(&revoke_path(&other), &Value::Null).await);
}

#[tokio::test]
async fn a_record_of_version_0_1_is_replayed() {
    let world = World::start().await;
    let acme = world.account("acme");
    let id = acme.get(STRIPE).await.ok()["id"].as_str().expect("an id").to_owned();
    insert_record_of_version_0_1(&world, "uninstallIntegration", "\"name:stripe\"", &id).await;
    let keyed = with_key(&acme, "old");
    let again = keyed.post("/api/v1/integrations/stripe/uninstall", &Value::Null).await;
    assert_eq!((again.header(REPLAYED), &again.ok()["changed"]), (Some("true"), &json!(true)));
    assert_reused(&keyed.post("/api/v1/integrations/slack/uninstall", &Value::Null).await);
}
