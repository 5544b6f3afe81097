//! Bounds of one peer address.

use tokio::io::AsyncReadExt;

use super::*;
use crate::support::eventually;

const COUNTED: (&str, &str) = ("server.unlimited_peers", "");

async fn is_closed(served: &Served) -> bool {
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    !matches!(stream.read(&mut [0; 16]).await, Ok(1..))
}

#[tokio::test]
async fn connections_are_bounded_per_peer_and_proxies_are_exempt() {
    let (_world, served) = open(&[COUNTED, ("server.max_connections_per_peer", "2")]).await;
    let held = [begin(&served, "GET", LIST, "").await, begin(&served, "GET", LIST, "").await];
    eventually("the third is closed", PATIENCE, async || is_closed(&served).await).await;
    drop(held);
    eventually("connections return", PATIENCE, async || !is_closed(&served).await).await;
    let (_world, served) = open(&[("server.max_connections_per_peer", "2")]).await;
    let _held = [begin(&served, "GET", LIST, "").await, begin(&served, "GET", LIST, "").await];
    assert!(!is_closed(&served).await, "loopback has no limit");
}

#[tokio::test]
async fn unfinished_requests_are_bounded_per_peer_and_probes_are_answered() {
    let (_world, served) = open(&[COUNTED, ("server.max_requests_per_peer", "1")]).await;
    let wire = served.wire("acme").await;
    let unfinished = begin_body(&served, "/graphql").await;
    eventually("a second request is refused", PATIENCE, async || wire.get(LIST).await.status == 503).await;
    assert_eq!(wire.get("/healthz").await.status, 200);
    drop(unfinished);
    eventually("requests return", PATIENCE, async || wire.get(LIST).await.status == 200).await;
}
