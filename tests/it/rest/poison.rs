//! Input made to break things: a clear 4xx, never a 5xx, never a panic, nothing written.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::rows::Rows;
use super::{INSTALL, LIST, UNINSTALL};
use crate::support::World;

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("cut off", text("{\"params\": {")),
        ("not JSON", text("<xml/>")),
        ("byte order mark", text("\u{feff}{}")),
        ("a comment", text("{} // x")),
        ("two documents", text("{}{}")),
        ("trailing comma", text("{\"params\": {\"a\": 1,}}")),
        ("single quotes", text("{'params': {}}")),
        ("bare NaN", text("{\"params\": {\"a\": NaN}}")),
        ("infinity", text("{\"params\": {\"a\": Infinity}}")),
        ("leading zero", text("{\"params\": {\"a\": 01}}")),
        ("beyond a double", text("{\"params\": {\"a\": 1e400}}")),
        ("far beyond a double", text("{\"params\": {\"a\": -1e999999999999999999999}}")),
        ("a digit string beyond a double", format!("{{\"params\": {{\"a\": 1{}}}}}", "0".repeat(400)).into_bytes()),
        ("beyond a double in secrets", text("{\"secrets\": {\"a\": 1e400}}")),
        ("beyond a double in a field nobody reads", text("{\"x\": 1e400}")),
        ("lone high surrogate", text("{\"params\": {\"a\": \"\\ud800\"}}")),
        ("lone low surrogate", text("{\"params\": {\"a\": \"\\udc00\"}}")),
        ("surrogates in the wrong order", text("{\"params\": {\"a\": \"\\udc00\\ud800\"}}")),
        ("lone surrogate as a key", text("{\"params\": {\"\\ud800\": 1}}")),
        ("lone surrogate in secrets", text("{\"secrets\": {\"a\": \"\\ud800CANARY\"}}")),
        ("surrogates as bytes", b"{\"params\": {\"a\": \"\xed\xa0\x80\"}}".to_vec()),
        ("not UTF-8", b"{\"params\": {\"a\": \"\xff\xfe\"}}".to_vec()),
        ("overlong UTF-8", b"{\"params\": {\"a\": \"\xc0\x80\"}}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
        ("raw control character", text("{\"params\": {\"a\": \"\u{1}\"}}")),
        ("raw NUL", text("{\"params\": {\"a\": \"\u{0}\"}}")),
        ("NUL in a value", text("{\"params\": {\"a\": \"\\u0000\"}}")),
        ("NUL in a key", text("{\"params\": {\"a\\u0000\": 1}}")),
        ("NUL deep down", text("{\"params\": {\"a\": [[{\"b\": {\"c\\u0000\": 1}}]]}}")),
        ("NUL in a deep value", text("{\"params\": {\"a\": [[{\"b\": \"x\\u0000\"}]]}}")),
        ("NUL in a secret's name", text("{\"secrets\": {\"a\\u0000\": \"CANARY\"}}")),
        ("10^5 arrays", [vec![b'['; 100_000], vec![b']'; 100_000]].concat()),
        ("10^5 arrays, never closed", vec![b'['; 100_000]),
        ("10^4 objects in params", [b"{\"params\":".repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat()),
        (
            "200 levels in a field nobody reads",
            [b"{\"x\":".to_vec(), b"[".repeat(200), b"]".repeat(200), b"}".to_vec()].concat(),
        ),
        (
            "65 levels of params",
            [b"{\"params\":{\"x\":".to_vec(), b"[".repeat(64), b"]".repeat(64), b"}}".to_vec()].concat(),
        ),
        ("a number for an object", text("{\"params\": 1}")),
        ("a list for an object", text("{\"params\": [[\"a\", 1]]}")),
        ("a text for an object", text("{\"secrets\": \"{}\"}")),
        ("true", text("true")),
        ("a string", text("\"{}\"")),
        ("form data", text("params[a]=1")),
        ("20 MiB", vec![b' '; 20 * 1_024 * 1_024]),
        ("200 KiB of one param", format!("{{\"params\": {{\"a\": \"{}\"}}}}", "x".repeat(200_000)).into_bytes()),
        ("200 KiB of keys", {
            let keys: Vec<_> = (0..15_000).map(|at| format!("\"k{at}\":{{}}")).collect();
            format!("{{\"params\": {{{}}}}}", keys.join(",")).into_bytes()
        }),
        ("10,000 secrets", {
            let keys: Vec<_> = (0..10_000).map(|at| format!("\"k{at}\":\"CANARY\"")).collect();
            format!("{{\"secrets\": {{{}}}}}", keys.join(",")).into_bytes()
        }),
    ]
}

#[tokio::test]
async fn poisoned_bodies_are_refused_and_leave_nothing_behind() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (what, body) in bodies() {
        let answer = acme.post_text(INSTALL, body).await;
        assert!(matches!(answer.status.as_u16(), 400 | 413 | 422), "{what}: {} {}", answer.status, answer.text());
        assert!(!answer.error_code().is_empty(), "{what}");
        assert_eq!(answer.content_type(), "text/plain; charset=utf-8", "{what}");
        assert!(!answer.text().contains("CANARY"), "{what}: {}", answer.text());
        assert!(answer.text().len() < 300, "{what}: {} bytes of sentence", answer.text().len());
    }
    assert!(Rows::read(&world.connect().await).await.is_empty());
    acme.post(INSTALL, &json!({"params": {"still": "works"}})).await.ok();
}

#[tokio::test]
async fn poisoned_queries_and_paths_are_answered() {
    let world = World::start().await;
    let acme = world.account("acme");
    let long = "a".repeat(30_000);
    for poison in [
        "%",
        "%0",
        "%zz",
        "%00",
        "%FF%FE",
        "%ED%A0%80",
        "%u0000",
        "+",
        "&&&",
        "==",
        "a[b]=c",
        "[]",
        "'",
        "\\",
        "{{7*7}}",
        "$%7Bx%7D",
        "%F0%9F%92%A3",
        "..%2F..%2Fetc",
        &long,
    ] {
        for name in ["search", "category", "status", "limit", "cursor", "include", "x"] {
            let path = format!("{LIST}?{name}={poison}").replace(['\\', '{', '}'], "%5C");
            let answer = acme.get(&path).await;
            assert!(matches!(answer.status.as_u16(), 200 | 400), "{path}: {}", answer.status);
        }
        let path = format!("{LIST}/{}", poison.replace(['\\', '{', '}'], "%5C"));
        let answer = acme.get(&path).await;
        assert!(matches!(answer.status.as_u16(), 404), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn poisoned_headers_are_answered() {
    let world = World::start().await;
    let acme = world.account("acme");
    for name in [
        "accept",
        "content-type",
        "content-length",
        "if-none-match",
        "x-request-id",
        "accept-encoding",
        "content-encoding",
        "transfer-encoding",
        "host",
        "origin",
        "cookie",
        "authorization",
        "x-forwarded-for",
        "range",
        "expect",
    ] {
        for value in
            [&b""[..], b"\xff\xfe", b"*", b",", b";;;", b"\"", b"-1", b"99999999999999999999", b"gzip;q=x", b"a\tb"]
        {
            let client = acme.clone().header(name, value);
            for (method, path) in [(Method::GET, LIST), (Method::POST, INSTALL), (Method::POST, UNINSTALL)] {
                let answer = client.send(method.clone(), path, Body::from("{}")).await;
                assert!(answer.status.as_u16() < 500, "{name}: {value:?} at {method} {path}: {}", answer.status);
            }
        }
    }
}
