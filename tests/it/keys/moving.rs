//! From one provider key to another.

use serde_json::json;

use super::{fill, number, opened, run};
use crate::support::{Process, World};

fn ring(world: &World) -> String {
    world.folder.path().join("keyring.json").display().to_string()
}

#[tokio::test]
async fn a_provider_key_is_exchanged_step_by_step_and_is_then_not_needed_any_more() {
    let world = World::start().await;
    fill(&world, 12, 2).await;
    let before = opened(&world, "account-7").await;
    let sealed = world.secrets_of("account-7").await;
    let refused = run(&world, &["keys", "retire", "local:1"]).await.refused();
    assert!(refused.contains("still wraps 12 data keys") && refused.contains("patchbay keys rewrap"), "{refused}");
    assert_eq!(run(&world, &["keys", "add"]).await.ok(), "2\n");
    assert_eq!(run(&world, &["keys", "rewrap", "--json"]).await.done()["rewrapped_keys"], 0, "it only unwraps yet");
    run(&world, &["keys", "promote", "2"]).await.ok();
    for (command, sentence) in [
        (["keys", "remove", "2"], "key 2 is the primary one"),
        (["keys", "remove", "1"], "the database still knows local:1"),
        (["keys", "remove", "3"], "key 3 is not in the key ring"),
        (["keys", "retire", "local:1"], "still wraps 12 data keys"),
        (["keys", "retire", "local:2"], "is the current key"),
        (["keys", "retire", "local:3"], "no key local:3 is on record"),
        (["keys", "retire", "pepper"], "no key pepper is on record"),
    ] {
        let refused = run(&world, &command).await.refused();
        assert!(refused.contains(sentence), "{sentence} not in {refused}");
    }
    let rewrapped = run(&world, &["keys", "rewrap", "--json"]).await.done();
    assert_eq!((&rewrapped["provider_key"], &rewrapped["rewrapped_keys"]), (&json!("local:2"), &json!(12)));
    assert_eq!((&rewrapped["outcome"], &rewrapped["accounts"]), (&json!("finished"), &json!(12)));
    assert_eq!(run(&world, &["keys", "rewrap", "--json"]).await.done()["rewrapped_keys"], 0, "nothing is left to do");
    assert_eq!(number(&world, "SELECT count(*) FROM account_keys WHERE kek_ref <> 'local:2'").await, 0);
    assert_eq!(world.secrets_of("account-7").await, sealed, "what is sealed is not touched");
    assert_eq!(run(&world, &["keys", "retire", "local:1", "--json"]).await.done(), json!({"retired": "local:1"}));
    run(&world, &["keys", "remove", "1"]).await.ok();
    assert!(!std::fs::read_to_string(ring(&world)).expect("ring").contains("\"id\": 1"));
    assert_eq!(opened(&world, "account-7").await, before);
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 24);
    // A server starts without the old key, and stores.
    let replica = World::builder().beside(&world).await;
    super::install(&replica.account("account-7"), super::SLACK, json!({"token": "CANARY"})).await;
    let log: Vec<_> = run(&world, &["audit", "export", "--account", "_operator"])
        .await
        .ok()
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            json!([event["actor"]["kind"], event["action"], event["fields"][0]])
        })
        .collect();
    assert_eq!(
        log,
        [
            json!(["operator", "provider_key.rewrapped", "provider_key.local:2"]),
            json!(["operator", "provider_key.retired", "provider_key.local:1"]),
        ]
    );
}

#[tokio::test]
async fn a_server_that_still_needs_the_key_refuses_to_start_without_it() {
    let world = World::start().await;
    fill(&world, 2, 1).await;
    run(&world, &["keys", "add"]).await.ok();
    run(&world, &["keys", "promote", "2"]).await.ok();
    // By hand, past `keys remove`.
    let ring = ring(&world);
    patchbay::vault::Keyring::remove(std::path::Path::new(&ring), 1).expect("removed");
    let url = world.database.url();
    let refused =
        Process::try_serve(&["--database-url", &url, "--listen", "127.0.0.1:0"], &[("PATCHBAY_KEYRING_FILE", &ring)]);
    let complaint = refused.err().expect("refused");
    assert!(complaint.contains("this database needs key local:1 with fingerprint"), "{complaint}");
}
