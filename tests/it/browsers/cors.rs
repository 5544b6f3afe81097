//! Pages of listed sites may ask, and read the answers; nobody else's may.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{APP, EVIL, INSTALL, LIST, open_to_app};
use crate::support::{Answer, World};

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// The items of a header, however often it stands.
fn items(answer: &Answer, name: &str) -> BTreeSet<String> {
    let lines = answer.headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII").to_lowercase());
    lines.flat_map(|line| line.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>()).collect()
}

async fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-account-id"),
    ];
    let browser = asks.iter().fold(world.nobody(), |client, (name, value)| client.header(name, value));
    browser.send(Method::OPTIONS, path, Body::empty()).await
}

#[tokio::test]
async fn without_a_list_no_page_may_read_anything() {
    let world = World::start().await;
    for path in [LIST, INSTALL, "/graphql"] {
        let answer = preflight(&world, path, APP).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header(ALLOW_ORIGIN), None, "{path}");
    }
    let answer = world.account("acme").header("origin", APP).get(LIST).await;
    assert_eq!((answer.status.as_u16(), answer.header(ALLOW_ORIGIN)), (200, None));
}

#[tokio::test]
async fn a_page_of_a_listed_site_is_told_what_it_may_send_without_naming_an_account() {
    let world = open_to_app().await;
    for path in [LIST, INSTALL, "/graphql", "/api/v1/openapi.json"] {
        let answer = preflight(&world, path, APP).await;
        assert_eq!((answer.status.as_u16(), answer.header(ALLOW_ORIGIN)), (200, Some(APP)), "{path}");
        assert_eq!(
            items(&answer, "access-control-allow-methods"),
            ["get", "post", "put", "delete"].map(str::to_owned).into()
        );
        let headers = [
            "accept",
            "authorization",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "x-account-id",
            "x-request-id",
        ];
        assert_eq!(items(&answer, "access-control-allow-headers"), headers.map(str::to_owned).into());
        assert_eq!(answer.header("access-control-allow-credentials"), None, "no cookie is ever believed");
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert!(items(&answer, "vary").contains("origin"));
    }
}

#[tokio::test]
async fn a_page_of_another_site_is_told_nothing() {
    let world = open_to_app().await;
    for origin in
        [EVIL, "null", "https://app.example.com.evil.example", "http://app.example.com", "https://app.example.com:8443"]
    {
        assert_eq!(preflight(&world, LIST, origin).await.header(ALLOW_ORIGIN), None, "{origin}");
        let answer = world.account("acme").header("origin", origin).get(LIST).await;
        assert_eq!(answer.header(ALLOW_ORIGIN), None, "{origin}");
        assert!(items(&answer, "vary").contains("origin"), "the answer to a listed site is another one");
    }
}

#[tokio::test]
async fn a_listed_page_may_read_answers_and_failures_with_the_headers_that_say_more() {
    let world = open_to_app().await;
    let page = world.account("acme").header("origin", APP);
    let tag = page.get(LIST).await.header("etag").expect("a tag").to_owned();
    let exposed = [
        "etag",
        "idempotency-replayed",
        "link",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
        "x-error-code",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
    ];
    for (status, answer) in [
        (200, page.get(LIST).await),
        (304, page.clone().header("if-none-match", &tag).get(LIST).await),
        (200, page.post(INSTALL, &json!({})).await),
        (404, page.get("/api/v1/integrations/nobody").await),
        (404, page.get("/no/such/route").await),
        (405, page.send(Method::PUT, LIST, Body::empty()).await),
        (415, page.clone().header("content-type", "text/plain").send(Method::POST, INSTALL, Body::from("{}")).await),
        (200, page.graphql("{ __typename }", json!({})).await),
        (400, page.post_text("/graphql", "nonsense").await),
    ] {
        assert_eq!((answer.status.as_u16(), answer.header(ALLOW_ORIGIN)), (status, Some(APP)), "{}", answer.text());
        assert_eq!(items(&answer, "access-control-expose-headers"), exposed.map(str::to_owned).into(), "{status}");
        assert!(items(&answer, "vary").contains("origin"), "{status}");
    }
}

#[tokio::test]
async fn what_else_an_answer_varies_with_is_still_said() {
    let world = open_to_app().await;
    let page = world.account("acme").header("origin", APP);
    for path in [LIST, "/api/v1/integrations/stripe", "/api/v1/integrations/nobody", "/no/such/route"] {
        let vary = items(&page.get(path).await, "vary");
        for name in ["accept", "authorization", "x-account-id", "origin"] {
            assert!(vary.contains(name), "{path}: {vary:?}");
        }
    }
}

#[tokio::test]
async fn a_list_of_sites_opens_no_foreign_name() {
    let world = open_to_app().await;
    for method in [Method::GET, Method::OPTIONS] {
        let page = world.account("acme").header("origin", APP).header("host", "evil.example");
        let answer = page.send(method, LIST, Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.header(ALLOW_ORIGIN)), (421, None));
    }
}
