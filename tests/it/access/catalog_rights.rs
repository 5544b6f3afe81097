//! What a key for the catalog alone reaches of installations: nothing.

use serde_json::{Value, json};

use super::{holder, key, world};
use crate::own_entries::{OWN, billing, delete, put};
use crate::support::{Client, World};

const LIST: &str = "/api/v1/integrations";
const CATALOG: &str = "The credentials lack the scope installations:write";
const PURGE: &str = "The credentials lack the scope secrets:purge";

async fn client(world: &World, scopes: &[&str]) -> Client {
    holder(world, &key(world, scopes, &["acme"]).await, None)
}

/// An own entry, installed with params and a secret unless it is only to be there.
async fn with_entry(is_installed: bool) -> (World, Client) {
    let world = world().await;
    let admin = client(&world, &["admin"]).await;
    assert_eq!(admin.post(LIST, &billing()).await.status.as_u16(), 201);
    if is_installed {
        let values = json!({"params": {"site": "one"}, "secrets": {"api_key": "ab_CANARY"}});
        admin.post(&format!("{OWN}/install"), &values).await.ok();
    }
    (world, admin)
}

fn definition_with(key: &str, value: Value) -> Value {
    let mut definition = billing();
    definition[key] = value;
    definition
}

fn redirected() -> Value {
    let mut definition = billing();
    definition["http"]["base_url"] = json!("https://attacker.example");
    definition["http"]["allowed_hosts"] = json!(["attacker.example"]);
    definition
}

/// The same update over GraphQL: the error's code and message.
async fn update_over_graphql(client: &Client, definition: &Value) -> Value {
    let document = "mutation($definition: JSONObject!) { updateIntegration(input: {integration: {name: \"acme_billing\"}, \
        definition: $definition}) { integration { params secretNames installedAt status } userErrors { code } } }";
    client.graphql(document, json!({"definition": definition})).await.json()
}

#[tokio::test]
async fn catalog_write_changes_no_request_of_an_installation() {
    let (world, admin) = with_entry(true).await;
    let catalog = client(&world, &["catalog:write", "catalog:read"]).await;
    let mut auth = billing()["auth"].clone();
    auth[0]["placements"][0]["header_name"] = json!("X-Elsewhere");
    // As a param, the next key would be stored and shown in clear.
    let mut in_clear = billing();
    let mut field = in_clear["secrets"].as_array_mut().expect("a list").remove(0);
    field["plain_because"] = json!("It is not.");
    in_clear["params"].as_array_mut().expect("a list").push(field);
    for definition in [redirected(), definition_with("auth", auth.clone()), in_clear] {
        put(&catalog, OWN, &definition).await.assert_refused(403, "forbidden", CATALOG);
        let answer = update_over_graphql(&catalog, &definition).await;
        let error = &answer["errors"][0];
        assert_eq!(
            (&error["extensions"]["code"], &error["message"]),
            (&json!("FORBIDDEN"), &json!(CATALOG)),
            "{answer}"
        );
        assert_eq!(admin.get(&format!("{OWN}/definition")).await.ok(), billing(), "nothing changed");
    }
    // Kept after an uninstall is kept.
    admin.post(&format!("{OWN}/uninstall"), &Value::Null).await.ok();
    put(&catalog, OWN, &redirected()).await.assert_refused(403, "forbidden", CATALOG);
    // What only describes the entry is the catalog's.
    let described = definition_with("display_name", json!("Billing of Acme"));
    assert_eq!(put(&catalog, OWN, &described).await.ok()["display_name"], "Billing of Acme");
    let both = client(&world, &["catalog:write", "installations:write"]).await;
    put(&both, OWN, &definition_with("auth", auth)).await.ok();
    // Nothing is kept after a purge.
    admin.post(&format!("{OWN}/purge"), &Value::Null).await.ok();
    put(&catalog, OWN, &redirected()).await.ok();
    let events = admin.get("/api/v1/events?action=integration.updated").await.ok();
    let fields: Vec<_> = events["events"].as_array().expect("events").iter().map(|e| e["fields"].clone()).collect();
    assert_eq!(
        fields,
        [
            json!(["definition.auth", "definition.http"]),
            json!(["definition.auth", "definition.display_name"]),
            json!(["definition.display_name"])
        ]
    );
}

#[tokio::test]
async fn catalog_write_moves_no_name_and_takes_no_rule_of_request() {
    let (world, admin) = with_entry(true).await;
    let catalog = client(&world, &["catalog:write", "catalog:read"]).await;
    let mut sealed = billing();
    let mut site = sealed["params"].as_array_mut().expect("a list").remove(0);
    site["order"] = json!(3);
    sealed["secrets"].as_array_mut().expect("a list").push(site);
    let with_pattern = |pattern: Value| {
        let mut definition = billing();
        definition["secrets"][0]["pattern"] = pattern;
        definition
    };
    let mut without_pattern = billing();
    without_pattern["secrets"][0].as_object_mut().expect("an object").remove("pattern");
    for definition in [sealed, with_pattern(json!("^cd_")), without_pattern] {
        put(&catalog, OWN, &definition).await.assert_refused(403, "forbidden", CATALOG);
        let answer = update_over_graphql(&catalog, &definition).await;
        assert_eq!(answer["errors"][0]["message"], CATALOG, "{answer}");
        assert_eq!(admin.get(&format!("{OWN}/definition")).await.ok(), billing(), "nothing changed");
    }
    // No template and no placement names `site`, and a new name moves nothing.
    let mut free = billing();
    free["params"][0]["pattern"] = json!("^[a-z0-9]+$");
    free["secrets"].as_array_mut().expect("a list").push(json!({"name": "extra", "label": "E", "type": "string"}));
    put(&catalog, OWN, &free).await.ok();
    let both = client(&world, &["catalog:write", "installations:write"]).await;
    put(&both, OWN, &with_pattern(json!("^cd_"))).await.ok();
}

#[tokio::test]
async fn catalog_write_deletes_no_entry_with_stored_values() {
    let (world, admin) = with_entry(true).await;
    let catalog = client(&world, &["catalog:write"]).await;
    delete(&catalog, &format!("{OWN}?force=true")).await.assert_refused(403, "forbidden", PURGE);
    assert_eq!(delete(&catalog, OWN).await.status.as_u16(), 409);
    admin.post(&format!("{OWN}/uninstall"), &Value::Null).await.ok();
    delete(&catalog, OWN).await.assert_refused(403, "forbidden", PURGE);
    let document =
        "mutation { deleteIntegration(input: {integration: {name: \"acme_billing\"}, force: true}) { deletedId } }";
    let refused = catalog.graphql(document, json!({})).await;
    assert_eq!(refused.json()["errors"][0]["message"], PURGE);
    assert_eq!(admin.get(OWN).await.ok()["secret_names"], json!(["api_key"]));
    let both = client(&world, &["catalog:write", "secrets:purge"]).await;
    assert_eq!(delete(&both, &format!("{OWN}?force=true")).await.status.as_u16(), 204);
    let events = admin.get("/api/v1/events?action=integration.deleted").await.ok();
    assert_eq!(events["events"][0]["fields"], json!(["secrets.api_key", "params.site"]), "{events}");
}

#[tokio::test]
async fn catalog_write_changes_and_deletes_entry_without_installation() {
    let (world, _admin) = with_entry(false).await;
    let catalog = client(&world, &["catalog:write"]).await;
    delete(&catalog, &format!("{OWN}?force=true")).await.assert_refused(403, "forbidden", PURGE);
    put(&catalog, OWN, &redirected()).await.ok();
    assert_eq!(delete(&catalog, OWN).await.status.as_u16(), 204);
}

#[tokio::test]
async fn answers_without_installations_read_hide_what_is_stored() {
    let (world, admin) = with_entry(true).await;
    let catalog = client(&world, &["catalog:write"]).await;
    for answer in [
        put(&catalog, OWN, &billing()).await.ok(),
        put(&catalog, OWN, &definition_with("description", json!("Another sentence."))).await.ok(),
        catalog.post(&format!("{OWN}/deprecate"), &Value::Null).await.ok(),
        put(&catalog, OWN, &billing()).await.ok(),
    ] {
        assert_eq!((&answer["status"], &answer["installed_at"]), (&json!("available"), &Value::Null), "{answer}");
        assert_eq!((&answer["params"], &answer["secret_names"]), (&json!({}), &json!([])), "{answer}");
        assert_eq!(answer["missing_fields"], json!(["secrets.api_key"]), "as if it was never installed");
    }
    let over_graphql = update_over_graphql(&catalog, &billing()).await;
    let seen = json!({"params": {}, "secretNames": [], "installedAt": null, "status": "AVAILABLE"});
    assert_eq!(over_graphql["data"]["updateIntegration"]["integration"], seen);

    let writer = client(&world, &["installations:write"]).await;
    let purger = client(&world, &["secrets:purge"]).await;
    let values = json!({"params": {"site": "two"}, "secrets": {"api_key": "ab_CANARY2"}});
    let key = |name: &str| writer.clone().header("idempotency-key", name);
    for answer in [
        writer.post(&format!("{OWN}/install"), &values).await.ok(),
        writer.post(&format!("{OWN}/install"), &Value::Null).await.ok(),
        key("one").post(&format!("{OWN}/install"), &json!({"params": {"site": "three"}})).await.ok(),
        key("one").post(&format!("{OWN}/install"), &json!({"params": {"site": "three"}})).await.ok(),
        writer.post(&format!("{OWN}/uninstall"), &Value::Null).await.ok(),
        purger.post(&format!("{OWN}/purge"), &Value::Null).await.ok(),
    ] {
        let integration = &answer["integration"];
        assert_eq!((&integration["params"], &integration["secret_names"]), (&json!({}), &json!([])), "{answer}");
    }
    let document = "mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) {
        integration { status params secretNames missingFields } userErrors { code } } }";
    let mut input = values.clone();
    input["integration"] = json!({"name": "acme_billing"});
    let data = writer.graphql(document, json!({"input": input})).await.data();
    let seen = json!({"status": "INSTALLED", "params": {}, "secretNames": [], "missingFields": []});
    assert_eq!(data["installIntegration"]["integration"], seen, "missing fields are shown to installers");
    let whole = admin.get(OWN).await.ok();
    assert_eq!((&whole["params"], &whole["secret_names"]), (&json!({"site": "two"}), &json!(["api_key"])));
}

#[tokio::test]
async fn secrets_read_alone_still_reads_secrets() {
    let world = super::builder().set(&[("secrets.read_back", "true")]).start().await;
    let admin = client(&world, &["admin"]).await;
    admin.post(&format!("{LIST}/stripe/install"), &json!({"secrets": {"api_key": "sk_test_CANARY"}})).await.ok();
    let reader = client(&world, &["secrets:read"]).await;
    let read = reader.post(&format!("{LIST}/stripe/secrets/read"), &json!({})).await.ok();
    assert_eq!(read["secrets"], json!({"api_key": "sk_test_CANARY"}));
}
