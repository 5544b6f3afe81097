//! Connections with HTTP/2: idle ones, old ones, and streams that are not read.

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use h2::client::{Builder, ResponseFuture, SendRequest};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::support::eventually;

/// A connection and its end.
struct Connection {
    requests: SendRequest<Bytes>,
    ended: JoinHandle<Result<(), h2::Error>>,
}

/// Opens a connection on which each stream may receive `window` bytes.
async fn connect(served: &Served, window: u32) -> Connection {
    let stream = TcpStream::connect(served.address).await.expect("connected");
    let handshake = Builder::new().initial_window_size(window).handshake(stream);
    let (requests, connection) = handshake.await.expect("HTTP/2");
    // Answers the server's PINGs as long as it lives.
    Connection { requests, ended: tokio::spawn(connection) }
}

impl Connection {
    async fn get(&mut self, served: &Served, path: &str) -> ResponseFuture {
        let request = Request::get(served.url(path)).header("x-account-id", "acme").body(()).expect("a request");
        let mut ready = self.requests.clone().ready().await.expect("open");
        ready.send_request(request, true).expect("sent").0
    }

    async fn status(&mut self, served: &Served, path: &str) -> Option<StatusCode> {
        let Ok(mut ready) = self.requests.clone().ready().await else { return None };
        let request = Request::get(served.url(path)).header("x-account-id", "acme").body(()).expect("a request");
        let (response, _) = ready.send_request(request, true).ok()?;
        Some(response.await.ok()?.status())
    }
}

#[tokio::test]
async fn an_idle_http2_connection_ends_although_pings_are_answered() {
    let (_world, served) = open(&[("server.keep_alive_ms", "1000")]).await;
    let mut connection = connect(&served, 65_535).await;
    assert_eq!(connection.status(&served, "/api/v1/integrations/stripe").await, Some(StatusCode::OK));
    let ended = timeout(PATIENCE, connection.ended).await.expect("in time").expect("no panic");
    assert!(ended.is_ok(), "GOAWAY without an error: {ended:?}");
}

#[tokio::test]
async fn an_http2_connection_has_a_greatest_age() {
    let (_world, served) = open(&[("server.max_connection_age_ms", "1000")]).await;
    let mut connection = connect(&served, 65_535).await;
    eventually("no further stream is taken", PATIENCE, async || {
        connection.status(&served, "/api/v1/integrations/stripe").await.is_none()
    })
    .await;
    timeout(PATIENCE, connection.ended).await.expect("in time").expect("no panic").expect("GOAWAY without an error");
}

#[tokio::test]
async fn an_http2_stream_that_is_not_read_ends_and_frees_its_permit() {
    let (_world, served) = open(&[("server.max_concurrent_requests", "1"), ("server.write_timeout_ms", "800")]).await;
    let wire = served.wire("acme").await;
    // One byte of window has the library take all that it is given.
    for window in [0, 1, 16_384] {
        let mut connection = connect(&served, window).await;
        let unread = connection.get(&served, LARGE_PAGE).await.await.expect("a response");
        assert_eq!(unread.status(), StatusCode::OK);
        assert_eq!(wire.get(LIST).await.status, 503, "window {window}");
        eventually("the permit is free", PATIENCE, async || wire.get(LIST).await.status == 200).await;
        let _ = timeout(PATIENCE, connection.ended).await.expect("the connection ends");
        drop(unread);
    }
}

#[tokio::test]
async fn unfinished_http2_requests_take_no_permit_from_work() {
    let settings = [("server.max_concurrent_requests", "2"), ("server.body_idle_timeout_ms", "60000")];
    let (_world, served) = open(&settings).await;
    let connection = connect(&served, 65_535).await;
    let mut unfinished = Vec::new();
    for _ in 0..20 {
        let request = Request::post(served.url("/graphql")).header("content-type", "application/json");
        let request = request.header("x-account-id", "acme").body(()).expect("a request");
        let mut ready = connection.requests.clone().ready().await.expect("open");
        unfinished.push(ready.send_request(request, false).expect("sent"));
    }
    let wire = served.wire("acme").await;
    for _ in 0..5 {
        wire.get(LIST).await.ok();
    }
}
