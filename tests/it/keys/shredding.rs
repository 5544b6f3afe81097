//! Forgetting an account for good.

use std::time::Duration;

use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde_json::json;

use super::{SLACK, STRIPE, generation, generations, install, opened, run};
use crate::support::{World, account_id, eventually};

/// Within which every replica has dropped a destroyed data key.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shredded_account_is_gone_on_every_replica_and_no_other_account_is_touched() {
    let world = World::start().await;
    let replica = World::builder().beside(&world).await;
    let (here, there) = (world.serve().await, replica.serve().await);
    for account in ["acme", "stranger"] {
        install(&world.account(account), STRIPE, json!({"a": "CANARY", "b": "CANARY"})).await;
        install(&replica.account(account), SLACK, json!({"token": "CANARY"})).await;
    }
    let (acme, replicas) = (account_id("acme"), [&world, &replica]);
    for one in replicas {
        assert_eq!(one.app.services().keys().kept_of(&acme), [1], "in memory");
    }
    let keyed = |account: &str| world.account(account).header("idempotency-key", "k");
    for account in ["acme", "stranger"] {
        keyed(account).post(&format!("{SLACK}/install"), &json!({})).await.ok();
    }
    let stranger = world.rows_of("stranger").await;
    let shredded = run(&world, &["account", "shred", "acme", "--yes", "--json"]).await.done();
    assert_eq!(
        shredded,
        json!({
            "account": "acme", "data_keys_destroyed": 1, "secrets_deleted": 3, "installations_deleted": 2, "own_integrations_deleted": 0,
            "provider_keys_destroyed": [], "backups_hold_keys": true,
        })
    );
    eventually("no replica has the key in memory", SOON, async || {
        replicas.iter().all(|one| one.app.services().keys().kept_of(&acme).is_empty())
    })
    .await;
    assert_eq!(world.secrets_of("acme").await, []);
    assert_eq!(generations(&world, "acme").await, [generation(1, "destroyed")]);
    assert_eq!(world.keys_of("acme").await[0].wrapped, [0_u8; 0]);
    for one in replicas {
        let shown = one.account("acme").get(STRIPE).await.ok();
        assert_eq!((&shown["status"], &shown["secret_names"]), (&json!("available"), &json!([])));
        assert_eq!(one.app.services().keys().kept_of(&account_id("stranger")), [1]);
    }
    assert_eq!(world.rows_of("stranger").await, stranger);
    let log = world.account("acme").get("/api/v1/events?limit=1").await.ok();
    assert_eq!(
        (&log["events"][0]["action"], &log["events"][0]["actor"]["kind"]),
        (&json!("account.shredded"), &json!("operator"))
    );
    // What was on record of its requests is gone, too.
    let again = async |account: &str| keyed(account).post(&format!("{SLACK}/uninstall"), &json!({})).await;
    assert_eq!(
        (again("acme").await.status.as_u16(), again("stranger").await.error_code()),
        (200, "idempotency_key_reused")
    );
    // No generation comes twice.
    install(&replica.account("acme"), STRIPE, json!({"a": "CANARY-again"})).await;
    install(&world.account("acme"), STRIPE, json!({"b": "CANARY-again"})).await;
    assert_eq!(generations(&world, "acme").await, [generation(1, "destroyed"), generation(2, "active")]);
    assert_eq!(json!(opened(&world, "acme").await), json!({"a": "CANARY-again", "b": "CANARY-again"}));
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["broken"], 0);
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn shredding_again_does_nothing_and_says_so() {
    let world = World::start().await;
    install(&world.account("acme"), STRIPE, json!({"a": "CANARY"})).await;
    let told = run(&world, &["account", "shred", "acme", "--yes"]).await.ok();
    for part in [
        "1 data key destroyed, 1 secret, 1 installation and 0 own integrations deleted",
        "Backups of the database still hold its wrapped data keys",
        "The audit log is kept",
        "patchbay api-keys revoke",
    ] {
        assert!(told.contains(part), "{part} not in {told}");
    }
    let again = run(&world, &["account", "shred", "acme", "--yes", "--json"]).await.done();
    assert_eq!((&again["data_keys_destroyed"], &again["secrets_deleted"]), (&json!(0), &json!(0)));
    let log = world.account("acme").get("/api/v1/events?action=account.shredded").await.ok();
    assert_eq!(log["events"].as_array().map(Vec::len), Some(1), "what was not done is not on record");
    assert_eq!(world.secrets_of("acme").await, []);
    assert_eq!(generations(&world, "acme").await, [generation(1, "destroyed")]);
}

#[tokio::test]
async fn nobody_is_shredded_by_mistake() {
    let world = World::start().await;
    install(&world.account("acme"), STRIPE, json!({"a": "CANARY"})).await;
    let before = world.rows_of("acme").await;
    let refused = run(&world, &["account", "shred", "acme"]).await.refused();
    assert!(refused.contains("say --yes"), "{refused}");
    assert_eq!(world.rows_of("acme").await, before);
}

#[tokio::test]
async fn a_row_from_a_backup_does_not_open_once_its_key_is_destroyed() {
    let world = World::with(&[("secrets.read_back", "true")]).await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({"a": "CANARY-old"})).await;
    let backup = world.secrets_of("acme").await.remove(0);
    run(&world, &["account", "shred", "acme", "--yes"]).await.ok();
    install(&acme, STRIPE, json!({"a": "CANARY-new", "b": "CANARY-new"})).await;
    let db = world.connect().await;
    let (sealed, key_id) = (backup.sealed.clone(), backup.key_id);
    let mut row = backup.into_active_model();
    (row.sealed, row.key_id) = (Set(sealed), Set(key_id));
    ActiveModelTrait::update(row, &db).await.expect("put back");
    db.close().await.expect("closed");
    let read = |names| json!({ "names": names });
    let path = format!("{STRIPE}/secrets/read");
    assert_eq!(acme.post(&path, &read(["a"])).await.status, 500);
    assert_eq!(acme.post(&path, &read(["b"])).await.ok()["secrets"]["b"], "CANARY-new");
    let verified = run(&world, &["keys", "verify", "--json"]).await;
    assert_eq!(verified.code, Some(1));
    assert_eq!(verified.json()["broken_secrets"][0]["cause"], "data key 1 is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_shredded_while_it_stores_has_all_or_nothing() {
    let world = World::with(&[("limits.rate", "false")]).await;
    let client = world.account("acme");
    install(&client, STRIPE, json!({"a": "CANARY"})).await;
    let storing = tokio::spawn(async move {
        for n in 0..60 {
            install(&client, STRIPE, json!({"a": format!("CANARY-{n}"), "b": "CANARY"})).await;
        }
    });
    for _ in 0..3 {
        run(&world, &["account", "shred", "acme", "--yes"]).await.ok();
    }
    storing.await.expect("every install succeeded");
    let secrets = opened(&world, "acme").await;
    assert!(secrets.is_empty() || secrets.len() == 2, "{secrets:?}");
    let active = generations(&world, "acme").await.into_iter().filter(|(_, state)| state == "active").count();
    assert_eq!(active, usize::from(!secrets.is_empty()));
}
