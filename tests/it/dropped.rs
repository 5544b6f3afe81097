//! Requests whose client goes away half-way: nothing half written, no transaction left open on a pooled connection.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::json;

use crate::support::{TestDatabase, World, eventually, has_row_level_security, pooler_of_the_suite};

const INSTALL: &str = "/api/v1/integrations/stripe/install";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_requests_leave_no_transaction_open() {
    let world = match std::env::var("TEST_DATABASE_URL") {
        Ok(server) => {
            let database = TestDatabase::whole(&server, has_row_level_security()).await;
            let database = match pooler_of_the_suite() {
                Some(pooler) => database.behind(&pooler),
                None => database,
            };
            World::builder().on(database).await
        }
        Err(_) => World::start().await,
    };
    for round in 0..20_u64 {
        let dropped = (0..10_u64).map(|n| {
            let client = world.account(&format!("account-{n}"));
            let patience = Duration::from_micros((round * 10 + n) * 40);
            let body = json!({"params": {"round": round}, "secrets": {"api_key": "sk_test_CANARY_dropped"}});
            async move {
                let _ = tokio::time::timeout(patience, client.post(INSTALL, &body)).await;
            }
        });
        join_all(dropped).await;
    }
    if world.database.is_postgres() {
        let admin = world.connect().await;
        eventually("no session is idle in a transaction", Duration::from_secs(5), async || {
            open_transactions(&admin).await == 0
        })
        .await;
    }
    for n in 0..10 {
        let client = world.account(&format!("account-{n}"));
        client.post(INSTALL, &json!({"params": {"last": n}})).await.ok();
        let shown = client.get("/api/v1/integrations/stripe").await.ok();
        assert_eq!(shown["params"], json!({"last": n}));
    }
}

async fn open_transactions(admin: &DatabaseConnection) -> i64 {
    let sql = "SELECT count(*) AS open FROM pg_stat_activity \
               WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let statement = Statement::from_string(admin.get_database_backend(), sql);
    let row = admin.query_one_raw(statement).await.expect("asked").expect("a row");
    row.try_get("", "open").expect("a number")
}
