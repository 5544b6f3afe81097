//! Erasing what an installation stored.

use serde_json::{Value, json};

use crate::support::{Client, World};

const PURGE: &str = "/api/v1/integrations/stripe/purge";

async fn furnished() -> (World, Client) {
    let world = World::start().await;
    let body = json!({
        "params": {"api_version": "2025-09-30.clover"},
        "secrets": {"api_key": "sk_test_CANARY", "webhook_secret": "whsec_CANARY"},
    });
    for account in ["acme", "other"] {
        world.account(account).post("/api/v1/integrations/stripe/install", &body).await.ok();
        world.account(account).post("/api/v1/integrations/slack/install", &json!({"params": {"a": 1}})).await.ok();
    }
    let acme = world.account("acme");
    (world, acme)
}

#[tokio::test]
async fn nothing_of_it_is_left_whether_installed_or_not() {
    for uninstall_first in [false, true] {
        let (world, acme) = furnished().await;
        let (other, slack) = (world.rows_of("other").await, acme.get("/api/v1/integrations/slack").await.ok());
        if uninstall_first {
            acme.post("/api/v1/integrations/stripe/uninstall", &Value::Null).await.ok();
        }
        let answer = acme.post(PURGE, &Value::Null).await.ok();
        assert_eq!(answer["changed"], true);
        for seen in [&answer["integration"], &acme.get("/api/v1/integrations/stripe").await.ok()] {
            assert_eq!((&seen["status"], &seen["installed_at"]), (&json!("available"), &Value::Null));
            assert_eq!((&seen["params"], &seen["secret_names"]), (&json!({}), &json!([])));
        }
        let rows = world.rows_of("acme").await;
        assert!(!rows.contains("api_key") && !rows.contains("clover"), "{rows}");
        assert_eq!(acme.get("/api/v1/integrations/slack").await.ok(), slack);
        assert_eq!(world.rows_of("other").await, other);
        let events = acme.get("/api/v1/events?action=installation.purged").await.ok();
        let fields = json!(["secrets.api_key", "secrets.webhook_secret", "params.api_version"]);
        assert_eq!(events["events"][0]["fields"], fields, "{events}");
        let again = acme.post(PURGE, &Value::Null).await.ok();
        assert_eq!(again["changed"], false);
        // An install after it finds nothing that was kept.
        let anew = acme.post("/api/v1/integrations/stripe/install", &Value::Null).await.ok();
        assert_eq!(anew["integration"]["secret_names"], json!([]));
    }
}

#[tokio::test]
async fn both_interfaces_answer_alike() {
    let (_world, acme) = furnished().await;
    let document = r#"mutation($by: IntegrationRef!) { purgeInstallationData(input: {integration: $by}) {
        changed integration { status params secretNames installedAt } userErrors { code field message } } }"#;
    for (reference, changed) in [(json!({"name": "stripe"}), true), (json!({"name": "stripe"}), false)] {
        let data = acme.graphql(document, json!({"by": reference})).await.data();
        let purged = &data["purgeInstallationData"];
        assert_eq!(purged["changed"], changed);
        let empty = json!({"status": "AVAILABLE", "params": {}, "secretNames": [], "installedAt": null});
        assert_eq!((&purged["integration"], &purged["userErrors"]), (&empty, &json!([])));
    }
    let absent = acme.graphql(document, json!({"by": {"name": "nobody_has_this"}})).await.data();
    assert_eq!(absent["purgeInstallationData"]["userErrors"][0]["code"], "INTEGRATION_NOT_FOUND");
    let absent = acme.post("/api/v1/integrations/nobody_has_this/purge", &Value::Null).await;
    absent.assert_refused(404, "integration_not_found", "Integration not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_while_others_install_leaves_the_one_or_the_other_whole() {
    let (world, acme) = furnished().await;
    let install = json!({"params": {"api_version": "2025-09-30.clover"}, "secrets": {"api_key": "sk_test_CANARY"}});
    for _ in 0..10 {
        let (purged, installed) =
            tokio::join!(acme.post(PURGE, &Value::Null), acme.post("/api/v1/integrations/stripe/install", &install));
        purged.ok();
        installed.ok();
        let seen = acme.get("/api/v1/integrations/stripe").await.ok();
        let has_row = world.rows_of("acme").await.contains("\"api_key\"");
        assert_eq!(seen["secret_names"] != json!([]), has_row, "{seen}");
        assert_eq!(seen["status"] == "installed", seen["secret_names"] == json!(["api_key"]), "{seen}");
    }
}
