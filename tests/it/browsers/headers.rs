//! The headers that have a browser make nothing of an answer but what it is.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{EVIL, INSTALL, LIST};
use crate::support::{Answer, World};

const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

#[track_caller]
fn assert_protected(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        let values: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{what}: {name}");
    }
    assert_eq!(answer.headers.get_all("content-security-policy").iter().count(), 1, "{what}");
    // Whoever ends TLS decides for how long nobody may do without.
    assert_eq!(answer.header("strict-transport-security"), None, "{what}");
    assert_eq!(answer.header("server"), None, "{what}");
}

#[tokio::test]
async fn every_kind_of_answer_carries_the_protective_headers() {
    let world = World::start().await;
    let acme = world.account("acme");
    let tag = acme.get(LIST).await.header("etag").expect("a tag").to_owned();
    let endless = "x".repeat(262_145);
    for (status, answer) in [
        (200, acme.get(LIST).await),
        (304, acme.clone().header("if-none-match", &tag).get(LIST).await),
        (200, acme.post(INSTALL, &json!({})).await),
        (200, acme.get("/api/v1/openapi.json").await),
        (400, world.nobody().get(LIST).await),
        (403, acme.clone().header("origin", EVIL).post(INSTALL, &json!({})).await),
        (404, acme.get("/api/v1/integrations/nobody").await),
        (404, acme.get("/no/such/route").await),
        (405, acme.send(Method::PUT, LIST, Body::empty()).await),
        (413, acme.post_text(INSTALL, endless.clone()).await),
        (415, acme.clone().header("content-type", "text/plain").send(Method::POST, INSTALL, Body::from("{}")).await),
        (421, acme.clone().header("host", "evil.example").get(LIST).await),
        (422, acme.post(INSTALL, &json!({"params": {"api_version": 7}})).await),
        (431, acme.clone().header("x-filler", "x".repeat(40_000)).get(LIST).await),
        (200, acme.graphql("{ __typename }", json!({})).await),
        (200, acme.graphql("{ nothing }", json!({})).await),
        (400, acme.post_text("/graphql", "nonsense").await),
        (405, acme.send(Method::PUT, "/graphql", Body::empty()).await),
        (413, acme.post_text("/graphql", endless).await),
        (400, acme.get("/graphql/ws").await),
        (200, world.nobody().get("/healthz").await),
        (200, world.nobody().get("/readyz").await),
        (200, world.nobody().get("/metrics").await),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_protected(&answer, &format!("{status} {}", answer.text()));
        assert_eq!(answer.header("content-security-policy"), Some(NOTHING));
    }
}

#[tokio::test]
async fn a_failing_database_and_a_request_too_many_carry_them_too() {
    let world = World::with(&[("server.request_timeout_ms", "100")]).await;
    let endless = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let late = world.account("acme").post_text(INSTALL, endless).await;
    assert_eq!(late.status, 504);
    assert_protected(&late, "504");
    let broken = World::start().await;
    broken.sql("ALTER TABLE installations RENAME TO elsewhere").await;
    for answer in [
        broken.account("acme").get(LIST).await,
        broken.account("acme").graphql("{ integrations { totalCount } }", json!({})).await,
    ] {
        assert!(answer.status == 500 || answer.graphql_code() == "DATABASE_ERROR", "{}", answer.text());
        assert_protected(&answer, "a failing database");
    }
}

#[tokio::test]
async fn the_pages_have_policies_of_their_own_that_start_from_nothing() {
    let world = World::start().await;
    for path in ["/ui", "/ui/stripe", "/graphiql", "/graphiql/", "/docs/", "/docs/swagger-ui-bundle.js"] {
        let answer = world.nobody().get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_protected(&answer, path);
        let policy = answer.header("content-security-policy").expect("a policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {part} not in {policy}");
        }
        for hole in ["ws:", "wss:", "unsafe-eval", "script-src 'self' 'unsafe-inline'", "http:", "https:", "*"] {
            assert!(!policy.contains(hole), "{path}: {hole} in {policy}");
        }
        // Editors set styles as they go; our own page needs nothing of the kind.
        assert_eq!(policy.contains("unsafe-inline"), !path.starts_with("/ui"), "{path}: {policy}");
    }
}
