//! Every REST operation, asked by a stranger.

use axum::body::Body;
use axum::http::Method;

use super::{Told, furnish, operations};
use crate::support::{Client, World};

/// Method, path below `/api/v1`, body.
type Request = (Method, &'static str, &'static str);

/// By operation id. Each list is one account's conversation, so that later answers show what earlier ones did.
const CASES: &[(&str, &[Request])] = &[
    (
        "listIntegrations",
        &[
            (Method::GET, "/integrations", ""),
            (Method::GET, "/integrations?include=schemas", ""),
            (Method::GET, "/integrations?status=installed", ""),
            (Method::GET, "/integrations?status=available&limit=7", ""),
            (Method::GET, "/integrations?search=stripe", ""),
            (Method::GET, "/integrations?search=MARK_acme", ""),
            (Method::GET, "/integrations?category=payments", ""),
        ],
    ),
    (
        "getIntegration",
        &[
            (Method::GET, "/integrations/stripe", ""),
            (Method::GET, "/integrations/c5c44806-6981-5408-a812-edbd36c0eef2", ""),
            (Method::GET, "/integrations/slack", ""),
            (Method::GET, "/integrations/nobody_has_this", ""),
        ],
    ),
    (
        "getIntegrationDefinition",
        &[
            (Method::GET, "/integrations/stripe/definition", ""),
            (Method::GET, "/integrations/mark_acme_own/definition", ""),
            (Method::GET, "/integrations/nobody_has_this/definition", ""),
        ],
    ),
    // What comes of one that is created is new each time: `own_entries` has those.
    ("createIntegration", &[(Method::POST, "/integrations", r#"{"name": "stripe"}"#)]),
    (
        "updateIntegration",
        &[
            (Method::PUT, "/integrations/mark_acme_own", "{}"),
            (Method::PUT, "/integrations/stripe", "{}"),
            (Method::PUT, "/integrations/nobody_has_this", "{}"),
            (Method::GET, "/integrations", ""),
        ],
    ),
    (
        "deprecateIntegration",
        &[
            (Method::POST, "/integrations/mark_acme_own/deprecate", ""),
            (Method::POST, "/integrations/stripe/deprecate", ""),
            (Method::POST, "/integrations/nobody_has_this/deprecate", ""),
            (Method::GET, "/integrations", ""),
        ],
    ),
    (
        "deleteIntegration",
        &[
            (Method::DELETE, "/integrations/mark_acme_own?force=true", ""),
            (Method::DELETE, "/integrations/mark_acme_own", ""),
            (Method::DELETE, "/integrations/stripe?force=true", ""),
            (Method::DELETE, "/integrations/nobody_has_this", ""),
            (Method::GET, "/integrations", ""),
        ],
    ),
    (
        "installIntegration",
        &[
            (Method::POST, "/integrations/stripe/install", ""),
            (Method::POST, "/integrations/stripe/install", ""),
            (Method::POST, "/integrations/slack/install", r#"{"params": {}}"#),
            (Method::POST, "/integrations/slack/install", r#"{"secrets": {"bot_token": null}}"#),
            (Method::POST, "/integrations/stripe/install", r#"{"secrets": {"api_key": "sk_own"}}"#),
            (Method::POST, "/integrations/stripe/install", r#"{"params": {"api_version": "new"}}"#),
            (Method::POST, "/integrations/nobody_has_this/install", ""),
            (Method::GET, "/integrations", ""),
        ],
    ),
    (
        "validateInstallation",
        &[
            (Method::POST, "/integrations/stripe/validate", ""),
            (Method::POST, "/integrations/slack/validate", r#"{"params": {"x": 1}, "secrets": {"bot_token": 7}}"#),
            (Method::POST, "/integrations/nobody_has_this/validate", ""),
        ],
    ),
    (
        "uninstallIntegration",
        &[
            (Method::POST, "/integrations/stripe/uninstall", ""),
            (Method::POST, "/integrations/slack/uninstall", ""),
            (Method::POST, "/integrations/nobody_has_this/uninstall", ""),
            (Method::GET, "/integrations", ""),
        ],
    ),
    (
        "purgeInstallationData",
        &[
            (Method::POST, "/integrations/stripe/purge", ""),
            (Method::POST, "/integrations/slack/purge", ""),
            (Method::POST, "/integrations/nobody_has_this/purge", ""),
            (Method::GET, "/integrations", ""),
        ],
    ),
    (
        "readSecrets",
        &[
            (Method::POST, "/integrations/stripe/secrets/read", ""),
            (Method::POST, "/integrations/slack/secrets/read", r#"{"names": ["bot_token"]}"#),
            (Method::POST, "/integrations/nobody_has_this/secrets/read", ""),
            (Method::POST, "/integrations/stripe/install", r#"{"secrets": {"api_key": "sk_own"}}"#),
            (Method::POST, "/integrations/stripe/secrets/read", ""),
            (Method::POST, "/integrations/stripe/secrets/read", r#"{"names": ["webhook_secret"]}"#),
        ],
    ),
    ("listApiKeys", &[(Method::GET, "/api-keys", ""), (Method::GET, "/api-keys?limit=1", "")]),
    // What comes of a wish that is granted is new each time: `access` has those.
    ("createApiKey", &[(Method::POST, "/api-keys", r#"{"name": "", "scopes": []}"#)]),
    (
        "revokeApiKey",
        &[
            (Method::POST, "/api-keys/8Fq2LmZx/revoke", ""),
            (Method::POST, "/api-keys/0193a5c0-7b1e-7c3a-9d52-0d6f6f0e7a11/revoke", ""),
        ],
    ),
    (
        "listEvents",
        &[
            (Method::GET, "/events", ""),
            (Method::GET, "/events?integration=stripe", ""),
            (Method::GET, "/events?integration=c5c44806-6981-5408-a812-edbd36c0eef2", ""),
            (Method::GET, "/events?actor=anonymous&outcome=succeeded", ""),
            (Method::GET, "/events?action=installation.uninstalled&limit=1", ""),
            (Method::GET, "/events?since=2020-01-01T00:00:00Z", ""),
        ],
    ),
    ("listMcpConnections", &[(Method::GET, "/mcp-connections", "")]),
    ("listNativeTools", &[(Method::GET, "/native-tools", "")]),
];

#[test]
fn every_rest_operation_has_a_stranger_case() {
    operations::assert_covered(operations::of_rest(), CASES.iter().map(|(operation, _)| *operation));
}

#[tokio::test]
async fn a_stranger_is_told_what_an_account_is_told_that_was_never_seen() {
    let world = World::start().await;
    let mut before = Vec::new();
    for (operation, requests) in CASES {
        before.push(converse(&world.account(&name("early", operation)), requests).await);
    }
    furnish(&world).await;
    let of_acme = world.rows_of("acme").await;
    for ((operation, requests), before) in CASES.iter().zip(before) {
        let after = converse(&world.account(&name("stranger", operation)), requests).await;
        for ((before, after), request) in before.iter().zip(&after).zip(*requests) {
            assert_eq!(before, after, "{operation}: {request:?}");
        }
        assert_eq!(world.rows_of("acme").await, of_acme, "{operation} changed rows of acme");
    }
}

async fn converse(client: &Client, requests: &[Request]) -> Vec<Told> {
    let mut told = Vec::new();
    for (method, path, body) in requests {
        let answer = client.send(method.clone(), &format!("/api/v1{path}"), Body::from(*body)).await;
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text());
        told.push(Told::by(&answer));
    }
    told
}

/// An account that no other case has touched.
fn name(kind: &str, operation: &str) -> String {
    format!("{kind}-{}", operation.to_lowercase())
}
