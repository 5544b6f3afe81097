//! Catalog entries of an account's own: made, changed, installed, deprecated and deleted, and seen by nobody else.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use patchbay::domain::limits::OWN_ENTRIES;
use serde_json::{Value, json};

use crate::support::{Answer, Client, World};

const LIST: &str = "/api/v1/integrations";
pub const OWN: &str = "/api/v1/integrations/acme_billing";
const PROBLEM: &str = "application/problem+json";

pub fn billing() -> Value {
    json!({
        "name": "acme_billing", "display_name": "Acme Billing", "description": "Our own invoices.",
        "category": "accounting", "tags": ["invoices"],
        "auth": [{"kind": "bearer", "placements": [
            {"in": "header", "header_name": "Authorization", "prefix": "Bearer ", "field": "api_key"}]}],
        "params": [{"name": "site", "label": "Site", "type": "string", "pattern": "^[a-z]+$", "order": 1}],
        "secrets": [{"name": "api_key", "label": "API key", "type": "string", "pattern": "^ab_", "required": true, "order": 2}],
        "http": {"base_url": "https://billing.acme.example", "allowed_hosts": ["billing.acme.example"],
                 "verify": {"method": "GET", "path": "/me", "expect_status": 200}}
    })
}

async fn create(client: &Client, definition: &Value) -> Answer {
    client.post(LIST, definition).await
}

async fn created(client: &Client, definition: &Value) -> Value {
    let answer = create(client, definition).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text());
    answer.json()
}

pub async fn put(client: &Client, path: &str, definition: &Value) -> Answer {
    client
        .clone()
        .header("content-type", "application/json")
        .send(Method::PUT, path, Body::from(definition.to_string()))
        .await
}

pub async fn delete(client: &Client, path: &str) -> Answer {
    client.send(Method::DELETE, path, Body::empty()).await
}

async fn total(client: &Client, query: &str) -> u64 {
    client.get(&format!("{LIST}?{query}")).await.ok()["total"].as_u64().expect("a number")
}

#[tokio::test]
async fn an_entry_of_ones_own_is_like_any_other_to_its_account_and_is_not_there_for_others() {
    let world = World::start().await;
    let (acme, other) = (world.account("acme"), world.account("other"));
    let before = total(&acme, "").await;
    let answer = create(&acme, &billing()).await;
    let made = answer.json();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("location"), Some(&*format!("{LIST}/{id}")));
    assert_eq!(id.as_bytes()[14], b'7', "a UUIDv7: {id}");
    assert_eq!((&made["is_custom"], &made["state"]), (&json!(true), &json!("active")));
    assert_eq!(made, acme.get(OWN).await.ok());
    assert_eq!(made, acme.get(&format!("{LIST}/{id}")).await.ok());
    let mut definition = acme.get(&format!("{OWN}/definition")).await.ok();
    assert_eq!(definition, billing());

    assert_eq!(total(&acme, "").await, before + 1);
    for query in
        ["search=acme+billing", "tag=invoices&search=own", "category=accounting&search=acme_b", "search=acme+biling"]
    {
        assert_eq!(total(&acme, query).await, 1, "{query}");
        assert_eq!(total(&other, query).await, 0, "{query}");
    }
    let counts = acme.get(LIST).await.ok()["category_counts"]["accounting"].as_u64();
    assert_eq!(counts, other.get(LIST).await.ok()["category_counts"]["accounting"].as_u64().map(|n| n + 1));

    let bad = json!({"params": {"site": "ONE"}, "secrets": {"api_key": "xx_CANARY"}});
    let refused = acme.clone().header("accept", PROBLEM).post(&format!("{OWN}/install"), &bad).await;
    assert_eq!(refused.status.as_u16(), 422);
    let places: Vec<_> =
        refused.json()["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(places, [json!("/params/site"), json!("/secrets/api_key")]);
    let good = json!({"params": {"site": "one"}, "secrets": {"api_key": "ab_CANARY"}});
    let installed = acme.post(&format!("{OWN}/install"), &good).await.ok();
    assert_eq!((&installed["integration"]["status"], &installed["changed"]), (&json!("installed"), &json!(true)));
    assert_eq!(total(&acme, "status=installed").await, 1);

    // Nobody else can tell it from one that never was.
    for path in [OWN.to_owned(), format!("{LIST}/{id}"), format!("{OWN}/definition")] {
        other.get(&path).await.assert_refused(404, "integration_not_found", "Integration not found");
    }
    for verb in ["install", "uninstall", "purge", "validate", "deprecate", "secrets/read"] {
        let answer = other.post(&format!("{LIST}/{id}/{verb}"), &json!({})).await;
        assert!([403, 404].contains(&answer.status.as_u16()), "{verb}: {}", answer.text());
    }
    assert_eq!(put(&other, OWN, &billing()).await.status.as_u16(), 404);
    assert_eq!(delete(&other, &format!("{OWN}?force=true")).await.status.as_u16(), 404);
    assert_eq!(acme.get(OWN).await.ok()["status"], "installed");
    // And may have the same name for one of its own.
    definition["display_name"] = json!("Other Billing");
    assert_ne!(created(&other, &definition).await["id"], json!(id));
    assert_eq!(acme.get(OWN).await.ok()["display_name"], "Acme Billing");
}

#[tokio::test]
async fn an_update_changes_the_form_and_leaves_what_is_stored() {
    let world = World::start().await;
    let acme = world.account("acme");
    let made = created(&acme, &billing()).await;
    let values = json!({"params": {"site": "one"}, "secrets": {"api_key": "ab_CANARY"}});
    acme.post(&format!("{OWN}/install"), &values).await.ok();
    let sealed = world.secrets_of("acme").await;
    let mut changed = billing();
    changed["secrets"][0]["pattern"] = json!("^cd_");
    changed["params"]
        .as_array_mut()
        .expect("params")
        .push(json!({"name": "region", "label": "Region", "type": "string", "required": true}));
    let updated = put(&acme, OWN, &changed).await.ok();
    assert_eq!((&updated["id"], &updated["missing_fields"]), (&made["id"], &json!(["params.region"])));
    assert_eq!((&updated["params"], &updated["secret_names"]), (&json!({"site": "one"}), &json!(["api_key"])));
    assert_eq!(world.secrets_of("acme").await, sealed);
    let refused = acme.post(&format!("{OWN}/install"), &json!({"secrets": {"api_key": "ab_CANARY"}})).await;
    refused.assert_refused(422, "secrets_invalid", "secrets.api_key: must match ^cd_");
    let again = put(&acme, OWN, &changed).await.ok();
    assert_eq!(again, updated, "the same once more changes nothing");
    for (name, sentence) in [
        ("other_name", "/name cannot be changed: delete the entry, and create another"),
        ("stripe", "/name cannot be changed: delete the entry, and create another"),
    ] {
        let mut renamed = billing();
        renamed["name"] = json!(name);
        put(&acme, OWN, &renamed).await.assert_refused(422, "definition_invalid", sentence);
    }
}

#[tokio::test]
async fn what_is_deprecated_goes_on_where_it_is_installed_and_is_not_installed_anew() {
    let world = World::start().await;
    let acme = world.account("acme");
    created(&acme, &billing()).await;
    acme.post(&format!("{OWN}/install"), &json!({})).await.ok();
    for _ in 0..2 {
        let deprecated = acme.post(&format!("{OWN}/deprecate"), &json!(null)).await.ok();
        assert_eq!((&deprecated["state"], &deprecated["status"]), (&json!("deprecated"), &json!("installed")));
    }
    acme.post(&format!("{OWN}/install"), &json!({"params": {"site": "one"}})).await.ok();
    acme.post(&format!("{OWN}/uninstall"), &json!(null)).await.ok();
    let sentence = "Integration is deprecated: it cannot be installed anew";
    acme.post(&format!("{OWN}/install"), &json!({})).await.assert_refused(409, "integration_deprecated", sentence);
    let mutation = r#"mutation { installIntegration(input: {integration: {name: "acme_billing"}}) { changed userErrors { code } } }"#;
    let told = acme.graphql(mutation, json!({})).await.data();
    assert_eq!(told["installIntegration"]["userErrors"][0]["code"], "INTEGRATION_DEPRECATED");
    put(&acme, OWN, &billing()).await.ok();
    acme.post(&format!("{OWN}/install"), &json!({})).await.ok();
}

#[tokio::test]
async fn what_is_installed_is_deleted_by_force_alone_and_a_name_is_never_used_again() {
    let world = World::start().await;
    let acme = world.account("acme");
    let id = created(&acme, &billing()).await["id"].clone();
    acme.post(&format!("{OWN}/install"), &json!({"secrets": {"api_key": "ab_CANARY"}})).await.ok();
    let sentence = "Integration is installed: uninstall it first, or delete it with force";
    delete(&acme, OWN).await.assert_refused(409, "integration_installed", sentence);
    delete(&acme, &format!("{OWN}?force=no")).await.assert_refused(
        400,
        "bad_user_input",
        "force must be true or false",
    );
    assert_eq!(world.secrets_of("acme").await.len(), 1);
    let gone = delete(&acme, &format!("{OWN}?force=true")).await;
    assert_eq!((gone.status.as_u16(), gone.text()), (204, String::new()));
    assert!(world.secrets_of("acme").await.is_empty());
    for path in [OWN.to_owned(), format!("{LIST}/{}", id.as_str().expect("an id"))] {
        acme.get(&path).await.assert_refused(404, "integration_not_found", "Integration not found");
        assert_eq!(delete(&acme, &path).await.status.as_u16(), 404);
    }
    assert_eq!(total(&acme, "status=installed").await, 0);
    let sentence = "name: the account used it before, and names are never used again: choose another";
    create(&acme, &billing()).await.assert_refused(409, "name_taken", sentence);
    let log = acme.get("/api/v1/events").await.ok();
    let log: Vec<_> = log["events"].as_array().expect("events").iter().map(|event| &event["action"]).collect();
    assert_eq!(log, ["integration.deleted", "installation.installed", "integration.created"]);
}

#[tokio::test]
async fn every_mistake_of_a_definition_is_told_and_nothing_is_stored() {
    let world = World::start().await;
    let acme = world.account("acme").header("accept", PROBLEM);
    let mut wrong = billing();
    wrong["name"] = json!("Acme");
    wrong["colour"] = json!("red");
    wrong["category"] = json!("games");
    wrong["params"][0]["pattern"] = json!("[a-z]+");
    wrong["http"]["allowed_hosts"] = json!(["other.example"]);
    let refused = create(&acme, &wrong).await;
    assert_eq!((refused.status.as_u16(), refused.error_code()), (422, "definition_invalid"));
    let problem = refused.json();
    let places: BTreeSet<_> =
        problem["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].as_str().expect("text")).collect();
    assert_eq!(places, ["/category", "/colour", "/http/allowed_hosts", "/name", "/params/0/pattern"].into());
    let graphql = "mutation($d: JSONObject!) { createIntegration(input: {definition: $d}) {
        integration { id } userErrors { pointer code } } }";
    let told = acme.graphql(graphql, json!({"d": wrong})).await.data()["createIntegration"].clone();
    let same: BTreeSet<_> =
        told["userErrors"].as_array().expect("errors").iter().map(|e| e["pointer"].as_str().expect("text")).collect();
    assert_eq!((same, &told["integration"]), (places, &json!(null)));
    let mut taken = billing();
    taken["name"] = json!("stripe");
    let refused = create(&acme, &taken).await.json();
    assert_eq!(
        refused["errors"],
        json!([{"pointer": "/name", "detail": "is a name of the shared catalog: choose another"}])
    );
    let mut with_nul = billing();
    with_nul["secrets"][0]["default"] = json!("a\0b");
    let refused = create(&acme, &with_nul).await.json();
    let detail = "must not contain U+0000: control, bidirectional and zero-width characters are refused";
    let problem = json!([{"pointer": "/secrets/0/default", "detail": detail}]);
    assert_eq!(refused["errors"], problem);
    let mut huge = billing();
    huge["params"] =
        (0..400).map(|n| json!({"name": format!("p{n}"), "label": "x".repeat(200), "type": "string"})).collect();
    let refused = create(&acme, &huge).await.json();
    assert_eq!(refused["errors"], json!([{"pointer": "", "detail": "is larger than 65536 bytes"}]));
    for body in ["", "null", "[]", "7"] {
        let answer =
            acme.clone().header("content-type", "application/json").send(Method::POST, LIST, Body::from(body)).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}");
    }
    assert_eq!(world.account("acme").get("/api/v1/events").await.ok()["events"], json!([]));
    assert!(world.rows_of("acme").await.to_string().len() < 100, "nothing");
}

#[tokio::test]
async fn the_shared_catalog_is_not_an_accounts_to_change() {
    let world = World::start().await;
    let acme = world.account("acme");
    let sentence = "The integration belongs to the shared catalog: the operator alone can change it";
    let stripe = acme.get(&format!("{LIST}/stripe/definition")).await.ok();
    assert_eq!((&stripe["name"], &stripe["secrets"][0]["name"]), (&json!("stripe"), &json!("api_key")));
    put(&acme, &format!("{LIST}/stripe"), &stripe).await.assert_refused(409, "integration_not_own", sentence);
    delete(&acme, &format!("{LIST}/stripe?force=true")).await.assert_refused(409, "integration_not_own", sentence);
    let answer = acme.post(&format!("{LIST}/stripe/deprecate"), &json!({})).await;
    answer.assert_refused(409, "integration_not_own", sentence);
    assert_eq!(acme.get(&format!("{LIST}/stripe")).await.ok()["state"], "active");
}

#[tokio::test]
async fn the_same_is_done_over_graphql() {
    let world = World::start().await;
    let acme = world.account("acme");
    let ask = async |document: &str, variables: Value| acme.graphql(document, variables).await.data();
    let made = ask(
        "mutation($d: JSONObject!) { createIntegration(input: {definition: $d}) {
            integration { id name isCustom state fields { name secret } } userErrors { code } } }",
        json!({"d": billing()}),
    )
    .await["createIntegration"]
        .clone();
    assert_eq!(made["userErrors"], json!([]));
    assert_eq!(
        made["integration"]["fields"],
        json!([{"name": "site", "secret": false}, {"name": "api_key", "secret": true}])
    );
    let definition = ask(r#"{ integrationDefinition(by: {name: "acme_billing"}) }"#, json!({})).await;
    assert_eq!(definition["integrationDefinition"], billing());
    let by_node = ask(
        "query($id: ID!) { node(id: $id) { ... on Integration { isCustom } } }",
        json!({"id": made["integration"]["id"]}),
    )
    .await;
    assert_eq!(by_node["node"]["isCustom"], true);
    let mut changed = billing();
    changed["display_name"] = json!("Renamed");
    let updated = ask(
        r#"mutation($d: JSONObject!) { updateIntegration(input: {integration: {name: "acme_billing"}, definition: $d}) {
            integration { displayName } userErrors { code } } }"#,
        json!({"d": changed}),
    )
    .await;
    assert_eq!(updated["updateIntegration"]["integration"]["displayName"], "Renamed");
    let deprecated = ask(
        r#"mutation { deprecateIntegration(input: {integration: {name: "acme_billing"}}) { integration { state } } }"#,
        json!({}),
    )
    .await;
    assert_eq!(deprecated["deprecateIntegration"]["integration"]["state"], "DEPRECATED");
    let delete = r#"mutation { deleteIntegration(input: {integration: {name: "acme_billing"}}) { deletedId userErrors { code } } }"#;
    assert_eq!(ask(delete, json!({})).await["deleteIntegration"]["deletedId"], made["integration"]["id"]);
    let again = ask(delete, json!({})).await["deleteIntegration"].clone();
    assert_eq!(again["userErrors"][0]["code"], "INTEGRATION_NOT_FOUND");
    assert_eq!(
        ask(r#"{ integrationDefinition(by: {name: "acme_billing"}) }"#, json!({})).await["integrationDefinition"],
        json!(null)
    );
}

#[tokio::test]
async fn another_replica_sees_each_change_with_its_next_request() {
    let world = World::start().await;
    let replica = World::builder().beside(&world).await;
    let (here, there) = (world.account("acme"), replica.account("acme"));
    assert_eq!(there.get(OWN).await.status.as_u16(), 404);
    created(&here, &billing()).await;
    there.get(OWN).await.ok();
    there.post(&format!("{OWN}/install"), &json!({"params": {"site": "one"}})).await.ok();
    let mut changed = billing();
    changed["params"][0]["pattern"] = json!("^two$");
    put(&here, OWN, &changed).await.ok();
    let refused = there.post(&format!("{OWN}/install"), &json!({"params": {"site": "one"}})).await;
    refused.assert_refused(422, "params_invalid", "params.site: must match ^two$");
    assert_eq!(delete(&there, &format!("{OWN}?force=true")).await.status.as_u16(), 204);
    assert_eq!(here.get(OWN).await.status.as_u16(), 404);
}

#[tokio::test]
async fn an_etag_ends_with_a_change_of_the_own_catalog() {
    let world = World::start().await;
    let acme = world.account("acme");
    created(&acme, &billing()).await;
    for path in [LIST, OWN] {
        let tag = acme.get(path).await.header("etag").expect("a tag").to_owned();
        let known = acme.clone().header("if-none-match", &tag);
        assert_eq!(known.get(path).await.status.as_u16(), 304, "{path}");
        let mut changed = billing();
        changed["description"] = json!(format!("Changed for {path}."));
        put(&acme, OWN, &changed).await.ok();
        assert_eq!(known.get(path).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_take_one_name_at_once_one_gets_it() {
    let world = World::start().await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let acme = world.account("acme");
            tokio::spawn(async move { create(&acme, &billing()).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.expect("answered"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(total(&world.account("acme"), "search=acme_billing").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_install_beside_a_deletion_leaves_nothing_of_what_is_gone() {
    let world = World::start().await;
    for round in 0..20 {
        let acme = world.account(&format!("acme-{round}"));
        created(&acme, &billing()).await;
        let installing = tokio::spawn({
            let acme = acme.clone();
            async move { acme.post(&format!("{OWN}/install"), &json!({"params": {"site": "one"}})).await.status.as_u16() }
        });
        let deleted = delete(&acme, &format!("{OWN}?force=true")).await.status.as_u16();
        let installed = installing.await.expect("answered");
        assert!(deleted == 204 && [200, 404].contains(&installed), "{deleted} {installed}");
        assert_eq!(total(&acme, "status=installed").await, 0);
    }
    let db = world.connect().await;
    let left = <entity::installation::Entity as sea_orm::EntityTrait>::find().all(&db).await.expect("rows");
    db.close().await.expect("closed");
    assert_eq!(left, []);
}

#[tokio::test]
async fn an_account_has_so_many_entries_of_its_own_and_no_more() {
    let world = World::start().await;
    let acme = world.account("acme");
    let named = |n: u64| {
        let mut definition = billing();
        definition["name"] = json!(format!("own_{n}"));
        definition
    };
    for n in 0..OWN_ENTRIES {
        created(&acme, &named(n)).await;
    }
    let sentence = format!("The account has {OWN_ENTRIES} entries of its own, the most it may have: delete one first");
    create(&acme, &named(OWN_ENTRIES)).await.assert_refused(409, "too_many_entries", &sentence);
    assert_eq!(delete(&acme, &format!("{LIST}/own_7")).await.status.as_u16(), 204);
    created(&acme, &named(OWN_ENTRIES)).await;
}

#[tokio::test]
async fn an_own_entry_keeps_its_name_when_the_shared_catalog_takes_it_later() {
    let world = World::start().await;
    let acme = world.account("acme");
    let mut own = billing();
    own["name"] = json!("stripe_two");
    let id = created(&acme, &own).await["id"].clone();
    world.sql("UPDATE integrations SET name = 'stripe_two' WHERE name = 'stripe'").await;
    world.sql("UPDATE catalog_revisions SET revision = revision + 1").await;
    let other = world.account("other");
    let path = format!("{LIST}/stripe_two");
    world.app.services().refresh_catalog().await.expect("read again");
    assert_eq!(acme.get(&path).await.ok()["id"], id);
    let shared = other.get(&path).await.ok()["id"].as_str().expect("an id").to_owned();
    assert_eq!(acme.get(&format!("{LIST}/{shared}")).await.ok()["is_custom"], false);
}

#[tokio::test]
async fn a_shredded_account_has_no_entries_of_its_own_on_any_replica() {
    let world = World::start().await;
    let replica = World::builder().beside(&world).await;
    created(&world.account("acme"), &billing()).await;
    replica.account("acme").get(OWN).await.ok();
    let account = crate::support::account_id("acme");
    let (shredded, _) = world.app.services().keys().shred(&account, &crate::support::call()).await.expect("shredded");
    assert_eq!(shredded.entries, 1);
    for world in [&world, &replica] {
        assert_eq!(world.account("acme").get(OWN).await.status.as_u16(), 404);
    }
}
