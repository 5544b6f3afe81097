//! Each limit of the configuration that a REST request can meet, hit from both sides.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use sea_orm::{ConnectionTrait, DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use serde_json::json;

use super::rows::Rows;
use super::{INSTALL, LIST, PROBLEM, STRIPE, UNINSTALL};
use crate::support::{World, eventually, skip};

const PATIENCE: Duration = Duration::from_secs(20);

/// Holds what every write of acme needs, until it is rolled back.
pub async fn hold_writes(world: &World) -> DatabaseTransaction {
    let database = world.connect().await;
    if world.database.is_postgres() {
        let held = database.begin().await.expect("begun");
        let row = "INSERT INTO account_revisions AS r (account_id, revision) VALUES ('acme', 1)
            ON CONFLICT (account_id) DO UPDATE SET revision = r.revision";
        held.execute_unprepared(row).await.expect("held");
        return held;
    }
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    database.begin_with_options(options).await.expect("held")
}

#[tokio::test]
async fn max_body_bytes_bounds_a_body() {
    let world = World::with(&[("server.max_body_bytes", "1024")]).await;
    let acme = world.account("acme");
    for path in [INSTALL, UNINSTALL] {
        acme.post_text(path, " ".repeat(1_024)).await.ok();
        let answer = acme.post_text(path, " ".repeat(1_025)).await;
        answer.assert_refused(413, "body_too_large", "Request body is larger than 1024 bytes");
    }
}

#[tokio::test]
async fn max_header_bytes_bounds_the_headers_of_every_route() {
    let world = World::with(&[("server.max_header_bytes", "1024")]).await;
    for path in [LIST, INSTALL, "/api/v1/nothing", "/healthz"] {
        let answer = world.account("acme").header("x-filler", "x".repeat(1_024)).get(path).await;
        answer.assert_refused(431, "headers_too_large", "Request headers are larger than 1024 bytes");
    }
    // The names count too: x-account-id, acme, x-filler and the value make exactly 1,024.
    let filler = 1_024 - "x-account-idacmex-filler".len();
    world.account("acme").header("x-filler", "x".repeat(filler)).get(STRIPE).await.ok();
    let over = world.account("acme").header("x-filler", "x".repeat(filler + 1)).get(STRIPE).await;
    assert_eq!(over.status, 431);
}

#[tokio::test]
async fn params_and_secrets_have_a_size_each_in_bytes_of_compact_json() {
    let world = World::with(&[("limits.params_max_bytes", "100"), ("limits.secrets_max_bytes", "50")]).await;
    let acme = world.account("acme").header("accept", PROBLEM);
    for (part, limit, code) in [("params", 100, "params_invalid"), ("secrets", 50, "secrets_invalid")] {
        let body = |size: usize| json!({part: {"x": "x".repeat(size - "{\"x\":\"\"}".len())}});
        acme.post(INSTALL, &body(limit)).await.ok();
        let before = Rows::read(&world.connect().await).await;
        let answer = acme.post(INSTALL, &body(limit + 1)).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (422, code));
        let detail = format!("larger than {limit} bytes");
        assert_eq!(answer.json()["errors"], json!([{"pointer": format!("/{part}"), "detail": detail}]));
        assert_eq!(Rows::read(&world.connect().await).await, before);
    }
    // White space is the client's own affair.
    acme.post_text(INSTALL, format!("{{\"params\": {{{}}}}}", " ".repeat(500))).await.ok();
    // One entry for the part as a whole, however much is wrong with it.
    let many: serde_json::Map<_, _> = (0..100).map(|at| (format!("bad name {at}"), json!("CANARY"))).collect();
    let answer = acme.post(INSTALL, &json!({"secrets": many})).await.json();
    assert_eq!(answer["errors"], json!([{"pointer": "/secrets", "detail": "larger than 50 bytes"}]));
}

#[tokio::test]
async fn the_default_sizes_are_64_kib_each() {
    let world = World::start().await;
    let acme = world.account("acme");
    for part in ["params", "secrets"] {
        let body = |size: usize| json!({part: {"x": "x".repeat(size - "{\"x\":\"\"}".len())}});
        acme.post(INSTALL, &body(65_536)).await.ok();
        assert_eq!(acme.post(INSTALL, &body(65_537)).await.status, 422);
    }
}

#[tokio::test]
async fn a_request_over_request_timeout_is_ended_and_takes_effect_whole_or_not_at_all() {
    let world = World::with(&[("server.request_timeout_ms", "300")]).await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({})).await.ok();
    let before = Rows::read(&world.connect().await).await;
    let held = hold_writes(&world).await;
    let started = Instant::now();
    for path in [INSTALL, UNINSTALL] {
        let answer = acme.post(path, &json!({"params": {"late": true}})).await;
        answer.assert_refused(504, "timeout", "Request timed out");
    }
    assert!((600..4_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    held.rollback().await.expect("released");
    let after = Rows::read(&world.connect().await).await;
    if world.database.is_postgres() {
        // The statement of one of them may have been sent already, and then takes effect when the lock is free.
        let (was, is) = (&before.installations[0], &after.installations[0]);
        let is_installed = is.params == json!({"late": true}) && is.installed_at == was.installed_at;
        let is_uninstalled = is.params == was.params && is.installed_at.is_none();
        assert!(after == before || is_installed || is_uninstalled, "{is:?}");
    } else {
        assert_eq!(after, before);
    }
    // The connections that were waiting come back in order.
    eventually("writes work again", PATIENCE, async || {
        let answer = acme.post(INSTALL, &json!({"params": {"at": "last"}})).await;
        assert!(matches!(answer.status.as_u16(), 200 | 503 | 504), "{} {}", answer.status, answer.text());
        answer.status == 200
    })
    .await;
    for _ in 0..5 {
        acme.post(UNINSTALL, &json!({})).await.ok();
        acme.post(INSTALL, &json!({})).await.ok();
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_ended_by_request_timeout() {
    let world = World::with(&[("server.request_timeout_ms", "100")]).await;
    for path in [INSTALL, UNINSTALL] {
        let endless = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        world.account("acme").post_text(path, endless).await.assert_refused(504, "timeout", "Request timed out");
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body_is_told_so() {
    let world = World::start().await;
    let broken = [Ok(b"{\"params\":".to_vec()), Err(std::io::Error::other("CANARY: gone"))];
    let answer = world.account("acme").post_text(INSTALL, Body::from_stream(stream::iter(broken))).await;
    answer.assert_refused(400, "bad_user_input", "The request body could not be read");
}

#[tokio::test]
async fn max_concurrent_requests_sheds_what_is_too_much_and_keeps_probes_answering() {
    let world = World::with(&[("server.max_concurrent_requests", "1")]).await;
    let acme = world.account("acme");
    // Its body is complete, and its work waits for the database.
    let held = hold_writes(&world).await;
    let client = acme.clone();
    // The request that checks the permit may hold it at that time.
    let work = async move || loop {
        let answer = client.post(INSTALL, &json!({})).await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let working = tokio::spawn(async move { work().await });
    eventually("the only permit is taken", PATIENCE, async || acme.get(LIST).await.status == 503).await;
    for (method, path) in [(Method::GET, LIST), (Method::POST, UNINSTALL)] {
        let answer = acme.send(method, path, Body::empty()).await;
        answer.assert_refused(503, "overloaded", "Server is busy");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    for probe in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.nobody().get(probe).await.status, 200, "{probe}");
    }
    held.rollback().await.expect("released");
    working.await.expect("done").ok();
    acme.get(LIST).await.ok();
}

#[tokio::test]
async fn a_request_that_gets_no_connection_in_acquire_timeout_is_told_to_come_back() {
    let settings = [("database.max_connections", "1"), ("database.acquire_timeout_ms", "400")];
    let world = World::with(&settings).await;
    if !world.database.is_postgres() {
        skip("on SQLite readers never wait");
        return;
    }
    let acme = world.account("acme");
    let held = hold_writes(&world).await;
    let first = {
        let acme = acme.clone();
        // The request that checks the permit may hold it at that time.
        let install = async move || loop {
            let answer = acme.post(INSTALL, &json!({})).await;
            if answer.status != 503 {
                return answer;
            }
        };
        tokio::spawn(async move { install().await })
    };
    eventually("the only connection is taken", PATIENCE, async || acme.get(STRIPE).await.status == 503).await;
    for path in [LIST, STRIPE] {
        let answer = acme.get(path).await;
        answer.assert_refused(503, "database_unavailable", "Database unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let other = world.account("globex").post(UNINSTALL, &json!({})).await;
    other.assert_refused(503, "database_unavailable", "Database unavailable");
    held.rollback().await.expect("released");
    first.await.expect("done").ok();
    acme.get(STRIPE).await.ok();
}

#[tokio::test]
async fn writes_while_another_process_holds_the_sqlite_file_are_told_to_come_back() {
    // A writer waits for five seconds, and the next one behind it may do so once more.
    let world = World::with(&[("server.request_timeout_ms", "30000")]).await;
    if world.database.is_postgres() {
        skip("PostgreSQL has no lock on the whole database");
        return;
    }
    let acme = world.account("acme");
    let body = json!({"params": {}});
    acme.post(INSTALL, &body).await.ok();
    let held = hold_writes(&world).await;
    let (install, uninstall) = tokio::join!(acme.post(INSTALL, &body), acme.post(UNINSTALL, &body));
    for answer in [install, uninstall] {
        answer.assert_refused(503, "database_unavailable", "Database unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    acme.get(LIST).await.ok();
    held.rollback().await.expect("released");
    acme.post(INSTALL, &body).await.ok();
}

#[tokio::test]
async fn statement_timeout_ends_a_statement_of_postgresql_without_saying_why() {
    let world = World::with(&[("database.statement_timeout_ms", "1000")]).await;
    if !world.database.is_postgres() {
        skip("SQLite has no such limit");
        return;
    }
    let held = hold_writes(&world).await;
    let answer = world.account("acme").post(INSTALL, &json!({"params": {"a": 1}})).await;
    answer.assert_refused(500, "database_error", "Database error");
    held.rollback().await.expect("released");
    assert!(Rows::read(&world.connect().await).await.is_empty());
}
