//! A page of another site does not act: not by what a browser sends without asking, and not over a socket.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{APP, EVIL, INSTALL, LIST, UNINSTALL, open_to_app};
use crate::graphql::socket::{PROTOCOL, Socket};
use crate::support::{Client, World};

const SENTENCE: &str = "Pages of this origin may not do that: server.cors_origins lists those that may";
const MUTATION: &str = "mutation { installIntegration(input: {integration: {name: \"stripe\"}}) { changed } }";

fn with(client: &Client, headers: &[(&str, &str)]) -> Client {
    headers.iter().fold(client.clone(), |client, (name, value)| client.header(name, value))
}

/// Who asks, with which headers, and whether it may act.
type Case = (&'static str, &'static [(&'static str, &'static str)], bool);

const CASES: [Case; 16] = [
    ("no browser", &[], true),
    ("no browser, under a name", &[("host", "localhost:8080")], true),
    ("a page of ours", &[("host", "localhost:8080"), ("origin", "http://localhost:8080")], true),
    (
        "a page of ours, says the browser",
        &[("origin", "https://patchbay.example"), ("sec-fetch-site", "same-origin")],
        true,
    ),
    ("a person", &[("sec-fetch-site", "none")], true),
    ("a listed page", &[("origin", APP)], true),
    ("a listed page, says the browser", &[("origin", APP), ("sec-fetch-site", "cross-site")], true),
    ("a foreign page", &[("host", "localhost:8080"), ("origin", EVIL)], false),
    ("a foreign page, says the browser", &[("origin", EVIL), ("sec-fetch-site", "cross-site")], false),
    ("a foreign page that hides", &[("sec-fetch-site", "cross-site")], false),
    ("a frame without an origin", &[("host", "localhost:8080"), ("origin", "null")], false),
    ("another port", &[("host", "localhost:8080"), ("origin", "http://localhost:3000")], false),
    ("another host of the site", &[("origin", "https://other.example.com"), ("sec-fetch-site", "same-site")], false),
    ("an origin that begins like a listed one", &[("origin", "https://app.example.com.evil.example")], false),
    ("another scheme than the listed one", &[("origin", "http://app.example.com")], false),
    (
        "a page that claims our host",
        &[("host", "localhost"), ("origin", "https://localhost"), ("sec-fetch-site", "cross-site")],
        false,
    ),
];

#[tokio::test]
async fn a_foreign_page_cannot_act_by_rest() {
    let world = open_to_app().await;
    let acme = world.account("acme");
    for (who, headers, may) in CASES {
        let client = with(&acme, headers);
        // Without a Content-Type, which no browser asks about first.
        for path in [INSTALL, UNINSTALL] {
            let answer = client.send(Method::POST, path, Body::empty()).await;
            if may {
                assert_eq!(answer.ok()["changed"], true, "{who}");
            } else {
                answer.assert_refused(403, "origin_not_allowed", SENTENCE);
            }
        }
        assert_eq!(
            client.get(LIST).await.status,
            200,
            "{who}: reading has no effect, and the browser keeps the answer"
        );
    }
}

#[tokio::test]
async fn a_foreign_page_cannot_act_by_graphql() {
    let world = open_to_app().await;
    let acme = world.account("acme");
    for (who, headers, may) in CASES {
        let client = with(&acme, headers);
        let answer = client.graphql(MUTATION, json!({})).await;
        if may {
            answer.data();
        } else {
            assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (403, "FORBIDDEN"), "{who}");
            assert_eq!(answer.json()["errors"][0]["message"], SENTENCE);
        }
        let query = client.get("/graphql?query=%7B__typename%7D").await;
        assert_eq!(query.data(), json!({"__typename": "Query"}), "{who}: a query has no effect");
    }
}

#[tokio::test]
async fn what_a_foreign_page_tried_did_nothing() {
    let world = World::start().await;
    let page = world.account("acme").header("origin", EVIL);
    page.send(Method::POST, INSTALL, Body::from("{\"params\": {\"a\": 1}}")).await.assert_refused(
        403,
        "origin_not_allowed",
        SENTENCE,
    );
    page.graphql(MUTATION, json!({})).await;
    assert_eq!(world.rows_of("acme").await, world.rows_of("never-seen").await);
}

#[tokio::test]
async fn a_foreign_page_cannot_open_a_socket() {
    let world = open_to_app().await;
    let served = world.serve().await;
    let own = format!("http://{}", served.address);
    for (origin, may) in [
        (None, true),
        (Some(own.as_str()), true),
        (Some(APP), true),
        (Some(EVIL), false),
        (Some("null"), false),
        (Some("http://localhost"), false),
        (Some("http://localhost:5173"), true),
    ] {
        let headers: Vec<_> = [PROTOCOL].into_iter().chain(origin.map(|origin| ("origin", origin))).collect();
        match Socket::open(&served, &headers).await {
            Ok(mut socket) => {
                assert!(may, "{origin:?}");
                socket.init(json!({"X-Account-ID": "acme"})).await;
            }
            Err(refused) => {
                assert!(!may, "{origin:?}: {refused:?}");
                assert_eq!(
                    (refused.status, &refused.body["errors"][0]["extensions"]["code"]),
                    (403, &json!("FORBIDDEN"))
                );
            }
        }
    }
}
