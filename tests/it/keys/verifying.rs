//! Opening everything.

use serde_json::{Value, json};

use super::{fill, run};
use crate::support::World;

#[tokio::test]
async fn what_does_not_open_is_named_without_a_value() {
    let world = World::start().await;
    fill(&world, 3, 3).await;
    let clean = run(&world, &["keys", "verify"]).await.ok();
    assert_eq!(clean, "9 secrets of 3 accounts opened, 0 not\n");
    let take = |from: &str, to: &str, name: &str| {
        format!(
            "UPDATE installation_secrets SET sealed = (SELECT sealed FROM installation_secrets AS other WHERE \
             other.account_id = '{from}' AND other.name = '{name}') WHERE account_id = '{to}' AND name = '{name}'"
        )
    };
    world.sql(&take("account-0", "account-1", "secret_2")).await;
    world.sql("UPDATE installation_secrets SET key_id = 9 WHERE account_id = 'account-2' AND name = 'secret_0'").await;
    let told = run(&world, &["keys", "verify", "--json"]).await;
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("2 secrets do not open"), "{}", told.err);
    let report = told.json();
    assert_eq!((&report["outcome"], &report["accounts"]), (&json!("finished"), &json!(3)));
    assert_eq!((&report["opened"], &report["broken"]), (&json!(7), &json!(2)));
    let broken: Vec<_> = report["broken_secrets"].as_array().expect("a list").iter().map(place).collect();
    let stripe = "c5c44806-6981-5408-a812-edbd36c0eef2";
    assert_eq!(
        broken,
        [json!(["account-1", stripe, "default", "secret_2"]), json!(["account-2", stripe, "default", "secret_0"]),]
    );
    assert_eq!(report["broken_secrets"][1]["cause"], "data key 9 is not there");
    assert_eq!(run(&world, &["keys", "verify", "--account", "account-0", "--json"]).await.done()["opened"], 3);
    let text = run(&world, &["keys", "verify", "--account", "account-1"]).await;
    assert_eq!(text.code, Some(1));
    assert!(
        text.out.contains("secret_2: ") && text.out.ends_with("2 secrets of 1 account opened, 1 not\n"),
        "{}",
        text.out
    );
}

#[tokio::test]
async fn a_secret_without_a_row_is_reported_by_verify_rotate_and_export() {
    let world = World::start().await;
    fill(&world, 2, 2).await;
    world.sql("DELETE FROM installation_secrets WHERE account_id = 'account-1' AND name = 'secret_0'").await;
    let told = run(&world, &["keys", "verify", "--json"]).await;
    assert_eq!((told.code, &told.json()["opened"], &told.json()["broken"]), (Some(1), &json!(3), &json!(1)));
    let broken = &told.json()["broken_secrets"][0];
    assert_eq!((&broken["name"], &broken["cause"]), (&json!("secret_0"), &json!("is on record and has no value")));
    let rotated = run(&world, &["keys", "rotate"]).await;
    assert_eq!(rotated.code, Some(1), "{}", rotated.err);
    assert!(rotated.err.contains("1 secret does not open"), "{}", rotated.err);
    let export = run(&world, &["account", "export", "account-1"]).await;
    assert_eq!(export.code, Some(1));
    assert!(export.err.contains("secret_0") && export.json()["installations"].is_array(), "{}", export.err);
}

fn place(broken: &Value) -> Value {
    json!([broken["account"], broken["integration"], broken["connection"], broken["name"]])
}

#[tokio::test]
async fn of_many_that_do_not_open_some_are_named_and_all_counted() {
    let world = World::start().await;
    fill(&world, 2, 30).await;
    world
        .sql(
            "UPDATE account_keys SET wrapped = (SELECT wrapped FROM account_keys AS other WHERE \
        other.account_id = 'account-0') WHERE account_id = 'account-1'",
        )
        .await;
    let report = run(&world, &["keys", "verify", "--json"]).await.json();
    assert_eq!((&report["opened"], &report["broken"]), (&json!(30), &json!(30)));
    assert_eq!(report["broken_secrets"].as_array().map(Vec::len), Some(20));
    let text = run(&world, &["keys", "verify"]).await.out;
    assert!(text.contains("and 10 more\n"), "{text}");
}
