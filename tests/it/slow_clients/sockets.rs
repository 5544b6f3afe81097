//! WebSockets that stay open.

use serde_json::json;

use super::*;
use crate::graphql::socket::{PROTOCOL, Said, Socket};
use crate::support::eventually;

/// Opens a socket for an account; the close code when the server does not take it.
async fn try_open(served: &Served, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let mut socket = Socket::open_at(&served.address.to_string(), headers).await.expect("upgraded");
    socket.send(&json!({"type": "connection_init"})).await;
    match socket.next().await {
        Said::Closed(code, _) => Err(code),
        Said::Json(said) => {
            assert_eq!(said["type"], "connection_ack");
            Ok(socket)
        }
    }
}

#[tokio::test]
async fn sockets_are_bounded_per_account_and_return() {
    let (_world, served) = open(&[("graphql.max_sockets_per_account", "2")]).await;
    let socket = async |account| try_open(&served, &[PROTOCOL, ("x-account-id", account)]).await;
    let held = [socket("acme").await.expect("the first"), socket("acme").await.expect("the second")];
    assert_eq!(socket("acme").await.err(), Some(1013));
    socket("other").await.expect("another account has its own");
    drop(held);
    eventually("sockets return", PATIENCE, async || socket("acme").await.is_ok()).await;
}

#[tokio::test]
async fn sockets_are_bounded_per_credential() {
    let (world, served) = with_api_keys(&[("graphql.max_sockets_per_credential", "2")]).await;
    let key = make_key(&world.app, &["installations:read"], &["acme", "other"], None).await;
    let authorization = format!("Bearer {}", key.secret.expose());
    let socket = async |account| {
        try_open(&served, &[PROTOCOL, ("x-account-id", account), ("authorization", &authorization)]).await
    };
    let _held = [socket("acme").await.expect("the first"), socket("other").await.expect("the second")];
    assert_eq!(socket("acme").await.err(), Some(1013));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_reads_nothing_keeps_no_connection_of_the_database() {
    // Long enough for the work of the queries, and shorter than a message may take to be written.
    let patience = ("database.acquire_timeout_ms", "5000");
    let (_world, served) = open(&[("limits.rate", "false"), ("limits.requests_in_flight", "0"), patience]).await;
    let mut socket = try_open(&served, &[PROTOCOL, ("x-account-id", "acme")]).await.expect("open");
    let wire = served.wire("other").await;
    // Answers of some 700 KB, more than all buffers hold.
    let query =
        "{ integrations(first: 200) { nodes { name status params paramsSchema secretsSchema fields { name help } } } }";
    for n in 0..40 {
        socket.subscribe(&format!("{n}"), query).await;
    }
    for _ in 0..10 {
        assert_eq!(wire.get(LIST).await.status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn large_answers_of_a_socket_are_bounded_until_they_are_read() {
    let (_world, served) = open(&[("limits.rate", "false"), ("server.max_unwritten_bytes", "1000000")]).await;
    let mut socket = try_open(&served, &[PROTOCOL, ("x-account-id", "acme")]).await.expect("open");
    let query =
        "{ integrations(first: 200) { nodes { name status params paramsSchema secretsSchema fields { name help } } } }";
    for n in 0..10 {
        socket.subscribe(&format!("{n}"), query).await;
    }
    // All are answered, and none is read.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut refused, mut ended) = (0, 0);
    while ended < 10 {
        match socket.next().await {
            Said::Json(said) if said["type"] == "next" => {}
            Said::Json(said) if said["type"] == "complete" => ended += 1,
            Said::Json(said) => {
                assert_eq!(said["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{said}");
                refused += 1;
                ended += 1;
            }
            said => panic!("{said:?}"),
        }
    }
    assert!(refused > 0, "too many bytes waited");
    let answer = socket.answer(query).await;
    assert_eq!(answer.get("errors"), None, "what was read is free again");
}
