//! Supplied values: blank ones, integers beyond 64 bits, values that no header carries, names that the form lacks, and how
//! much of them an account may store.

mod blanks;
mod headers;
mod integers;
mod names;
mod quota;
mod verdicts;

use serde_json::{Value, json};

use crate::support::{Client, World};

const PROBLEM: &str = "application/problem+json";
const GROQ: &str = "/api/v1/integrations/groq";
const MEETER: &str = "/api/v1/integrations/acme_meter";

/// An entry with fields of every kind, in headers and elsewhere.
fn meter() -> Value {
    let field = |name: &str, kind: &str, more: Value| {
        let mut field = json!({"name": name, "label": name, "type": kind});
        field.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        field
    };
    let header = |name: &str, field: &str| json!({"in": "header", "header_name": name, "prefix": "P ", "field": field});
    json!({
        "name": "acme_meter", "display_name": "Acme Meter", "description": "Reads meters.", "category": "analytics",
        "auth": [
            {"kind": "bearer", "placements": [header("Authorization", "api_key"), header("X-Site", "site")]},
            {"kind": "basic", "placements": [{"in": "basic_user", "field": "user"}, {"in": "basic_password", "field": "password"}]},
            {"kind": "api_key", "placements": [{"in": "body", "body_name": "key", "field": "in_body"}]},
        ],
        "params": [
            field("site", "string", json!({"required": true})),
            field("user", "string", json!({})),
            field("count", "integer", json!({})),
            field("level", "enum", json!({"enum": ["", "high"], "required": true})),
        ],
        "secrets": [
            field("api_key", "string", json!({"required": true})),
            field("password", "string", json!({})),
            field("in_body", "string", json!({})),
        ],
    })
}

/// An account that has the entry.
async fn metered(world: &World, account: &str) -> Client {
    let client = world.account(account).header("accept", PROBLEM);
    let created = client.post("/api/v1/integrations", &meter()).await;
    assert_eq!(created.status.as_u16(), 201, "{}", created.text());
    client
}

/// The payload of a mutation about this integration.
async fn graphql(client: &Client, mutation: &str, name: &str, body: &Value) -> Value {
    let kind = if mutation == "installIntegration" { "Install" } else { "Validate" };
    let kind = if kind == "Install" { "InstallIntegrationInput" } else { "ValidateInstallationInput" };
    let fields = match mutation {
        "installIntegration" => "changed unknownFields integration { missingFields secretNames params }",
        _ => "valid missingFields unknownFields",
    };
    let document = format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {fields} userErrors {{ message field pointer code }} }} }}"
    );
    let mut input = body.clone();
    input["integration"] = json!({"name": name});
    client.graphql(&document, json!({"input": input})).await.data()[mutation].take()
}
