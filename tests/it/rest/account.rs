//! Whose request it is, its id, and what is checked in which order.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::rows::Rows;
use super::{INSTALL, LIST, ROUTES, STRIPE};
use crate::support::{Answer, Client, World};

async fn send(client: &Client, (method, path): (&str, &str)) -> Answer {
    client.send(Method::from_bytes(method.as_bytes()).expect("method"), path, Body::empty()).await
}

#[tokio::test]
async fn every_route_refuses_a_request_that_names_no_account() {
    let world = World::start().await;
    for route in ROUTES {
        let answer = send(&world.nobody(), route).await;
        answer.assert_refused(400, "account_required", "Missing X-Account-ID header");
    }
}

#[tokio::test]
async fn every_route_refuses_a_malformed_account() {
    let world = World::start().await;
    let longest = "a".repeat(63);
    for good in ["acme", "0", "a-b_c", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", &longest] {
        world.account(good).get(STRIPE).await.ok();
    }
    let too_long = "a".repeat(64);
    let bad = [
        "",
        " ",
        " acme",
        "acme ",
        "\tacme",
        "acme,globex",
        "acme, acme",
        "acme;globex",
        "Acme",
        "ACME",
        "-acme",
        "_acme",
        "a.b",
        "a/b",
        "a b",
        "acm\u{e9}",
        "аcme",
        "acme\u{200b}",
        "*",
        "null\t",
        "'--",
        "%61cme",
        &too_long,
    ];
    for account in bad {
        for route in ROUTES {
            let answer = send(&world.nobody().header("X-Account-ID", account), route).await;
            assert_eq!(answer.status, 400, "{account:?} at {route:?}");
            answer.assert_refused(400, "account_invalid", "Invalid X-Account-ID header");
        }
    }
    let not_utf8 = world.nobody().header("X-Account-ID", b"acme\xff");
    not_utf8.get(LIST).await.assert_refused(400, "account_invalid", "Invalid X-Account-ID header");
    assert!(Rows::read(&world.connect().await).await.is_empty());
}

#[tokio::test]
async fn a_repeated_account_header_is_refused_also_when_both_agree() {
    let world = World::start().await;
    for second in ["globex", "acme", ""] {
        let twice = world.account("acme").header("x-account-id", second);
        for route in ROUTES {
            send(&twice, route).await.assert_refused(400, "account_invalid", "Invalid X-Account-ID header");
        }
    }
}

#[tokio::test]
async fn an_account_header_of_200_kib_is_refused_without_an_account() {
    let world = World::start().await;
    let answer = world.account(&"a".repeat(200 * 1_024)).get(LIST).await;
    answer.assert_refused(431, "headers_too_large", "Request headers are larger than 32768 bytes");
}

#[tokio::test]
async fn an_account_that_was_never_seen_has_the_catalog_and_nothing_installed() {
    let world = World::start().await;
    world.account("acme").post(INSTALL, &json!({"params": {"note": "mine"}})).await.ok();
    let list = world.account("stranger").get(LIST).await.ok();
    let items = list["integrations"].as_array().expect("a list");
    assert_eq!(json!(items.len()), list["total"]);
    assert!(items.len() >= 40);
    for item in items {
        assert_eq!((&item["status"], &item["params"]), (&json!("available"), &json!({})), "{item}");
        assert_eq!((&item["installed_at"], &item["secret_names"]), (&json!(null), &json!([])), "{item}");
    }
}

#[tokio::test]
async fn the_route_is_checked_before_the_account_and_the_account_before_the_rest() {
    let world = World::start().await;
    let nobody = world.nobody();
    nobody.get("/api/v1/nothing").await.assert_refused(404, "route_not_found", "No such route");
    send(&nobody, ("PATCH", STRIPE)).await.assert_refused(405, "method_not_allowed", "Method not allowed");
    let missing = "Missing X-Account-ID header";
    nobody.get("/api/v1/integrations/nobody_has_this").await.assert_refused(400, "account_required", missing);
    nobody.get("/api/v1/integrations?limit=0").await.assert_refused(400, "account_required", missing);
    nobody.post_text(INSTALL, "{").await.assert_refused(400, "account_required", missing);
    let huge = "x".repeat(300_000);
    nobody.post_text(INSTALL, huge.clone()).await.assert_refused(400, "account_required", missing);
    let text = nobody.clone().header("content-type", "text/plain");
    text.send(Method::POST, INSTALL, Body::from("{}")).await.assert_refused(400, "account_required", missing);
    // The body before the integration: a body that cannot be read is told as such, wherever it was sent.
    let nowhere = "/api/v1/integrations/nobody_has_this/install";
    let acme = world.account("acme");
    acme.post_text(nowhere, "{").await.assert_refused(400, "bad_user_input", "Malformed JSON at line 1 column 1");
    acme.post_text(nowhere, huge).await.assert_refused(
        413,
        "body_too_large",
        "Request body is larger than 262144 bytes",
    );
    acme.post_text(nowhere, "{}").await.assert_refused(404, "integration_not_found", "Integration not found");
}

#[tokio::test]
async fn documents_and_probes_need_no_account() {
    let world = World::start().await;
    for path in ["/api/v1/openapi.json", "/docs/", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.nobody().get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_fitting_request_id_comes_back_on_every_kind_of_answer() {
    let world = World::start().await;
    let longest = "~".repeat(128);
    for id in ["req-1", "!", "{\"a\":1}", &longest] {
        for path in [LIST, "/api/v1/integrations/nobody_has_this", "/api/v1/nothing", "/healthz"] {
            let answer = world.account("acme").header("x-request-id", id).get(path).await;
            assert_eq!(answer.header("x-request-id"), Some(id), "{path}");
        }
        let problem = world.nobody().header("x-request-id", id).header("accept", super::PROBLEM).get(LIST).await;
        assert_eq!(problem.json()["instance"], id);
    }
}

#[tokio::test]
async fn an_unfit_or_absent_request_id_is_replaced_by_a_uuid_version_7() {
    let world = World::start().await;
    let too_long = "x".repeat(129);
    for id in [None, Some(""), Some("a b"), Some("a\tb"), Some("né"), Some(&*too_long)] {
        let client = world.account("acme");
        let client = if let Some(id) = id { client.header("x-request-id", id) } else { client };
        let answer = client.get(STRIPE).await;
        let made = uuid::Uuid::parse_str(answer.header("x-request-id").expect("an id")).expect("a UUID");
        assert_eq!(made.get_version_num(), 7, "{id:?}");
        assert_ne!(client.get(STRIPE).await.header("x-request-id"), Some(&*made.to_string()));
    }
}
