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
