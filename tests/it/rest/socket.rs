//! On a real socket: slow heads, large heads, connections that stay.

use std::time::{Duration, Instant};

use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http::HeaderValue};

use super::wire::Wire;
use crate::support::{Served, World};

const GET: &str = "GET /api/v1/integrations/stripe HTTP/1.1\r\nHost: localhost\r\nX-Account-ID: acme\r\n\r\n";
const HEADER_TIMEOUT: Duration = Duration::from_millis(300);

async fn impatient() -> (World, Served) {
    let world = World::with(&[("server.header_timeout_ms", "300"), ("server.keep_alive_ms", "1000")]).await;
    let served = world.serve().await;
    (world, served)
}

#[tokio::test]
async fn a_head_that_is_never_finished_is_answered_408_and_closed() {
    let (_world, served) = impatient().await;
    for head in
        ["G", "GET /api/v1/integrations HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Account-ID: acme\r\nX-A"]
    {
        let started = Instant::now();
        let mut wire = Wire::open(served.address).await;
        wire.send(head).await;
        let answer = wire.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head:?}: {answer:?}");
        assert!(answer.ends_with("\r\n\r\nRequest headers took too long"), "{answer:?}");
        assert!(answer.contains("x-error-code: headers_timeout\r\n"), "{answer:?}");
        assert!(started.elapsed() >= HEADER_TIMEOUT && started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_head_that_drips_in_is_ended_as_one_that_stops() {
    let (_world, served) = impatient().await;
    let mut wire = Wire::open(served.address).await;
    let started = Instant::now();
    wire.send("GET / HTTP/1.1\r\n").await;
    // A byte now and then must not start the clock anew.
    let drip = async {
        for _ in 0..100 {
            wire.try_send("X").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if started.elapsed() > 4 * HEADER_TIMEOUT {
                break;
            }
        }
        wire.rest().await
    };
    assert!(!drip.await.contains("200 OK"));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let (_world, served) = impatient().await;
    let mut wire = Wire::open(served.address).await;
    let started = Instant::now();
    assert_eq!(wire.rest().await, "");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_connection_rests_longer_between_requests_than_a_head_may_take_and_not_for_ever() {
    let (_world, served) = impatient().await;
    let mut wire = Wire::open(served.address).await;
    for _ in 0..3 {
        wire.send(GET).await;
        let (head, body) = wire.answer().await;
        assert!(head.starts_with("http/1.1 200") && body.contains("\"stripe\""), "{head}");
        // The pause is the point: twice the header time-out, half the keep-alive.
        tokio::time::sleep(2 * HEADER_TIMEOUT).await;
    }
    let started = Instant::now();
    assert_eq!(wire.rest().await, "");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_second_head_of_a_connection_has_the_same_time_as_the_first() {
    let (_world, served) = impatient().await;
    let mut wire = Wire::open(served.address).await;
    wire.send(GET).await;
    wire.answer().await;
    wire.send("GET / HTTP/1.1\r\n").await;
    assert!(wire.rest().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn requests_sent_in_one_go_are_answered_in_order() {
    let (_world, served) = impatient().await;
    let mut wire = Wire::open(served.address).await;
    wire.send(GET.repeat(5)).await;
    for _ in 0..5 {
        assert!(wire.answer().await.0.starts_with("http/1.1 200"));
    }
}

#[tokio::test]
async fn large_and_many_headers_are_refused_with_a_4xx() {
    let world = World::start().await;
    let served = world.serve().await;
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: {}\r\n\r\n", "x".repeat(64 * 1_024));
    let mut wire = Wire::open(served.address).await;
    wire.send(&large).await;
    let (head, body) = wire.answer().await;
    assert!(head.starts_with("http/1.1 431 "), "{head}");
    assert!(head.contains("x-error-code: headers_too_large\r\n"), "{head}");
    assert_eq!(body, "Request headers are larger than 32768 bytes");

    let many: String = (0..300).map(|at| format!("X-{at}: y\r\n")).collect();
    let endless = "x".repeat(2 * 1_024 * 1_024);
    for (what, request) in [
        ("300 headers", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")),
        ("a header of 2 MiB", format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: {endless}\r\n\r\n")),
        ("a path of 2 MiB", format!("GET /{endless} HTTP/1.1\r\nHost: localhost\r\n\r\n")),
        (
            "a header over two lines",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX-Account-ID: acme\r\n globex\r\n\r\n".to_owned(),
        ),
        ("a header without a name", "GET / HTTP/1.1\r\nHost: localhost\r\n: acme\r\n\r\n".to_owned()),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        ),
        ("a negative length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".to_owned()),
        ("NUL in a header", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Account-ID: ac\0me\r\n\r\n".to_owned()),
        ("no HTTP at all", "\x16\x03\x01\x02\x00\r\n\r\n".to_owned()),
    ] {
        let mut wire = Wire::open(served.address).await;
        wire.try_send(request).await;
        let answer = wire.rest().await;
        // A client that is still sending may see a reset instead of the answer.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer:?}");
    }
    let mut wire = Wire::open(served.address).await;
    wire.send(GET).await;
    assert!(wire.answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn the_account_header_is_read_as_http_reads_headers() {
    let world = World::start().await;
    let served = world.serve().await;
    let ask = async |lines: &str| {
        let mut wire = Wire::open(served.address).await;
        wire.send(format!("GET /api/v1/integrations/stripe HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")).await;
        let (head, body) = wire.answer().await;
        (head["http/1.1 ".len()..][..3].to_owned(), body)
    };
    // Names have any case; white space around a value is no part of it (RFC 9110, section 5.5).
    for good in
        ["X-Account-ID: acme\r\n", "x-aCCOUNT-iD: acme\r\n", "X-ACCOUNT-ID:acme\r\n", "X-Account-ID: \t acme \t \r\n"]
    {
        assert_eq!(ask(good).await.0, "200", "{good:?}");
    }
    for (bad, sentence) in [
        ("", "Missing X-Account-ID header"),
        ("X_Account_ID: acme\r\n", "Missing X-Account-ID header"),
        ("X-Account-ID:\r\n", "Invalid X-Account-ID header"),
        ("X-Account-ID:   \r\n", "Invalid X-Account-ID header"),
        ("X-Account-ID: acme\r\nx-account-id: globex\r\n", "Invalid X-Account-ID header"),
        ("X-Account-ID: acme\r\nx-account-id:\r\n", "Invalid X-Account-ID header"),
        ("X-Account-ID: acme, globex\r\n", "Invalid X-Account-ID header"),
        ("X-Account-ID: acmé\r\n", "Invalid X-Account-ID header"),
    ] {
        assert_eq!(ask(bad).await, ("400".to_owned(), sentence.to_owned()), "{bad:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_has_arrived() {
    let world = World::start().await;
    let served = world.serve().await;
    let head = "POST /api/v1/integrations/stripe/install HTTP/1.1\r\nHost: localhost\r\nX-Account-ID: acme\r\nContent-Type: application/json\r\n";
    let mut announced = Wire::open(served.address).await;
    announced.send(format!("{head}Content-Length: 20971520\r\n\r\n{{")).await;
    assert!(announced.answer().await.0.starts_with("http/1.1 413 "));
    let mut chunked = Wire::open(served.address).await;
    chunked.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    // One chunk over 256 KiB; the end never comes.
    for _ in 0..5 {
        chunked.try_send(&chunk).await;
    }
    assert!(chunked.answer().await.0.starts_with("http/1.1 413 "));
}

#[tokio::test]
async fn max_connections_makes_the_next_one_wait_for_its_turn() {
    let world = World::with(&[("server.max_connections", "1")]).await;
    let served = world.serve().await;
    let mut first = Wire::open(served.address).await;
    first.send(GET).await;
    first.answer().await;
    let mut second = Wire::open(served.address).await;
    second.send(GET).await;
    assert_eq!(second.answer_within(Duration::from_millis(200)).await, None);
    drop(first);
    assert!(second.answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_websocket_outlives_the_header_timeout() {
    let (_world, served) = impatient().await;
    let mut request = format!("ws://{}/graphql/ws", served.address).into_client_request().expect("request");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("graphql-transport-ws"));
    request.headers_mut().insert("x-account-id", HeaderValue::from_static("acme"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("upgraded");
    let mut say = async |text: &str| {
        socket.send(Message::text(text)).await.expect("sent");
        let heard = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.expect("in time");
        heard.expect("open").expect("a message").into_text().expect("text").to_string()
    };
    assert!(say("{\"type\":\"connection_init\"}").await.contains("connection_ack"));
    for _ in 0..3 {
        // Longer than a head may take, and in sum longer than an idle connection is kept.
        tokio::time::sleep(2 * HEADER_TIMEOUT).await;
        assert!(say("{\"type\":\"ping\"}").await.contains("pong"));
    }
}
