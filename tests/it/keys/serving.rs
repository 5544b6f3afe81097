//! Beside a running server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use patchbay::domain::Sealed;
use patchbay::store::Resealed;
use serde_json::{Value, json};

use super::{STRIPE, fill, generation, generations, install, opened, run};
use crate::support::{Client, World, account_id, call};

/// Stores, reads back and shows until it is told to stop; how often. Every answer is checked.
async fn keep_asking(client: Client, others: Value, stop: Arc<AtomicBool>) -> usize {
    for n in 0.. {
        if stop.load(Ordering::Acquire) {
            return n;
        }
        let value = json!(format!("CANARY-new-{n}"));
        install(&client, STRIPE, json!({ "secret_0": value })).await;
        let read = client.post(&format!("{STRIPE}/secrets/read"), &json!({})).await.ok();
        assert_eq!((&read["secrets"]["secret_0"], &read["secrets"]["secret_1"]), (&value, &others));
        assert_eq!(client.get(STRIPE).await.ok()["secret_names"], json!(["secret_0", "secret_1"]));
    }
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_while_everything_is_sealed_anew() {
    let world = World::with(&[("secrets.read_back", "true"), ("limits.rate", "false")]).await;
    fill(&world, 40, 2).await;
    let served = world.serve().await;
    let stop = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|n| {
            let client = world.account(&format!("account-{n}"));
            tokio::spawn(keep_asking(client, json!(format!("CANARY-{n}-1")), stop.clone()))
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(run(&world, &["keys", "rotate", "--json"]).await.done()["new_keys"], 40);
    }
    stop.store(true, Ordering::Release);
    for (n, asking) in asking.into_iter().enumerate() {
        let asked = asking.await.expect("every answer was right");
        assert!(asked > 0);
        let secrets = opened(&world, &format!("account-{n}")).await;
        assert_eq!(secrets["secret_0"], json!(format!("CANARY-new-{}", asked - 1)), "the last write stands");
    }
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 80);
    served.stop().await;
}

#[tokio::test]
async fn what_a_client_writes_while_its_value_is_sealed_anew_wins() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({"changed": "CANARY-1", "removed": "CANARY-1", "kept": "CANARY-1"})).await;
    let account = account_id("acme");
    let keys = world.app.services().keys();
    assert!(keys.rotate(&account, Utc::now() + Duration::from_secs(3_600), &call()).await.expect("rotated"));
    let tenant = world.app.store().tenant(account.clone());
    let before = tenant.sealed_under(1, None, 10).await.expect("read");
    assert_eq!(before.len(), 3);
    install(&acme, STRIPE, json!({"changed": "CANARY-2", "removed": null})).await;
    let late = before.into_iter().filter(|secret| secret.name != "kept");
    let after = Sealed { key_id: 2, bytes: b"of a value that is not there any more".to_vec() };
    let late: Vec<_> = late.map(|before| Resealed { before, after: after.clone() }).collect();
    assert_eq!(tenant.replace_sealed(2, late).await.expect("nothing to replace"), 0);
    let done = keys.reseal(&account).await.expect("sealed anew");
    assert_eq!((done.resealed, done.broken, done.ended), (1, 0, 1));
    let secrets = opened(&world, "acme").await;
    assert_eq!(json!(secrets), json!({"changed": "CANARY-2", "kept": "CANARY-1"}));
    assert_eq!(generations(&world, "acme").await, [generation(1, "destroyed"), generation(2, "active")]);
}

#[tokio::test]
async fn a_value_is_not_sealed_under_a_key_that_was_replaced_meanwhile() {
    let world = World::start().await;
    fill(&world, 1, 1).await;
    let account = account_id("account-0");
    let (keys, tenant) = (world.app.services().keys(), world.app.store().tenant(account.clone()));
    let rotate = async || keys.rotate(&account, Utc::now() + Duration::from_secs(3_600), &call()).await.expect("done");
    assert!(rotate().await && rotate().await);
    let before = tenant.sealed_under(1, None, 10).await.expect("read").remove(0);
    let after = Sealed { key_id: 2, bytes: b"under the second".to_vec() };
    assert_eq!(tenant.replace_sealed(2, vec![Resealed { before, after }]).await.expect("refused"), 0);
    let done = keys.reseal(&account).await.expect("sealed anew");
    assert_eq!((done.resealed, done.ended), (1, 2));
    assert_eq!(opened(&world, "account-0").await["secret_0"], "CANARY-0-0");
}

/// Rotating changes the account's revision, which lists are known by, and no installation; what they say is the same.
#[tokio::test]
async fn what_a_client_has_of_an_integration_stands_after_a_rotation_and_a_list_is_sent_once_more() {
    let world = World::start().await;
    fill(&world, 1, 1).await;
    let client = world.account("account-0");
    for (path, expected) in [("/api/v1/integrations", 200), (STRIPE, 304)] {
        let before = client.get(path).await;
        let kept = client.clone().header("if-none-match", before.header("etag").expect("a tag"));
        assert_eq!(kept.get(path).await.status, 304);
        run(&world, &["keys", "rotate"]).await.ok();
        assert_eq!(kept.get(path).await.status, expected, "{path}");
        let after = client.get(path).await;
        assert!(after.body == before.body, "{path}");
        let kept = client.clone().header("if-none-match", after.header("etag").expect("a tag"));
        assert_eq!(kept.get(path).await.status, 304);
    }
}

#[tokio::test]
async fn a_secret_is_refused_only_for_the_data_key_that_is_stored_now() {
    let world = World::with(&[("keys.cache_entries", "0")]).await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({"a": "CANARY"})).await;
    let put = async |column: &str| {
        world.sql(&format!("UPDATE account_keys SET wrapped = {column}")).await;
        world.sql("UPDATE account_revisions SET revision = revision + 1").await;
    };
    world.sql("CREATE TABLE good AS SELECT wrapped FROM account_keys").await;
    put("sealed FROM installation_secrets").await;
    acme.get("/api/v1/integrations").await.ok();
    let refused = acme.post(&format!("{STRIPE}/install"), &json!({"secrets": {"a": "CANARY"}})).await;
    assert_eq!(refused.status, 503);
    put("good.wrapped FROM good").await;
    // By a server that remembers what was stored before, and has not asked since.
    install(&acme, STRIPE, json!({"a": "CANARY"})).await;
}
