//! Behind a transaction pooler: every transaction may meet another server connection.
//!
//! `TEST_POOLER_URL` is a PgBouncer in transaction mode in front of the server of `TEST_DATABASE_URL`; `scripts/test`
//! starts one. Both end in a database name, which is replaced by a fresh database. With `TEST_BEHIND_POOLER=1` the whole
//! suite runs behind it.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions, PgConnection};
use serde_json::json;

use crate::support::{TestDatabase, World, has_row_level_security, skip};

#[tokio::test]
async fn installs_and_lists_in_parallel_over_few_server_connections() {
    let (Ok(pooler), Ok(server)) = (std::env::var("TEST_POOLER_URL"), std::env::var("TEST_DATABASE_URL")) else {
        skip("TEST_POOLER_URL names no pooler; scripts/test starts one");
        return;
    };
    let database = TestDatabase::whole(&server, has_row_level_security()).await.behind(&pooler);
    let world = World::builder().on(database).await;
    let work = (0..60).map(|n| {
        let client = world.account(&format!("account-{}", n % 20));
        async move {
            let body = json!({"params": {"n": n}, "secrets": {"api_key": "sk_test_CANARY_pooler"}});
            let installed = client.post("/api/v1/integrations/stripe/install", &body).await.ok();
            assert_eq!(installed["changed"], true);
            let listed = client.get("/api/v1/integrations?status=installed").await.ok();
            assert_eq!(listed["total"], 1);
            assert_eq!(listed["integrations"][0]["secret_names"], json!(["api_key"]));
        }
    });
    join_all(work).await;
    let gone = world.account("account-0").post("/api/v1/integrations/stripe/uninstall", &json!(null)).await.ok();
    assert_eq!(gone["changed"], true);
}

/// As others do that start at the same moment: nothing is answered until they are done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_its_turn_at_the_pooler() {
    let (Ok(pooler), Ok(server)) = (std::env::var("TEST_POOLER_URL"), std::env::var("TEST_DATABASE_URL")) else {
        skip("TEST_POOLER_URL names no pooler; scripts/test starts one");
        return;
    };
    let database = TestDatabase::whole(&server, has_row_level_security()).await.behind(&pooler);
    let silence = Duration::from_millis(600);
    let mut others = Vec::new();
    for _ in 0..SERVER_CONNECTIONS {
        let mut other = connect(&database.url()).await;
        sqlx::raw_sql("BEGIN; SELECT 1").execute(&mut other).await.expect("begun");
        others.push(other);
    }
    let leaving = tokio::spawn(async move {
        tokio::time::sleep(3 * silence).await;
        drop(others);
    });
    let silence = silence.as_millis().to_string();
    let _world = World::builder().set(&[("database.silence_ms", &*silence)]).on(database).await;
    assert!(leaving.is_finished(), "it did not have to wait");
}

/// Those of the pooler to one database, at most.
const SERVER_CONNECTIONS: usize = 4;

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("a URL");
    options.extra_float_digits(None).connect().await.expect("connected")
}
