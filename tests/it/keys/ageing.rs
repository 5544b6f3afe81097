//! Data keys that a server renews by itself.

use std::time::Duration;

use chrono::Utc;
use entity::account_key::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::{STRIPE, generation, generations, install, opened, sealed_under};
use crate::support::{World, eventually};

const SOON: Duration = Duration::from_secs(10);

/// Makes the account's data keys so many days older, behind the server's back.
async fn age(world: &World, account: &str, days: i64) {
    let db = world.connect().await;
    let made = Utc::now() - chrono::Duration::days(days);
    let older =
        Entity::update_many().col_expr(Column::CreatedAt, Expr::value(made)).filter(Column::AccountId.eq(account));
    older.exec(&db).await.expect("older");
    db.close().await.expect("closed");
    forget(world, account).await;
}

/// Has the server read the account's rows again.
async fn forget(world: &World, account: &str) {
    world.sql(&format!("UPDATE account_revisions SET revision = revision + 1 WHERE account_id = '{account}'")).await;
}

async fn until_renewed(world: &World, account: &str, id: i64) {
    eventually("the old generation has ended", SOON, async || {
        let mut expected: Vec<_> = (1..id).map(|old| generation(old, "destroyed")).collect();
        expected.push(generation(id, "active"));
        generations(world, account).await == expected
    })
    .await;
}

#[tokio::test]
async fn a_data_key_that_is_old_enough_is_renewed_by_the_next_secret_and_no_other() {
    let world = World::with(&[("keys.data_key_max_age_days", "30")]).await;
    for account in ["old", "young"] {
        install(&world.account(account), STRIPE, json!({"a": "CANARY-a", "b": "CANARY-b"})).await;
    }
    age(&world, "old", 31).await;
    age(&world, "young", 29).await;
    world.account("old").post(&format!("{STRIPE}/install"), &json!({"params": {"n": 1}})).await.ok();
    assert_eq!(generations(&world, "old").await, [generation(1, "active")], "nothing was to be sealed");
    for account in ["old", "young"] {
        install(&world.account(account), STRIPE, json!({"c": "CANARY-c"})).await;
    }
    until_renewed(&world, "old", 2).await;
    assert_eq!(sealed_under(&world, "old").await, [2].into());
    assert_eq!(json!(opened(&world, "old").await), json!({"a": "CANARY-a", "b": "CANARY-b", "c": "CANARY-c"}));
    assert_eq!(generations(&world, "young").await, [generation(1, "active")]);
    let log = world.account("old").get("/api/v1/events?action=data_key.rotated").await.ok();
    assert_eq!((&log["events"][0]["actor"]["kind"], &log["events"][0]["actor"]["id"]), (&json!("system"), &json!("")));
}

#[tokio::test]
async fn with_an_age_of_0_no_data_key_is_renewed() {
    let world = World::with(&[("keys.data_key_max_age_days", "0")]).await;
    install(&world.account("acme"), STRIPE, json!({"a": "CANARY"})).await;
    age(&world, "acme", 10_000).await;
    install(&world.account("acme"), STRIPE, json!({"a": "CANARY"})).await;
    assert_eq!(generations(&world, "acme").await, [generation(1, "active")]);
}

#[tokio::test]
async fn a_data_key_that_has_sealed_enough_is_renewed() {
    let world = World::with(&[("keys.data_key_max_seals", "3")]).await;
    let acme = world.account("acme");
    for n in 1..=3 {
        install(&acme, STRIPE, json!({ "a": format!("CANARY-{n}") })).await;
    }
    assert_eq!(generations(&world, "acme").await, [generation(1, "active")], "three are allowed");
    install(&acme, STRIPE, json!({"a": "CANARY-4"})).await;
    until_renewed(&world, "acme", 2).await;
    // Of the three, the one that was sealed anew is counted.
    install(&acme, STRIPE, json!({"a": "CANARY-5"})).await;
    install(&acme, STRIPE, json!({"a": "CANARY-6"})).await;
    assert_eq!(generations(&world, "acme").await.len(), 2);
    install(&acme, STRIPE, json!({"a": "CANARY-7"})).await;
    until_renewed(&world, "acme", 3).await;
    assert_eq!(opened(&world, "acme").await["a"], "CANARY-7");
}

#[tokio::test]
async fn a_data_key_that_has_sealed_all_it_may_seals_nothing_until_it_is_renewed() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({"a": "CANARY-1"})).await;
    world.sql("UPDATE account_revisions SET seals = 4294967296").await;
    // As long as there is no number for another one.
    let columns = "provider, kek_ref, wrapped, created_at, seals_before";
    let last = format!("SELECT account_id, 4294967295, 'destroyed', {columns} FROM account_keys");
    world.sql(&format!("INSERT INTO account_keys (account_id, key_id, state, {columns}) {last}")).await;
    forget(&world, "acme").await;
    let body = json!({"secrets": {"a": "CANARY-2"}});
    for _ in 0..2 {
        let refused = acme.post(&format!("{STRIPE}/install"), &body).await;
        refused.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(opened(&world, "acme").await["a"], "CANARY-1", "nothing was written");
    }
    acme.post(&format!("{STRIPE}/install"), &json!({"params": {"n": 1}, "secrets": {"b": null}})).await.ok();
    world.sql("DELETE FROM account_keys WHERE state = 'destroyed'").await;
    eventually("it is renewed, and seals", SOON, async || {
        acme.post(&format!("{STRIPE}/install"), &body).await.status == 200
    })
    .await;
    assert_eq!(sealed_under(&world, "acme").await, [2].into());
    until_renewed(&world, "acme", 2).await;
    assert_eq!(opened(&world, "acme").await["a"], "CANARY-2");
}

#[tokio::test]
async fn two_replicas_that_find_the_same_key_due_make_one_new_key() {
    let world = World::with(&[("keys.data_key_max_age_days", "30")]).await;
    let replica = World::builder().set(&[("keys.data_key_max_age_days", "30")]).beside(&world).await;
    for round in 1..=5 {
        install(&world.account("acme"), STRIPE, json!({"a": "CANARY"})).await;
        age(&world, "acme", 31).await;
        let (one, two) = (world.account("acme"), replica.account("acme"));
        tokio::join!(install(&one, STRIPE, json!({"a": "CANARY"})), install(&two, STRIPE, json!({"b": "CANARY"})));
        until_renewed(&world, "acme", round + 1).await;
    }
}
