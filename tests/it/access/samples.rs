//! One request for each operation and interface, of which nothing but the rights of who asks decides whether it passes.

use axum::body::Body;
use axum::http::Method;
use patchbay::domain::Operation;
use serde_json::json;

use crate::support::{Answer, Client};

/// A request that does an operation.
pub(super) enum Sample {
    Rest(Method, &'static str, &'static str),
    Graphql(&'static str),
}

impl Sample {
    /// The requests for the operation: over REST, over GraphQL, or both. Subscriptions have none: they need a socket.
    pub(super) fn all_of(operation: Operation) -> Vec<Self> {
        use Sample::{Graphql, Rest};
        match operation {
            Operation::ListIntegrations => {
                vec![
                    Rest(Method::GET, "/integrations?limit=1", ""),
                    Graphql("{ integrations(first: 1) { totalCount } }"),
                ]
            }
            Operation::ShowIntegration => vec![
                Rest(Method::GET, "/integrations/stripe", ""),
                Graphql(r#"{ integration(by: {name: "stripe"}) { name } }"#),
            ],
            Operation::FindNode => vec![Graphql(r#"{ node(id: "c5c44806-6981-5408-a812-edbd36c0eef2") { id } }"#)],
            Operation::FollowIntegrations => vec![],
            Operation::Install => vec![
                Rest(Method::POST, "/integrations/stripe/install", ""),
                Graphql(r#"mutation { installIntegration(input: {integration: {name: "stripe"}}) { changed } }"#),
            ],
            Operation::Uninstall => vec![
                Rest(Method::POST, "/integrations/stripe/uninstall", ""),
                Graphql(r#"mutation { uninstallIntegration(input: {integration: {name: "stripe"}}) { changed } }"#),
            ],
            Operation::Purge => vec![
                Rest(Method::POST, "/integrations/slack/purge", ""),
                Graphql(r#"mutation { purgeInstallationData(input: {integration: {name: "slack"}}) { changed } }"#),
            ],
            Operation::ReadSecrets => vec![Rest(Method::POST, "/integrations/stripe/secrets/read", "")],
            Operation::ListEvents => {
                vec![
                    Rest(Method::GET, "/events?limit=1", ""),
                    Graphql("{ installationEvents(first: 1) { nodes { id } } }"),
                ]
            }
            Operation::ListApiKeys => {
                vec![Rest(Method::GET, "/api-keys?limit=1", ""), Graphql("{ apiKeys(first: 1) { nodes { id } } }")]
            }
            Operation::CreateApiKey => vec![
                Rest(Method::POST, "/api-keys", r#"{"name": "made", "scopes": ["keys:write"]}"#),
                Graphql(
                    r#"mutation { createApiKey(input: {name: "made", scopes: ["keys:write"]}) { userErrors { code } } }"#,
                ),
            ],
            Operation::RevokeApiKey => vec![
                Rest(Method::POST, "/api-keys/nokeyyet/revoke", ""),
                Graphql(r#"mutation { revokeApiKey(input: {id: "nokeyyet"}) { userErrors { code } } }"#),
            ],
            Operation::ShowRateLimit => vec![Graphql("{ rateLimit { isLimited } }")],
            Operation::ListMcpConnections => {
                vec![Rest(Method::GET, "/mcp-connections", ""), Graphql("{ mcpConnections { totalCount } }")]
            }
            Operation::ListNativeTools => {
                vec![Rest(Method::GET, "/native-tools", ""), Graphql("{ nativeTools { totalCount } }")]
            }
        }
    }

    pub(super) async fn send(&self, client: &Client) -> Answer {
        match self {
            Self::Rest(method, path, body) => {
                client.send(method.clone(), &format!("/api/v1{path}"), Body::from(*body)).await
            }
            Self::Graphql(document) => client.graphql(document, json!({})).await,
        }
    }

    pub(super) fn interface(&self) -> &'static str {
        match self {
            Self::Rest(..) => "REST",
            Self::Graphql(_) => "GraphQL",
        }
    }
}

/// Status and code of an answer; `ok` where nothing failed.
pub(super) fn verdict(answer: &Answer) -> (u16, String) {
    let status = answer.status.as_u16();
    if !answer.content_type().contains("json") {
        return (status, answer.error_code().to_owned());
    }
    let json = answer.json();
    let code = json["errors"][0]["extensions"]["code"].as_str().or_else(|| json["code"].as_str()).unwrap_or("ok");
    (status, code.to_owned())
}
