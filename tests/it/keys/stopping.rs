//! A run that is asked to stop.

use std::time::Duration;

use serde_json::json;

use super::{Told, fill, number, run, start};
use crate::support::{World, eventually, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_stops_a_rotation_between_accounts_and_another_run_goes_on() {
    let world = World::start().await;
    fill(&world, 120, 2).await;
    for (name, rotated) in [("INT", 10), ("TERM", 50)] {
        let child = start(&world, &["keys", "rotate", "--json"]);
        eventually("some accounts are rotated", Duration::from_secs(60), async || {
            number(&world, "SELECT count(*) FROM account_keys WHERE key_id = 2").await >= rotated
        })
        .await;
        signal(child.id(), name);
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().expect("ended")).await.expect("waited");
        let told = Told::of(&output);
        assert_eq!(told.code, Some(1), "{}", told.err);
        assert!(told.err.contains("run `patchbay keys rotate` again to go on"), "{}", told.err);
        let report = told.json();
        assert_eq!(report["outcome"], "stopped");
        assert_eq!(report["new_keys"], report["destroyed_keys"], "no account is left half-way: {report}");
    }
    let last = run(&world, &["keys", "rotate", "--json"]).await.done();
    assert_eq!((&last["outcome"], &last["resumed"]), (&json!("finished"), &json!(true)));
    assert_eq!(number(&world, "SELECT max(key_id) FROM account_keys").await, 2);
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 240);
}
