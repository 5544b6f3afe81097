//! The database fails, or is gone: what a client is told, and what it is not.

use axum::body::Body;
use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{INSTALL, LIST, PROBLEM, ROUTES, STRIPE, UNINSTALL};
use crate::support::World;

/// A world that asks the database for every row, each time.
async fn world() -> World {
    World::with(&[("database.account_cache_bytes", "0")]).await
}

async fn run(world: &World, statement: &str) {
    world.connect().await.execute_unprepared(statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
}

#[tokio::test]
async fn a_failing_database_is_a_500_that_tells_nothing_of_the_cause() {
    let world = world().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
    run(&world, "ALTER TABLE installations RENAME TO hidden_away").await;
    let routes = [("GET", LIST), ("GET", STRIPE), ("POST", INSTALL), ("POST", UNINSTALL)];
    for (method, path) in routes {
        let method = Method::from_bytes(method.as_bytes()).expect("method");
        let answer = acme.send(method.clone(), path, Body::empty()).await;
        answer.assert_refused(500, "database_error", "Database error");
        assert_eq!(answer.header("retry-after"), None);
        let acme = acme.clone().header("accept", PROBLEM).header("x-request-id", "r");
        let problem = acme.send(method, path, Body::empty()).await;
        assert_eq!(
            problem.json(),
            json!({
                "type": "urn:patchbay:problem:database_error", "title": "Internal Server Error", "status": 500,
                "detail": "Database error", "instance": "r", "code": "database_error", "errors": [],
            })
        );
    }
    // What does not need the table goes on, and so does everything once it is back.
    acme.get("/api/v1/mcp-connections").await.ok();
    run(&world, "ALTER TABLE hidden_away RENAME TO installations").await;
    assert_eq!(acme.get(STRIPE).await.ok()["params"], json!({"a": 1}));
    assert_eq!(acme.post(UNINSTALL, &json!({})).await.ok()["changed"], true);
}

#[tokio::test]
async fn a_failure_half_way_through_an_install_leaves_nothing_behind() {
    let world = world().await;
    let acme = world.account("acme");
    let secret = json!({"params": {"a": 1}, "secrets": {"api_key": "sk_test_CANARY_1"}});
    for table in ["installation_secrets", "account_keys"] {
        run(&world, &format!("ALTER TABLE {table} RENAME TO hidden_away")).await;
        acme.post(INSTALL, &secret).await.assert_refused(500, "database_error", "Database error");
        run(&world, &format!("ALTER TABLE hidden_away RENAME TO {table}")).await;
        let rows = super::rows::Rows::read(&world.connect().await).await;
        assert!(rows.installations.is_empty() && rows.secrets.is_empty() && rows.revisions.is_empty(), "{table}");
    }
    assert_eq!(acme.post(INSTALL, &secret).await.ok()["integration"]["missing_fields"], json!([]));
}

#[tokio::test]
async fn a_row_that_somebody_broke_is_a_500_for_its_account_alone() {
    let world = world().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"a": "broken"}})).await.ok();
    world.account("globex").post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
    run(&world, "UPDATE installations SET params = '[\"broken\"]' WHERE account_id = 'acme'").await;
    for path in [LIST, STRIPE] {
        acme.get(path).await.assert_refused(500, "database_error", "Database error");
        world.account("globex").get(path).await.ok();
    }
    acme.post(INSTALL, &json!({"params": {}})).await.assert_refused(500, "database_error", "Database error");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_a_503_with_a_time_to_come_back() {
    let world = World::start().await;
    let acme = world.account("acme");
    world.app.store().close().await;
    for (method, path) in ROUTES {
        let method = Method::from_bytes(method.as_bytes()).expect("method");
        let answer = acme.send(method, path, Body::empty()).await;
        if path.contains("integrations") || path.contains("events") {
            answer.assert_refused(503, "database_unavailable", "Database unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
        } else {
            answer.ok();
        }
    }
    let sealed = acme.post(INSTALL, &json!({"secrets": {"api_key": "sk_test_CANARY_1"}})).await;
    sealed.assert_refused(503, "database_unavailable", "Database unavailable");
    assert_eq!(world.nobody().get("/healthz").await.status, 200);
    assert_eq!(world.nobody().get("/readyz").await.status, 503);
    assert_eq!(world.nobody().get("/api/v1/openapi.json").await.status, 200);
}
