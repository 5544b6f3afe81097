//! A name that a page lets point to this server does not open it.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use tokio::net::TcpStream;

use super::{EVERYWHERE, INSTALL, LIST};
use crate::support::{World, exchange};

const SENTENCE: &str = "The server does not go by this Host: server.allowed_hosts lists further names";

async fn is_refused(world: &World, host: &str) -> bool {
    let answer = world.account("acme").header("host", host).get(LIST).await;
    if answer.status == 200 {
        return false;
    }
    answer.assert_refused(421, "host_not_allowed", SENTENCE);
    true
}

#[tokio::test]
async fn on_loopback_a_server_goes_by_the_names_of_loopback_alone() {
    let world = World::start().await;
    for host in [
        "localhost",
        "localhost:8080",
        "LocalHost",
        "localhost.",
        "patchbay.localhost:1",
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]",
        "[::1]:8080",
    ] {
        assert!(!is_refused(&world, host).await, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "10.0.0.7",
        "0.0.0.0",
        "169.254.169.254",
        "[::]",
        "[fe80::1]",
        "localhost evil.example",
        "localhost,evil.example",
        "",
        ":8080",
        "http://localhost",
    ] {
        assert!(is_refused(&world, host).await, "{host}");
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_no_browsers_and_passes() {
    let world = World::start().await;
    world.account("acme").get(LIST).await.ok();
    let served = world.serve().await;
    for (head, status) in [
        ("GET /api/v1/native-tools HTTP/1.0\r\n", 200),
        ("GET /api/v1/native-tools HTTP/1.1\r\nconnection: close\r\n", 200),
        ("GET /api/v1/native-tools HTTP/1.0\r\nhost: evil.example\r\n", 421),
    ] {
        let stream = TcpStream::connect(served.address).await.expect("connected");
        let answer = exchange(stream, format!("{head}x-account-id: acme\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.status, status, "{head}");
    }
}

#[tokio::test]
async fn every_name_that_a_request_gives_must_be_one_of_the_servers() {
    let world = World::start().await;
    let served = world.serve().await;
    for (target, hosts, status) in [
        ("/api/v1/native-tools", "host: localhost\r\nhost: evil.example\r\n", 421),
        ("/api/v1/native-tools", "host: evil.example\r\nhost: localhost\r\n", 421),
        ("http://evil.example/api/v1/native-tools", "host: localhost\r\n", 421),
        ("http://localhost/api/v1/native-tools", "host: evil.example\r\n", 421),
        ("http://localhost/api/v1/native-tools", "host: localhost\r\n", 200),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\n{hosts}connection: close\r\nx-account-id: acme\r\n\r\n");
        let stream = TcpStream::connect(served.address).await.expect("connected");
        assert_eq!(exchange(stream, head.as_bytes()).await.status, status, "{head}");
    }
    // Where HTTP/2 has its name.
    world.account("acme").get(&format!("http://evil.example{LIST}")).await.assert_refused(
        421,
        "host_not_allowed",
        SENTENCE,
    );
    world.account("acme").get(&format!("http://localhost:8080{LIST}")).await.ok();
}

#[tokio::test]
async fn a_foreign_name_is_refused_before_anything_else_in_the_form_of_the_transport() {
    let world = World::with(&[("server.max_header_bytes", "1024")]).await;
    let evil = world.nobody().header("host", "evil.example");
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/no/such/route"),
        (Method::GET, LIST),
        (Method::PUT, LIST),
        (Method::OPTIONS, LIST),
        (Method::POST, INSTALL),
        (Method::GET, "/api/v1/openapi.json"),
        (Method::GET, "/docs/"),
        (Method::GET, "/graphiql"),
    ] {
        evil.send(method, path, Body::from("nonsense")).await.assert_refused(421, "host_not_allowed", SENTENCE);
    }
    let large = evil.clone().header("x-filler", "x".repeat(2_000)).get(LIST).await;
    large.assert_refused(421, "host_not_allowed", SENTENCE);
    let problem = evil.clone().header("accept", "application/problem+json").get(LIST).await;
    assert_eq!((&problem.json()["status"], &problem.json()["code"]), (&json!(421), &json!("host_not_allowed")));
    for path in ["/graphql", "/graphql/ws"] {
        let answer = evil.get(path).await;
        assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (421, "FORBIDDEN"), "{path}");
        assert_eq!(answer.json()["errors"][0]["message"], SENTENCE);
    }
}

#[tokio::test]
async fn whoever_watches_may_dial_any_name() {
    let world = World::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.nobody().header("host", "10.1.2.3:8080").get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn allowed_hosts_adds_to_the_names_of_loopback() {
    for listen in [&EVERYWHERE[..], &[("server.listen", "127.0.0.1:0")]] {
        let hosts = [("server.allowed_hosts", "Patchbay.example, 10.0.0.7")];
        let world = World::builder().set(listen).set(&hosts).start().await;
        for (host, refused) in [
            ("patchbay.example", false),
            ("PATCHBAY.example:8443", false),
            ("10.0.0.7:8080", false),
            ("localhost:8080", false),
            ("sub.patchbay.example", true),
            ("10.0.0.8", true),
            ("evil.example", true),
        ] {
            assert_eq!(is_refused(&world, host).await, refused, "{listen:?}: {host}");
        }
    }
}

#[tokio::test]
async fn any_name_will_do_beyond_loopback_or_with_an_asterisk() {
    for settings in [&EVERYWHERE[..], &[("server.allowed_hosts", "*")]] {
        let world = World::with(settings).await;
        for host in ["patchbay.example", "10.0.0.7:8080", "localhost"] {
            assert!(!is_refused(&world, host).await, "{settings:?}: {host}");
        }
    }
}
