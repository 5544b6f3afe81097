//! Taking what is kept of an account elsewhere.

use serde_json::{Value, json};

use super::{SLACK, STRIPE, fill, install, run, start};
use crate::support::World;

#[tokio::test]
async fn an_export_holds_installations_names_of_secrets_and_the_log_and_no_secret() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&world.account("other"), STRIPE, json!({"of_other": "CANARY"})).await;
    let supplied =
        json!({"params": {"region": "eu", "deep": {"n": [1, null]}}, "secrets": {"token": "CANARY", "b": "CANARY"}});
    acme.post(&format!("{STRIPE}/install"), &supplied).await.ok();
    install(&acme, SLACK, json!({"token": "CANARY"})).await;
    acme.post(&format!("{SLACK}/uninstall"), &Value::Null).await.ok();
    // More than two pages of the log.
    for n in 0..450 {
        acme.post(&format!("{STRIPE}/install"), &json!({"params": {"region": "eu", "n": n}})).await.ok();
    }
    let exported = run(&world, &["account", "export", "acme"]).await.done();
    assert_eq!(exported["account"], "acme");
    assert!(exported["exported_at"].is_string());
    let installations = exported["installations"].as_array().expect("a list");
    let of = |name: &str| installations.iter().find(|one| one["integration"]["name"] == name).expect("there").clone();
    let stripe = of("stripe");
    assert_eq!(installations.len(), 2);
    assert_eq!((&stripe["installed"], &stripe["params"]), (&json!(true), &json!({"region": "eu", "n": 449})));
    assert_eq!(stripe["secret_names"], json!(["b", "token"]));
    assert_eq!((&of("slack")["installed"], &of("slack")["installed_at"]), (&json!(false), &Value::Null));
    assert_eq!(of("slack")["secret_names"], json!(["token"]));
    let shown = acme.get(STRIPE).await.ok();
    for field in ["installed_at", "updated_at"] {
        assert_eq!(stripe[field], shown[field], "{field} as REST has it");
    }
    let events = exported["events"].as_array().expect("a list");
    assert_eq!(events.len(), 453);
    let newest = acme.get("/api/v1/events?limit=1").await.ok();
    assert_eq!(events.last(), newest["events"].get(0), "oldest first, and as REST has them");
    let text = exported.to_string();
    assert!(!text.contains("of_other") && !text.contains("sealed") && !text.contains("wrapped"));
}

#[tokio::test]
async fn what_is_left_of_a_shredded_account_is_its_log() {
    let world = World::start().await;
    fill(&world, 1, 2).await;
    run(&world, &["account", "shred", "account-0", "--yes"]).await.ok();
    let exported = run(&world, &["account", "export", "account-0"]).await.done();
    assert_eq!(exported["installations"], json!([]));
    assert_eq!(exported["events"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_export_whose_reader_has_seen_enough_ends_well() {
    let world = World::start().await;
    // More than a pipe holds.
    for n in 0..20 {
        let params = json!({"params": {"text": "x".repeat(5_000), "n": n}});
        world
            .account("acme")
            .post(&format!("/api/v1/integrations/{}/install", ["stripe", "slack"][n % 2]), &params)
            .await
            .ok();
    }
    let mut child = start(&world, &["account", "export", "acme"]);
    drop(child.stdout.take());
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output().expect("ended")).await.expect("waited");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
