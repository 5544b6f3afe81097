//! One request for each operation and interface, of which nothing but the rights of who asks decides whether it passes.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::Method;
use patchbay::domain::Operation;
use serde_json::json;

use crate::graphql::socket::SUBSCRIPTION;
use crate::support::{Answer, Client};

/// How many entries were asked for.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A request that does an operation.
pub(super) enum Sample {
    Rest(Method, String, &'static str),
    Graphql(String),
    /// A subscription.
    Socket(&'static str),
}

impl Sample {
    /// The requests for the operation: over REST, over GraphQL, or both. `key` is an API key that there is to revoke.
    pub(super) fn all_of(operation: Operation, key: &str) -> Vec<Self> {
        let rest = |method, path: &str, body| Self::Rest(method, path.to_owned(), body);
        let graphql = |document: &str| Self::Graphql(document.to_owned());
        match operation {
            Operation::ListIntegrations => {
                vec![
                    rest(Method::GET, "/integrations?limit=1", ""),
                    graphql("{ integrations(first: 1) { totalCount } }"),
                ]
            }
            Operation::ShowIntegration => vec![
                rest(Method::GET, "/integrations/stripe", ""),
                graphql(r#"{ integration(by: {name: "stripe"}) { name } }"#),
            ],
            Operation::ShowDefinition => vec![
                rest(Method::GET, "/integrations/stripe/definition", ""),
                graphql(r#"{ integrationDefinition(by: {name: "stripe"}) }"#),
            ],
            Operation::CreateIntegration => {
                // A name is good for one entry.
                let made = |by: &str| format!("made_by_{by}_{}", MADE.fetch_add(1, Ordering::Relaxed));
                let entry =
                    r#""display_name": "Made", "description": "Made.", "category": "ai", "auth": [{"kind": "none"}]"#;
                let unquoted = r#"display_name: "Made", description: "Made.", category: "ai", auth: [{kind: "none"}]"#;
                vec![
                    rest(Method::POST, "/integrations", format!(r#"{{"name": "{}", {entry}}}"#, made("rest")).leak()),
                    graphql(&format!(
                        r#"mutation {{ createIntegration(input: {{definition: {{name: "{}", {unquoted}}}}}) {{
                            userErrors {{ code }} }} }}"#,
                        made("graphql")
                    )),
                ]
            }
            // Of an entry that is not the account's own: what may be done is refused only then.
            Operation::UpdateIntegration => vec![graphql(
                r#"mutation { updateIntegration(input: {integration: {name: "stripe"}, definition: {}}) {
                    userErrors { code } } }"#,
            )],
            Operation::DeprecateIntegration => vec![graphql(
                r#"mutation { deprecateIntegration(input: {integration: {name: "stripe"}}) { userErrors { code } } }"#,
            )],
            Operation::DeleteIntegration => vec![graphql(
                r#"mutation { deleteIntegration(input: {integration: {name: "stripe"}}) { userErrors { code } } }"#,
            )],
            Operation::FindNode => vec![graphql(r#"{ node(id: "c5c44806-6981-5408-a812-edbd36c0eef2") { id } }"#)],
            Operation::FollowIntegrations => vec![Self::Socket(SUBSCRIPTION)],
            Operation::Install => vec![
                rest(Method::POST, "/integrations/stripe/install", ""),
                graphql(r#"mutation { installIntegration(input: {integration: {name: "stripe"}}) { changed } }"#),
            ],
            Operation::Validate => vec![
                rest(Method::POST, "/integrations/stripe/validate", ""),
                graphql(r#"mutation { validateInstallation(input: {integration: {name: "stripe"}}) { valid } }"#),
            ],
            Operation::Uninstall => vec![
                rest(Method::POST, "/integrations/stripe/uninstall", ""),
                graphql(r#"mutation { uninstallIntegration(input: {integration: {name: "stripe"}}) { changed } }"#),
            ],
            Operation::Purge => vec![
                rest(Method::POST, "/integrations/slack/purge", ""),
                graphql(r#"mutation { purgeInstallationData(input: {integration: {name: "slack"}}) { changed } }"#),
            ],
            Operation::ReadSecrets => vec![rest(Method::POST, "/integrations/stripe/secrets/read", "")],
            Operation::ListEvents => {
                vec![
                    rest(Method::GET, "/events?limit=1", ""),
                    graphql("{ installationEvents(first: 1) { nodes { id } } }"),
                ]
            }
            Operation::ListApiKeys => {
                vec![rest(Method::GET, "/api-keys?limit=1", ""), graphql("{ apiKeys(first: 1) { nodes { id } } }")]
            }
            Operation::CreateApiKey => vec![
                rest(Method::POST, "/api-keys", r#"{"name": "made", "scopes": ["keys:write"]}"#),
                graphql(
                    r#"mutation { createApiKey(input: {name: "made", scopes: ["keys:write"]}) { userErrors { code } } }"#,
                ),
            ],
            Operation::RevokeApiKey => vec![
                rest(Method::POST, &format!("/api-keys/{key}/revoke"), ""),
                graphql(&format!("mutation {{ revokeApiKey(input: {{id: \"{key}\"}}) {{ userErrors {{ code }} }} }}")),
            ],
            Operation::ShowRateLimit => vec![graphql("{ rateLimit { isLimited } }")],
            Operation::ListMcpConnections => {
                vec![rest(Method::GET, "/mcp-connections", ""), graphql("{ mcpConnections { totalCount } }")]
            }
            Operation::ListNativeTools => {
                vec![rest(Method::GET, "/native-tools", ""), graphql("{ nativeTools { totalCount } }")]
            }
        }
    }

    pub(super) async fn send(&self, client: &Client) -> Answer {
        match self {
            Self::Rest(method, path, body) => {
                client.send(method.clone(), &format!("/api/v1{path}"), Body::from(*body)).await
            }
            Self::Graphql(document) => client.graphql(document, json!({})).await,
            Self::Socket(_) => unreachable!("a socket is opened instead"),
        }
    }

    pub(super) fn interface(&self) -> &'static str {
        match self {
            Self::Rest(..) => "REST",
            Self::Graphql(_) => "GraphQL",
            Self::Socket(_) => "socket",
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
