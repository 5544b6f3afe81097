//! The main job, start to end.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn an_account_installs_reads_back_and_uninstalls_over_rest() {
    let world = World::start().await;
    let acme = world.account("acme");
    let installed = acme
        .post(
            "/api/v1/integrations/stripe/install",
            &json!({"params": {"api_version": "2025-09-30.clover"}, "secrets": {"api_key": "sk_test_1"}}),
        )
        .await
        .ok();
    assert_eq!(installed["changed"], true);
    assert_eq!(installed["integration"]["status"], "installed");
    let shown = acme.get("/api/v1/integrations/stripe").await.ok();
    assert_eq!(shown["secret_names"], json!(["api_key"]));
    assert_eq!(shown["missing_fields"], json!([]));
    let uninstalled = acme.post("/api/v1/integrations/stripe/uninstall", &json!(null)).await.ok();
    assert_eq!(uninstalled["integration"]["status"], "available");
}

#[tokio::test]
async fn an_account_installs_and_reads_back_over_graphql() {
    let world = World::start().await;
    let acme = world.account("acme");
    let data = acme
        .graphql(
            "mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { changed integration { status } userErrors { code } } }",
            json!({"input": {"integration": {"name": "stripe"}, "secrets": {"api_key": "sk_test_1"}}}),
        )
        .await
        .data();
    assert_eq!(data["installIntegration"]["integration"]["status"], "INSTALLED");
    let data = acme.graphql("{ integration(by: {name: \"stripe\"}) { secretNames } }", json!({})).await.data();
    assert_eq!(data["integration"]["secretNames"], json!(["api_key"]));
}
