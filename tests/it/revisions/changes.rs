//! Changes of one account through several replicas.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{STRIPE, install, of_accounts, replicas};
use crate::support::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_one_account_through_two_replicas_at_once_lose_none() {
    const EACH: usize = 15;
    let (one, two) = replicas().await;
    let mut running = JoinSet::new();
    for (which, world) in [&one, &two].into_iter().enumerate() {
        for n in 0..EACH {
            let client = world.account("acme");
            let body = json!({"params": {"who": which, "n": n}, "secrets": {format!("s{which}.{n}"): "CANARY_1"}});
            running.spawn(async move { client.post(&format!("{STRIPE}/install"), &body).await });
        }
    }
    let mut told = BTreeSet::new();
    while let Some(answer) = running.join_next().await {
        let answer = answer.expect("no panic").ok();
        assert_eq!(answer["changed"], true);
        told.insert(answer["integration"]["secret_names"].as_array().expect("names").len());
    }
    assert_eq!(told, (1..=2 * EACH).collect(), "each was worked out from the one before it");
    let names: BTreeSet<_> = (0..2).flat_map(|which| (0..EACH).map(move |n| format!("s{which}.{n}"))).collect();
    for world in [&one, &two] {
        let shown = world.account("acme").get(STRIPE).await.ok();
        let kept: BTreeSet<_> = shown["secret_names"].as_array().expect("names").iter().map(text).collect();
        assert_eq!(kept, names);
    }
    let stored: BTreeSet<_> = one.secrets_of("acme").await.into_iter().map(|row| row.name).collect();
    assert_eq!(stored, names);
    assert_eq!(one.open_secrets_of("acme").await.len(), 2 * EACH, "every one opens");
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_replica_that_is_behind_does_not_undo_what_the_other_did() {
    let (one, two) = replicas().await;
    let (here, there) = (one.account("acme"), two.account("acme"));
    install(&here, "stripe", json!({"a": 1})).await;
    there.get(STRIPE).await.ok();
    there.get("/api/v1/integrations").await.ok();
    // What `there` remembers is now old in every way.
    here.post(&format!("{STRIPE}/install"), &json!({"params": {"a": 2}, "secrets": {"api_key": "sk_CANARY_1"}}))
        .await
        .ok();
    install(&here, "slack", json!({})).await;
    let merged = there.post(&format!("{STRIPE}/install"), &json!({"secrets": {"extra": "CANARY_2"}})).await.ok();
    assert_eq!(merged["integration"]["params"], json!({"a": 2}));
    assert_eq!(merged["integration"]["secret_names"], json!(["api_key", "extra"]));
    // Nothing to do is also decided on what is, not on what was.
    here.post(&format!("{STRIPE}/uninstall"), &json!({})).await.ok();
    let again = there.post(&format!("{STRIPE}/install"), &json!({})).await.ok();
    assert_eq!((&again["changed"], &again["integration"]["status"]), (&json!(true), &json!("installed")));
    let gone = there.post(&format!("{STRIPE}/uninstall"), &json!({})).await.ok();
    assert_eq!(gone["changed"], true);
    assert_eq!(here.post(&format!("{STRIPE}/uninstall"), &json!({})).await.ok()["changed"], false);
}

#[tokio::test]
async fn a_second_install_is_one_statement_on_postgresql_and_one_group_on_sqlite() {
    let world = World::start().await;
    let acme = world.account("acme");
    let body = json!({"params": {"a": 1}, "secrets": {"api_key": "sk_CANARY_1", "webhook_secret": "whsec_CANARY_1"}});
    let install = || acme.post("/api/v1/integrations/stripe/install", &body);
    install().await.ok();
    let (answer, statements) = world.statements_of(install()).await;
    answer.ok();
    let most = if world.database.is_postgres() { 1 } else { 5 };
    assert_eq!(of_accounts(&statements).len(), most, "{statements:#?}");
}

#[tokio::test]
async fn removing_and_storing_secrets_in_one_change_takes_effect_as_a_whole() {
    let world = World::start().await;
    let acme = world.account("acme");
    let post = async |secrets: Value| {
        acme.post(&format!("{STRIPE}/install"), &json!({ "secrets": secrets })).await.ok()["integration"]["secret_names"]
            .clone()
    };
    assert_eq!(post(json!({"a": "CANARY_1", "b": "CANARY_2"})).await, json!(["a", "b"]));
    assert_eq!(post(json!({"a": null, "c": "CANARY_3"})).await, json!(["b", "c"]));
    assert_eq!(post(json!({"nobody": null})).await, json!(["b", "c"]));
    assert_eq!(post(json!({"b": null, "c": null})).await, json!([]));
    assert!(world.secrets_of("acme").await.is_empty());
}

#[tokio::test]
async fn a_key_that_was_retired_elsewhere_is_used_no_more() {
    use sea_orm::ConnectionTrait;
    let world = World::start().await;
    let acme = world.account("acme");
    let body = json!({"secrets": {"api_key": "sk_CANARY_1"}});
    acme.post(&format!("{STRIPE}/install"), &body).await.ok();
    // Whatever retires a key advances the account's revision in the same transaction.
    let db = world.connect().await;
    let account = "WHERE account_id = 'acme'";
    db.execute_unprepared(&format!("UPDATE account_keys SET state = 'decrypt_only' {account}")).await.expect("retired");
    db.execute_unprepared(&format!("UPDATE account_revisions SET revision = revision + 1 {account}"))
        .await
        .expect("told");
    acme.post(&format!("{STRIPE}/install"), &body).await.ok();
    // The next generation took over.
    assert_eq!(world.secrets_of("acme").await.iter().map(|row| row.key_id).collect::<Vec<_>>(), [2]);
}
