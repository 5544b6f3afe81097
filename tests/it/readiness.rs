//! The state of the database that the readiness probe reports, and the number of its statements.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::{TestDatabase, World, eventually, has_server};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn fifty_probes_cost_at_most_five_look_ups() {
    let world = World::start().await;
    let nobody = world.nobody();
    nobody.get("/readyz").await.ok();
    let ((), statements) = world
        .statements_of(async {
            for _ in 0..50 {
                nobody.get("/readyz").await.ok();
            }
        })
        .await;
    // A slow machine may need longer than half a second for all of them.
    let lookups = statements.iter().filter(|statement| statement.contains("schema_migrations")).count();
    assert!(lookups <= 5, "{lookups} look-ups for 50 probes");
}

#[tokio::test]
async fn a_server_that_only_reads_is_not_strictly_ready() {
    if !has_server() {
        return;
    }
    let server = std::env::var("TEST_DATABASE_URL").expect("server");
    let database = TestDatabase::whole(&server, false).await;
    let world = World::builder().on(database).await;
    let nobody = world.nobody();
    assert_eq!(nobody.get("/readyz?strict=1").await.ok()["database"], "ok");
    let db = world.connect().await;
    let name = world.database.admin_url().rsplit_once('/').expect("name").1.to_owned();
    db.execute_unprepared(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.expect("set");
    db.execute_unprepared(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    ))
    .await
    .expect("ended");
    eventually("the probe reports it", SOON, async || {
        let strict = nobody.get("/readyz?strict=1").await;
        strict.status == 503 && strict.json()["database"] == "read_only"
    })
    .await;
    assert_eq!(nobody.get("/readyz").await.ok()["database"], json!("read_only"), "reads are still served");
    let install = world.account("acme").post("/api/v1/integrations/stripe/install", &json!({})).await;
    assert_eq!((install.status.as_u16(), install.error_code()), (503, "database_unavailable"));
    db.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_with_another_encoding_is_refused() {
    if !has_server() {
        return;
    }
    let server = std::env::var("TEST_DATABASE_URL").expect("server");
    let admin = sea_orm::Database::connect(&server).await.expect("connected");
    let name = format!("d_{}", uuid::Uuid::new_v4().simple());
    let make = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    admin.execute_unprepared(&make).await.expect("made");
    admin.close().await.expect("closed");
    let url = format!("{}/{name}", server.rsplit_once('/').expect("a database").0);
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let refused = crate::support::Process::run(&["migrate", "--database-url", &url, "--data-dir", &data]);
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{complaint}");
    assert!(complaint.contains("encoding LATIN1") && complaint.contains("ENCODING 'UTF8'"), "{complaint}");
}
