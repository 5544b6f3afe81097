//! The wall between accounts: what one account stores does not exist for another.
//!
//! `acme` has something in every tenant table; a stranger must be told, for every operation, exactly what an account was
//! told before `acme` had anything.

mod attacks;
mod graphql;
mod headers;
mod init;
mod operations;
mod rest;
mod sealed;
mod stream;

use serde_json::{Value, json};

use crate::support::{Answer, World};

/// Part of every value that `acme` stores, and so of nothing that anybody else may see.
const MARK: &str = "MARK_acme";

/// Gives `acme` an installation in force and one that was uninstalled, both with params and secrets, and a catalog entry of its
/// own.
async fn furnish(world: &World) {
    let acme = world.account("acme");
    let stripe = json!({
        "params": {"api_version": "2025-09-30.clover", "note": MARK},
        "secrets": {"api_key": format!("sk_test_CANARY_{MARK}"), "webhook_secret": format!("whsec_CANARY_{MARK}")},
    });
    acme.post("/api/v1/integrations/stripe/install", &stripe).await.ok();
    let slack = json!({"params": {"note": MARK}, "secrets": {"bot_token": format!("xoxb-CANARY_{MARK}")}});
    acme.post("/api/v1/integrations/slack/install", &slack).await.ok();
    acme.post("/api/v1/integrations/slack/uninstall", &Value::Null).await.ok();
    let own = json!({"name": "mark_acme_own", "display_name": MARK, "description": MARK, "category": "payments",
                     "tags": ["mark-acme"], "auth": [{"kind": "none"}]});
    let own = acme.post("/api/v1/integrations", &own).await;
    // It may be there already.
    assert!([201, 409].contains(&own.status.as_u16()), "{}", own.text());
    let made = acme.post("/api/v1/api-keys", &json!({"name": MARK, "scopes": ["admin"]})).await;
    // Without a pepper there are no keys.
    assert!([201, 403].contains(&made.status.as_u16()), "{}", made.text());
}

/// What an answer tells, apart from what is new each time: the request's id, the moment of an install just made, and
/// cursors, which are bound to their account.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Told {
    fn by(answer: &Answer) -> Self {
        assert!(!answer.text().contains(MARK), "{}", answer.text());
        let body = match serde_json::from_slice(&answer.body) {
            Ok(json) => steady(json).to_string(),
            Err(_) => answer.text(),
        };
        let unchanged = body == answer.text();
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| {
                let varies = match name.as_str() {
                    "x-request-id" | "link" => true,
                    // A moment may have fewer digits.
                    "etag" | "content-length" => !unchanged,
                    _ => false,
                };
                (name.to_string(), if varies { "…".into() } else { value.to_str().expect("ASCII").to_owned() })
            })
            .collect();
        headers.sort();
        Self { status: answer.status.as_u16(), headers, body }
    }
}

/// The value without what is new each time.
fn steady(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(steady).collect(),
        Value::Object(fields) => {
            let is_installed =
                ["installed_at", "installedAt"].iter().any(|k| fields.get(*k).is_some_and(|v| !v.is_null()));
            let is_event = ["request_id", "requestId"].iter().any(|k| fields.contains_key(*k));
            let of_key = ["api_key.created", "API_KEY_CREATED"].iter().any(|a| fields.get("action") == Some(&json!(a)));
            let is_key = ["public_id", "publicId"].iter().any(|k| fields.contains_key(*k));
            let pairs = fields.into_iter().map(|(name, value)| {
                let varies = match name.as_str() {
                    "next_cursor" | "cursor" | "startCursor" | "endCursor" | "requestId" => true,
                    // Where a key is what lets an account in, it is on its list and its making on its log.
                    "request_id" => true,
                    "id" | "at" if is_event => true,
                    "fields" => of_key,
                    "id" | "public_id" | "publicId" | "accounts" | "created_at" | "createdAt" => is_key,
                    "last_used_at" | "lastUsedAt" => is_key,
                    "installed_at" | "installedAt" | "updated_at" | "updatedAt" => is_installed,
                    _ => false,
                };
                let value = if varies && !value.is_null() { "…".into() } else { steady(value) };
                (name, value)
            });
            Value::Object(pairs.collect())
        }
        other => other,
    }
}
