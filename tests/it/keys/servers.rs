//! A change of provider keys beside servers that run: they follow it, or the change is refused.

use std::time::Duration;

use patchbay::vault::Keyring;
use serde_json::{Value, json};

use super::{STRIPE, fill, install, number, run};
use crate::support::{Process, Wire, World, eventually};

const READ: &str = "/api/v1/integrations/stripe/secrets/read";
/// Servers look for unknown provider keys every ten seconds.
const SOON: Duration = Duration::from_secs(30);
/// Every data key is unwrapped anew, so that a missing provider key shows at once.
const WITHOUT_CACHE: [(&str, &str); 2] = [("secrets.read_back", "true"), ("keys.cache_entries", "0")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_server_follows_a_new_provider_key_without_a_restart() {
    let world = World::with(&WITHOUT_CACHE).await;
    fill(&world, 2, 1).await;
    let served = world.serve().await;
    eventually("it is announced", SOON, async || number(&world, "SELECT count(*) FROM servers").await == 1).await;
    run(&world, &["keys", "add"]).await.ok();
    run(&world, &["keys", "promote", "2"]).await.ok();
    assert_eq!(run(&world, &["keys", "rewrap", "--json"]).await.done()["rewrapped_keys"], 2);
    let client = world.account("account-1");
    assert_eq!(client.post(READ, &Value::Null).await.ok()["secrets"]["secret_0"], "CANARY-1-0");
    install(&world.account("fresh"), STRIPE, json!({"token": "CANARY"})).await;
    assert_eq!(world.keys_of("fresh").await[0].kek_ref, "local:2", "it wraps with the new key");
    run(&world, &["keys", "retire", "local:1"]).await.ok();
    run(&world, &["keys", "remove", "1"]).await.ok();
    assert_eq!(client.post(READ, &Value::Null).await.ok()["secrets"]["secret_0"], "CANARY-1-0");
    assert_eq!(world.nobody().get("/readyz?strict=1").await.ok()["secrets"], "ok");
    served.stop().await;
    assert_eq!(number(&world, "SELECT count(*) FROM servers").await, 0, "it is forgotten when it stops");
}

#[tokio::test]
async fn server_that_has_left_is_not_announced_again() {
    let world = World::with(&[]).await;
    let keys = world.app.services().keys();
    let follow = async || tokio::time::timeout(Duration::from_secs(1), keys.follow(Duration::from_millis(50))).await;
    follow().await.expect_err("it never ends");
    assert_eq!(number(&world, "SELECT count(*) FROM servers").await, 1);
    keys.leave().await;
    // Its upkeep goes on until it is cut off.
    follow().await.expect_err("it never ends");
    assert_eq!(number(&world, "SELECT count(*) FROM servers").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rewrap_is_refused_while_a_server_lacks_the_key_and_forced_is_shown_by_probes() {
    let world = World::with(&WITHOUT_CACHE).await;
    let replica = World::builder().set(&WITHOUT_CACHE).beside(&world).await;
    fill(&world, 2, 1).await;
    let served = replica.serve().await;
    eventually("it is announced", SOON, async || number(&world, "SELECT count(*) FROM servers").await == 1).await;
    run(&world, &["keys", "add"]).await.ok();
    let refused = run(&world, &["keys", "promote", "2"]).await.refused();
    assert!(refused.contains("1 running server does not know local:2") && refused.contains("SIGHUP"), "{refused}");
    run(&world, &["keys", "promote", "2", "--force"]).await.ok();
    for command in ["rewrap", "rotate"] {
        let refused = run(&world, &["keys", command]).await.refused();
        assert!(refused.contains("1 running server does not know local:2"), "{refused}");
    }
    assert_eq!(number(&world, "SELECT count(*) FROM account_keys WHERE kek_ref = 'local:2'").await, 0);
    assert_eq!(run(&world, &["keys", "rewrap", "--force", "--json"]).await.done()["rewrapped_keys"], 2);
    let nobody = replica.nobody();
    eventually("strict readiness shows it", SOON, async || nobody.get("/readyz?strict=1").await.status == 503).await;
    assert_eq!(nobody.get("/readyz").await.ok()["secrets"], "degraded");
    let metrics = nobody.get("/metrics").await.text().to_owned();
    assert!(metrics.contains("patchbay_data_keys_unopenable 2"), "{metrics}");
    let refused = run(&world, &["keys", "retire", "local:1"]).await.refused();
    assert!(refused.contains("does not wrap new data keys with another key than local:1 yet"), "{refused}");
    std::fs::copy(world.folder.path().join("keyring.json"), replica.folder.path().join("keyring.json"))
        .expect("copied");
    replica.app.services().keys().reload_ring().await;
    assert_eq!(nobody.get("/readyz?strict=1").await.ok()["secrets"], "ok");
    assert!(nobody.get("/metrics").await.text().contains("patchbay_data_keys_unopenable 0"));
    let read = replica.account("account-1").post(READ, &Value::Null).await.ok();
    assert_eq!(read["secrets"]["secret_0"], "CANARY-1-0");
    served.stop().await;
}

#[tokio::test]
async fn hangup_reads_the_key_ring_again_and_never_ends_the_server() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let process = Process::serve(&["--data-dir", &data]);
    let ring = folder.path().join("keyring.json");
    let said = async |text: &str| {
        eventually(text, SOON, async || process.log().contains(text)).await;
    };
    process.signal("HUP");
    said("the key ring file holds the keys in use").await;
    Keyring::add(&ring).expect("added");
    process.signal("HUP");
    said("read the key ring again").await;
    std::fs::write(&ring, "{").expect("broken");
    process.signal("HUP");
    said("the key ring cannot be read again: the keys in use stay").await;
    let acme = Wire::new(&process.url, "acme");
    acme.post(&format!("{STRIPE}/install"), &json!({"secrets": {"api_key": "sk_CANARY"}})).await.ok();
    let log = process.stop().1;
    assert!(log.contains("SIGHUP"), "{log}");
}
