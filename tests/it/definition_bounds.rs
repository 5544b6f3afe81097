//! Work and memory that a definition may cost, whatever it holds.

use serde_json::{Value, json};

use crate::support::{Client, World};

const LIST: &str = "/api/v1/integrations";
const PROBLEM: &str = "application/problem+json";

/// A valid definition.
fn definition() -> Value {
    json!({
        "name": "acme_billing", "display_name": "Acme Billing", "description": "Our own invoices.",
        "category": "accounting", "auth": [{"kind": "none"}],
        "params": [{"name": "a", "label": "A", "type": "string", "example": "x"}],
        "http": {"base_url": "https://x.example", "allowed_hosts": ["x.example"],
                 "verify": {"method": "GET", "path": "/", "expect_status": 200}}
    })
}

/// The pointers and messages of a refused definition, and the size of the answer.
async fn refusal(client: &Client, definition: &Value) -> (Vec<(String, String)>, usize) {
    let answer = client.clone().header("accept", PROBLEM).post(LIST, definition).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.text());
    let errors = answer.json()["errors"].as_array().cloned().expect("errors");
    let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let told = errors.iter().map(|error| (text(error, "pointer"), text(error, "detail")));
    (told.collect(), answer.text().len())
}

#[tokio::test]
async fn self_referencing_examples_do_not_multiply() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (count, example) in [(16, "{a}{a}".to_owned()), (29, "{a}{a}".to_owned()), (166, "x".repeat(3_000))] {
        let mut definition = definition();
        definition["params"][0]["example"] = json!(example);
        definition["http"]["base_url"] = json!("{a}".repeat(count));
        let (told, size) = refusal(&acme, &definition).await;
        assert!(told.iter().all(|(at, _)| at.starts_with("/http/")), "{told:?}");
        assert!(size < 2_000, "an answer of {size} bytes");
    }
}

#[tokio::test]
async fn texts_of_a_definition_have_a_maximum_length() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (pointer, limit) in [
        ("/http/base_url", 500),
        ("/http/verify/path", 500),
        ("/http/allowed_hosts/0", 253),
        ("/display_name", 100),
        ("/params/0/label", 100),
        ("/params/0/help", 500),
        ("/params/0/example", 4_000),
    ] {
        let mut definition = definition();
        definition["params"][0]["help"] = json!("");
        *definition.pointer_mut(pointer).expect("there") = json!("x".repeat(limit + 1));
        let (told, _) = refusal(&acme, &definition).await;
        let expected = (pointer.to_owned(), format!("must have at most {limit} characters"));
        assert_eq!(told, [expected], "{pointer}");
    }
}

#[tokio::test]
async fn numbers_that_the_reader_refuses_are_reported() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (key, value, expected) in
        [("order", json!(3_000_000_000_u64), "must be at most 2147483647"), ("order", json!(1.0), "no whole number")]
    {
        let mut definition = definition();
        definition["params"][0][key] = value;
        let (told, _) = refusal(&acme, &definition).await;
        assert!(told.len() == 1 && told[0].1.contains(expected), "{told:?}");
    }
}
