//! GraphQL: sections 3 and 6 of the contract.

mod attacks;
mod connection;
mod errors;
mod http;
mod limits;
mod mutation;
mod poison;
mod properties;
mod query;
mod quoting;
mod repeats;
mod root_fields;
mod schema;
mod selections;
pub mod socket;
mod strictness;
mod subscription;

use serde_json::{Value, json};

use crate::support::{Answer, Client, World};

pub const INSTALL: &str = "mutation($input: InstallIntegrationInput!) {
    installIntegration(input: $input) {
        changed userErrors { message field code } integration { id name status params secretNames installedAt updatedAt }
    }
}";

pub const UNINSTALL: &str = "mutation($input: UninstallIntegrationInput!) {
    uninstallIntegration(input: $input) {
        changed userErrors { message field code } integration { id name status params secretNames installedAt updatedAt }
    }
}";

/// Installs by name; the payload.
pub async fn install(client: &Client, name: &str, supplied: Value) -> Value {
    let mut input = json!({"integration": {"name": name}});
    for (part, value) in supplied.as_object().expect("an object") {
        input[part] = value.clone();
    }
    client.graphql(INSTALL, json!({"input": input})).await.data()["installIntegration"].take()
}

/// The errors of an answer, each of which must name the request and a code.
pub fn errors(answer: &Answer) -> Vec<Value> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    for error in &errors {
        assert_eq!(error["extensions"]["requestId"].as_str(), answer.header("x-request-id"), "{error}");
        assert!(error["extensions"]["code"].is_string(), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
    errors
}

/// Asserts that nothing ran: a status, one code, GraphQL JSON without `data`.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.graphql_code().as_str()), (status, code), "{}", answer.text());
    assert!(
        ["application/json", "application/graphql-response+json"].contains(&answer.content_type()),
        "{}",
        answer.content_type()
    );
    assert!(!errors(answer).is_empty());
    assert_eq!(answer.json().get("data"), None, "{}", answer.text());
    assert_quotes_nothing(answer);
}

/// Asserts that one field failed, at the top: a 200 with its code and path.
#[track_caller]
pub fn assert_field_failed(answer: &Answer, field: &str, code: &str) {
    let errors = errors(answer);
    let error = errors.iter().find(|error| error["path"][0] == field);
    let error = error.unwrap_or_else(|| panic!("{field} did not fail: {}", answer.text()));
    assert_eq!((answer.status.as_u16(), error["extensions"]["code"].as_str()), (200, Some(code)), "{error}");
}

/// Asserts that no error holds a word of ours. Its path may: that is made of the answer's own keys.
#[track_caller]
pub fn assert_quotes_nothing(answer: &Answer) {
    for mut error in errors(answer) {
        error.as_object_mut().expect("an object").remove("path");
        let text = error.to_string();
        assert!(!text.to_uppercase().contains("CANARY"), "{text}");
    }
}

/// A world with one account.
pub async fn acme() -> (World, Client) {
    let world = World::start().await;
    let acme = world.account("acme");
    (world, acme)
}
