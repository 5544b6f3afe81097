//! Every GraphQL operation, asked by a stranger with every field of its answer.

use serde_json::json;

use super::operations::{self, Published};
use super::{Told, furnish, stream};
use crate::support::{Client, World};

/// By type and field; the arguments of one account's conversation.
const CASES: &[(&str, &[&str])] = &[
    (
        "Query.integrations",
        &[
            "",
            "(first: 3)",
            "(last: 3)",
            "(status: INSTALLED)",
            "(status: AVAILABLE, first: 20)",
            r#"(search: "stripe")"#,
            r#"(search: "MARK_acme")"#,
            r#"(category: "payments")"#,
        ],
    ),
    (
        "Query.integration",
        &[
            r#"(by: {name: "stripe"})"#,
            r#"(by: {id: "c5c44806-6981-5408-a812-edbd36c0eef2"})"#,
            r#"(by: {name: "slack"})"#,
            r#"(by: {name: "nobody_has_this"})"#,
        ],
    ),
    (
        "Query.node",
        &[
            r#"(id: "c5c44806-6981-5408-a812-edbd36c0eef2")"#,
            r#"(id: "C5C44806-6981-5408-A812-EDBD36C0EEF2")"#,
            r#"(id: "00000000-0000-4000-8000-000000000000")"#,
            r#"(id: "acme")"#,
        ],
    ),
    ("Query.apiKeys", &["", "(first: 1)"]),
    // What comes of a wish that is granted is new each time: `access` has those.
    ("Mutation.createApiKey", &[r#"(input: {name: "", scopes: []})"#]),
    (
        "Mutation.revokeApiKey",
        &[r#"(input: {id: "8Fq2LmZx"})"#, r#"(input: {id: "0193a5c0-7b1e-7c3a-9d52-0d6f6f0e7a11"})"#],
    ),
    (
        "Query.installationEvents",
        &[
            "",
            "(first: 1)",
            r#"(filter: {integration: {name: "stripe"}})"#,
            r#"(filter: {integration: {id: "c5c44806-6981-5408-a812-edbd36c0eef2"}})"#,
            r#"(filter: {actor: "anonymous", outcome: SUCCEEDED})"#,
            "(filter: {action: INSTALLATION_UNINSTALLED})",
            r#"(filter: {since: "2020-01-01T00:00:00Z"})"#,
        ],
    ),
    ("Query.mcpConnections", &[""]),
    ("Query.nativeTools", &[""]),
    ("Query.rateLimit", &[""]),
    (
        "Query.integrationDefinition",
        &[r#"(by: {name: "stripe"})"#, r#"(by: {name: "mark_acme_own"})"#, r#"(by: {name: "nobody_has_this"})"#],
    ),
    // What comes of one that is created is new each time: `own_entries` has those.
    ("Mutation.createIntegration", &[r#"(input: {definition: {name: "stripe"}})"#]),
    (
        "Mutation.updateIntegration",
        &[
            r#"(input: {integration: {name: "mark_acme_own"}, definition: {}})"#,
            r#"(input: {integration: {name: "stripe"}, definition: {}})"#,
        ],
    ),
    (
        "Mutation.deprecateIntegration",
        &[
            r#"(input: {integration: {name: "mark_acme_own"}})"#,
            r#"(input: {integration: {name: "stripe"}})"#,
            r#"(input: {integration: {name: "nobody_has_this"}})"#,
        ],
    ),
    (
        "Mutation.deleteIntegration",
        &[
            r#"(input: {integration: {name: "mark_acme_own"}, force: true})"#,
            r#"(input: {integration: {name: "stripe"}, force: true})"#,
            r#"(input: {integration: {name: "nobody_has_this"}})"#,
        ],
    ),
    (
        "Mutation.installIntegration",
        &[
            r#"(input: {integration: {name: "stripe"}})"#,
            r#"(input: {integration: {name: "slack"}, params: {}})"#,
            r#"(input: {integration: {name: "slack"}, secrets: {bot_token: null}})"#,
            r#"(input: {integration: {name: "stripe"}, secrets: {api_key: "sk_own"}})"#,
            r#"(input: {integration: {name: "stripe"}, params: {api_version: "new"}})"#,
            r#"(input: {integration: {name: "nobody_has_this"}})"#,
        ],
    ),
    (
        "Mutation.validateInstallation",
        &[
            r#"(input: {integration: {name: "stripe"}})"#,
            r#"(input: {integration: {name: "slack"}, params: {x: 1}, secrets: {bot_token: 7}})"#,
            r#"(input: {integration: {name: "nobody_has_this"}})"#,
        ],
    ),
    (
        "Mutation.uninstallIntegration",
        &[
            r#"(input: {integration: {name: "stripe"}})"#,
            r#"(input: {integration: {name: "slack"}})"#,
            r#"(input: {integration: {name: "nobody_has_this"}})"#,
        ],
    ),
    (
        "Mutation.purgeInstallationData",
        &[
            r#"(input: {integration: {name: "stripe"}})"#,
            r#"(input: {integration: {name: "slack"}})"#,
            r#"(input: {integration: {name: "nobody_has_this"}})"#,
        ],
    ),
    ("Subscription.integrationChanged", &[""]),
];

#[test]
fn every_graphql_operation_has_a_stranger_case() {
    operations::assert_covered(Published::read().operations(), CASES.iter().map(|(operation, _)| *operation));
}

#[tokio::test]
async fn a_stranger_is_answered_as_an_account_that_was_never_seen() {
    let world = World::start().await;
    let published = Published::read();
    let cases: Vec<_> = CASES.iter().filter(|(operation, _)| !is_stream(operation)).collect();
    let mut before = Vec::new();
    for (operation, arguments) in &cases {
        before.push(converse(&world.account(&name("early", operation)), &published, operation, arguments).await);
    }
    furnish(&world).await;
    let of_acme = world.rows_of("acme").await;
    for ((operation, arguments), before) in cases.iter().zip(before) {
        let after = converse(&world.account(&name("stranger", operation)), &published, operation, arguments).await;
        for ((before, after), arguments) in before.iter().zip(&after).zip(*arguments) {
            assert_eq!(before, after, "{operation}{arguments}");
        }
        assert_eq!(world.rows_of("acme").await, of_acme, "{operation} changed rows of acme");
    }
}

#[tokio::test]
async fn a_stranger_hears_of_its_own_changes_alone() {
    let world = World::start().await;
    let served = world.serve().await;
    let published = Published::read();
    for (operation, arguments) in CASES.iter().filter(|(operation, _)| is_stream(operation)) {
        for arguments in *arguments {
            let document = published.document(operation, arguments);
            let early = stream::first_change(&world, &served, "early", &document, async || ()).await;
            let stranger = stream::first_change(&world, &served, "stranger", &document, async || furnish(&world).await);
            assert_eq!(early, stranger.await, "{operation}{arguments}");
        }
    }
    served.stop().await;
}

async fn converse(client: &Client, published: &Published, operation: &str, arguments: &[&str]) -> Vec<Told> {
    let mut told = Vec::new();
    for arguments in arguments {
        let answer = client.graphql(&published.document(operation, arguments), json!({})).await;
        assert_eq!(answer.json().get("errors"), None, "{operation}{arguments}: {}", answer.text());
        told.push(Told::by(&answer));
    }
    told
}

fn is_stream(operation: &str) -> bool {
    operation.starts_with("Subscription.")
}

fn name(kind: &str, operation: &str) -> String {
    format!("{kind}-{}", operation.to_lowercase().replace('.', "-"))
}
