//! How many bytes of params an account may store.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::graphql;
use crate::support::{Client, World};

const SMALL: [(&str, &str); 1] = [("limits.params_max_bytes_per_account", "1000")];

/// Params that take this many bytes as compact JSON.
fn params(bytes: usize) -> Value {
    json!({"params": {"x": "y".repeat(bytes - r#"{"x":""}"#.len())}})
}

async fn install(client: &Client, name: &str, body: &Value) -> crate::support::Answer {
    client.post(&format!("/api/v1/integrations/{name}/install"), body).await
}

#[tokio::test]
async fn params_over_the_quota_are_409_with_limit_and_use() {
    let world = World::with(&SMALL).await;
    let acme = world.account("acme");
    install(&acme, "groq", &params(600)).await.ok();
    install(&acme, "asana", &params(400)).await.ok();
    let sentence =
        "The account stores 1000 bytes of params and may store 1000: send smaller ones, or purge an integration";
    install(&acme, "slack", &params(10)).await.assert_refused(409, "params_quota_reached", sentence);
    let payload = graphql(&acme, "installIntegration", "slack", &params(10)).await;
    let error = &payload["userErrors"][0];
    assert_eq!((&error["code"], &error["message"]), (&json!("PARAMS_QUOTA_REACHED"), &json!(sentence)));
    assert_eq!((&error["pointer"], &error["field"]), (&json!("/params"), &json!(["input", "params"])));
    let verdict = acme.post("/api/v1/integrations/slack/validate", &params(10)).await.ok();
    assert_eq!((&verdict["valid"], &verdict["errors"][0]["pointer"]), (&json!(false), &json!("/params")));
    assert_eq!(acme.get("/api/v1/integrations/slack").await.ok()["status"], "available");
    // Without params, with as many or fewer of them, and for others, nothing changes.
    install(&acme, "slack", &json!({})).await.ok();
    install(&acme, "groq", &params(600)).await.ok();
    install(&world.account("other"), "slack", &params(900)).await.ok();
    install(&acme, "groq", &params(500)).await.ok();
    install(&acme, "slack", &params(100)).await.ok();
}

#[tokio::test]
async fn kept_params_count_until_they_are_purged() {
    let world = World::with(&SMALL).await;
    let acme = world.account("acme");
    install(&acme, "groq", &params(900)).await.ok();
    acme.post("/api/v1/integrations/groq/uninstall", &json!({})).await.ok();
    assert_eq!(install(&acme, "asana", &params(200)).await.status, 409);
    acme.post("/api/v1/integrations/groq/purge", &json!({})).await.ok();
    install(&acme, "asana", &params(200)).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_installs_stay_within_the_quota() {
    let one = World::with(&SMALL).await;
    let two = World::builder().set(&SMALL).beside(&one).await;
    let names = ["groq", "asana", "slack", "stripe", "shopify", "zoom", "notion", "github", "hubspot", "discord"];
    let asked = names.iter().enumerate().map(|(n, name)| {
        let client = if n % 2 == 0 { one.account("acme") } else { two.account("acme") };
        async move {
            // A busy database refuses for a moment, and nothing is written.
            for _ in 0..20 {
                let status = install(&client, name, &params(300)).await.status.as_u16();
                if status != 503 {
                    return status;
                }
            }
            503
        }
    });
    let statuses = join_all(asked).await;
    let taken = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(taken, 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn account_beyond_a_lowered_quota_can_shrink() {
    let world = World::start().await;
    install(&world.account("acme"), "groq", &params(5_000)).await.ok();
    let lowered = World::builder().set(&SMALL).beside(&world).await;
    let acme = lowered.account("acme");
    assert_eq!(install(&acme, "groq", &params(5_001)).await.status, 409);
    install(&acme, "groq", &params(4_000)).await.ok();
    acme.post("/api/v1/integrations/groq/uninstall", &json!({})).await.ok();
}
