//! Giving accounts new data keys.

use std::time::{Duration, Instant};

use patchbay::domain::AccountId;
use patchbay::service::{Pace, Tally};
use serde_json::json;

use super::{SLACK, STRIPE, fill, generation, generations, install, number, opened, run, sealed_under, start};
use crate::support::{World, call};

/// As many accounts as a rotation is killed in the middle of.
const MANY: usize = 150;

#[tokio::test]
async fn a_rotation_seals_everything_anew_and_destroys_the_old_keys() {
    let world = World::start().await;
    fill(&world, 3, 4).await;
    install(&world.account("account-1"), SLACK, json!({"token": {"CANARY": [1.5, "ä\u{0}"]}})).await;
    world.account("no-secrets").post(&format!("{STRIPE}/install"), &json!({"params": {"n": 1}})).await.ok();
    let before = (opened(&world, "account-0").await, opened(&world, "account-1").await);
    let rotated = run(&world, &["keys", "rotate", "--json"]).await.done();
    for (name, value) in [
        ("outcome", json!("finished")),
        ("error", json!(null)),
        ("resumed", json!(false)),
        ("accounts", json!(3)),
        ("failed", json!(0)),
        ("failures", json!([])),
        ("new_keys", json!(3)),
        ("resealed", json!(13)),
        ("broken", json!(0)),
        ("destroyed_keys", json!(3)),
    ] {
        assert_eq!(rotated[name], value, "{name} of {rotated}");
    }
    assert!(rotated["begun_at"].is_string());
    for account in ["account-0", "account-1", "account-2"] {
        assert_eq!(generations(&world, account).await, [generation(1, "destroyed"), generation(2, "active")]);
        assert_eq!(sealed_under(&world, account).await, [2].into());
        assert_eq!(world.keys_of(account).await[0].wrapped, [0_u8; 0], "nothing is left to unwrap");
    }
    assert_eq!((opened(&world, "account-0").await, opened(&world, "account-1").await), before);
    assert_eq!(generations(&world, "no-secrets").await, []);
    let told = run(&world, &["keys", "rotate"]).await.ok();
    assert_eq!(told, "3 data keys made for 3 accounts: 13 secrets sealed anew, 3 old data keys destroyed\n");
    let events = world.account("account-0").get("/api/v1/events?action=data_key.rotated").await.ok();
    let logged: Vec<_> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| json!([event["actor"]["kind"], event["fields"]]))
        .collect();
    assert_eq!(logged, [json!(["operator", ["data_key.3"]]), json!(["operator", ["data_key.2"]])]);
}

#[tokio::test]
async fn a_rotation_of_named_accounts_leaves_the_others_alone() {
    let world = World::start().await;
    fill(&world, 3, 1).await;
    let named =
        ["keys", "rotate", "--account", "account-0", "--account", "account-2", "--account", "account-0", "--json"];
    let rotated = run(&world, &named).await.done();
    assert_eq!((&rotated["begun_at"], &rotated["new_keys"]), (&json!(null), &json!(2)), "named twice, rotated once");
    assert_eq!(generations(&world, "account-1").await, [generation(1, "active")]);
    assert_eq!(sealed_under(&world, "account-2").await, [2].into());
}

/// Waits until so many accounts have a second generation.
async fn until_rotated(world: &World, accounts: i64) {
    let started = Instant::now();
    while number(world, "SELECT count(*) FROM account_keys WHERE key_id = 2").await < accounts {
        assert!(started.elapsed() < Duration::from_secs(60), "no {accounts} accounts were rotated");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_killed_twice_is_finished_by_a_third_and_no_account_is_rotated_twice() {
    let world = World::start().await;
    fill(&world, MANY, 5).await;
    for rotated in [20, 70] {
        let mut child = start(&world, &["keys", "rotate"]);
        until_rotated(&world, rotated).await;
        // SIGKILL.
        child.kill().expect("killed");
        child.wait().expect("ended");
        let done = number(&world, "SELECT count(*) FROM account_keys WHERE key_id = 2").await;
        assert!(done < MANY as i64, "it was killed too late to tell anything");
        let status = run(&world, &["keys", "status", "--json"]).await.done();
        assert!(status["rotation_begun_at"].is_string(), "{status}");
        let verified = run(&world, &["keys", "verify", "--json"]).await.done();
        assert_eq!(verified["opened"], 5 * MANY, "everything opens half-way");
    }
    let third = run(&world, &["keys", "rotate", "--json"]).await;
    assert!(third.err.contains("Continuing the rotation begun at"), "{}", third.err);
    let third = third.done();
    assert_eq!((&third["outcome"], &third["resumed"]), (&json!("finished"), &json!(true)));
    let verified = run(&world, &["keys", "verify", "--json"]).await.done();
    assert_eq!((&verified["opened"], &verified["broken"]), (&json!(5 * MANY), &json!(0)));
    assert_eq!(number(&world, "SELECT max(key_id) FROM account_keys").await, 2);
    assert_eq!(number(&world, "SELECT count(*) FROM account_keys WHERE state = 'destroyed'").await, MANY as i64);
    assert_eq!(number(&world, "SELECT count(*) FROM installation_secrets WHERE key_id <> 2").await, 0);
    let status = run(&world, &["keys", "status", "--json"]).await.done();
    assert_eq!((&status["rotation_begun_at"], &status["to_reseal"]), (&json!(null), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rotations_at_once_give_each_account_one_new_key() {
    let world = World::start().await;
    let replica = World::builder().beside(&world).await;
    fill(&world, 60, 2).await;
    let (one, two) = (world.app.services().keys(), replica.app.services().keys());
    let (begun, _) = one.begin_rotation(false).await.expect("begun");
    assert_eq!(two.begin_rotation(false).await.expect("the same"), (begun, true));
    let call = call();
    let (one, two) = tokio::join!(one.rotate_all(begun, &call, &Unwatched), two.rotate_all(begun, &call, &Unwatched));
    let (one, two) = (one.expect("rotated"), two.expect("rotated"));
    assert_eq!((one.keys + two.keys, one.failed + two.failed), (60, 0));
    assert_eq!(number(&world, "SELECT max(key_id) FROM account_keys").await, 2);
    assert_eq!(number(&world, "SELECT count(*) FROM account_keys WHERE state = 'decrypt_only'").await, 0);
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 120);
    // As processes they may also come one after the other.
    let rotate = ["keys", "rotate", "--json"];
    let (one, two) = tokio::join!(run(&world, &rotate), run(&world, &rotate));
    let new_keys: u64 = [one.done(), two.done()].iter().map(|told| told["new_keys"].as_u64().expect("a count")).sum();
    assert!(new_keys == 60 || new_keys == 120, "{new_keys}");
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 120);
}

struct Unwatched;

impl Pace for Unwatched {
    fn begin(&self, _: u64) {}

    fn advance(&self, _: &Tally) {}

    fn fail(&self, account: &AccountId, cause: &str) {
        panic!("{account}: {cause}");
    }
}

#[tokio::test]
async fn a_rotation_that_has_not_ended_can_be_given_up_for_a_new_one() {
    let world = World::start().await;
    fill(&world, 2, 1).await;
    // Begun before the accounts had keys: going on with it finds nothing to do.
    world.sql("INSERT INTO key_marks (name, value) VALUES ('rotation', 1700000000000000)").await;
    let anew = run(&world, &["keys", "rotate", "--anew", "--json"]).await.done();
    assert_eq!((&anew["resumed"], &anew["new_keys"]), (&json!(false), &json!(2)));
    world.sql("INSERT INTO key_marks (name, value) VALUES ('rotation', 1700000000000000)").await;
    let resumed = run(&world, &["keys", "rotate", "--json"]).await.done();
    assert_eq!((&resumed["resumed"], &resumed["new_keys"]), (&json!(true), &json!(0)));
    assert_eq!(run(&world, &["keys", "rotate", "--json"]).await.done()["new_keys"], 2, "and then it has ended");
}

#[tokio::test]
async fn what_does_not_open_stays_as_it_is_and_is_told() {
    let world = World::start().await;
    fill(&world, 2, 2).await;
    let broken = "UPDATE installation_secrets SET sealed = (SELECT sealed FROM installation_secrets AS other WHERE \
        other.account_id = 'account-0' AND other.name = 'secret_1') WHERE account_id = 'account-0' AND name = 'secret_0'";
    world.sql(broken).await;
    let told = run(&world, &["keys", "rotate", "--json"]).await;
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("1 secret does not open") && told.err.contains("patchbay keys verify"), "{}", told.err);
    let rotated = told.json();
    assert_eq!(
        (&rotated["resealed"], &rotated["broken"], &rotated["destroyed_keys"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(generations(&world, "account-0").await, [generation(1, "decrypt_only"), generation(2, "active")]);
    // The value supplied again heals it.
    install(&world.account("account-0"), STRIPE, json!({"secret_0": "CANARY-new"})).await;
    let healed = run(&world, &["keys", "rotate", "--account", "account-0", "--json"]).await.done();
    assert_eq!((&healed["broken"], &healed["destroyed_keys"]), (&json!(0), &json!(2)));
}
