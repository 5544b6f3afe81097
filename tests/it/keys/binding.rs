//! Secrets bound to counters: an earlier value does not open in place of a later one, whatever has happened to its keys.

use serde_json::{Value, json};

use super::{STRIPE, install, opened, run};
use crate::support::World;

const READ: &str = "/api/v1/integrations/stripe/secrets/read";
const SEALED: &str = "SELECT sealed FROM installation_secrets WHERE account_id = 'acme' AND name = 'api_key'";

async fn format_of(world: &World, name: &str) -> u8 {
    let rows = world.secrets_of("acme").await;
    rows.iter().find(|row| row.name == name).expect("a row").sealed[1]
}

/// Keeps the sealed value of `api_key` aside, to be put back later.
async fn keep_aside(world: &World) {
    world.sql(&format!("CREATE TABLE aside AS {SEALED}")).await;
}

async fn put_back(world: &World) {
    let earlier = "UPDATE installation_secrets SET sealed = (SELECT sealed FROM aside)";
    world.sql(&format!("{earlier} WHERE account_id = 'acme' AND name = 'api_key'")).await;
    world.sql("UPDATE installation_secrets SET key_id = 1 WHERE account_id = 'acme' AND name = 'api_key'").await;
    world.sql("DROP TABLE aside").await;
}

#[tokio::test]
async fn older_database_keeps_format_1_until_it_is_bound() {
    let world = World::start().await;
    world.sql("DELETE FROM key_marks WHERE name = 'secret_format'").await;
    let replica = World::builder().set(&[("secrets.read_back", "true")]).beside(&world).await;
    let acme = replica.account("acme");
    install(&acme, STRIPE, json!({"api_key": "sk_CANARY_1", "other": "CANARY"})).await;
    assert_eq!(format_of(&world, "api_key").await, 1, "a replica of an earlier release may have to open it");
    assert_eq!(run(&world, &["keys", "status", "--json"]).await.done()["secrets_bound"], false);
    keep_aside(&world).await;
    let bound = run(&world, &["keys", "bind", "--json"]).await.done();
    assert_eq!((&bound["bound"], &bound["broken"], &bound["accounts"]), (&json!(2), &json!(0), &json!(1)));
    assert_eq!(run(&world, &["keys", "bind", "--json"]).await.done()["bound"], 0, "once is enough");
    assert_eq!(run(&world, &["keys", "status", "--json"]).await.done()["secrets_bound"], true);
    assert_eq!((format_of(&world, "api_key").await, format_of(&world, "other").await), (2, 2));
    let both = json!({"api_key": "sk_CANARY_1", "other": "CANARY"});
    assert_eq!(acme.post(READ, &Value::Null).await.ok()["secrets"], both);
    // The replica has not read the new format yet: a bound secret stays bound.
    install(&acme, STRIPE, json!({"api_key": "sk_CANARY_2", "fresh": "CANARY"})).await;
    assert_eq!((format_of(&world, "api_key").await, format_of(&world, "fresh").await), (2, 1));
    assert_eq!(acme.post(READ, &Value::Null).await.ok()["secrets"]["api_key"], "sk_CANARY_2");
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 3);
    put_back(&world).await;
    assert_eq!(acme.post(READ, &json!({"names": ["api_key"]})).await.status, 500, "a value of format 1");
    let report = run(&world, &["keys", "verify", "--json"]).await;
    assert_eq!((report.code, &report.json()["broken"]), (Some(1), &json!(1)));
    let broken = &report.json()["broken_secrets"][0];
    assert_eq!(broken["name"], "api_key");
    assert!(broken["cause"].as_str().expect("text").contains("not the latest value"), "{broken}");
}

#[tokio::test]
async fn rotation_rewrap_and_uninstall_keep_the_counter() {
    let world = World::with(&[("secrets.read_back", "true")]).await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({"api_key": "sk_CANARY_1"})).await;
    keep_aside(&world).await;
    install(&acme, STRIPE, json!({"api_key": "sk_CANARY_2"})).await;
    let counters = async || {
        let rows = world.rows_of("acme").await;
        let line = rows.lines().find(|line| line.contains("secret_counters")).map(str::to_owned);
        line.unwrap_or_default() + &rows.lines().filter(|line| line.contains("Number(")).collect::<String>()
    };
    let before = counters().await;
    run(&world, &["keys", "rotate"]).await.ok();
    run(&world, &["keys", "add"]).await.ok();
    run(&world, &["keys", "promote", "2"]).await.ok();
    run(&world, &["keys", "rewrap"]).await.ok();
    acme.post(&format!("{STRIPE}/uninstall"), &Value::Null).await.ok();
    acme.post(&format!("{STRIPE}/install"), &json!({"params": {"note": "kept"}})).await.ok();
    assert_eq!(counters().await, before);
    assert_eq!(opened(&world, "acme").await["api_key"], "sk_CANARY_2");
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 1);
    put_back(&world).await;
    assert_eq!(run(&world, &["keys", "verify"]).await.code, Some(1));
}
