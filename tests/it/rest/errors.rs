//! How failures look: a sentence, or an RFC 9457 object for those who name it.

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use serde_json::{Value, json};

use super::{INSTALL, LIST, PROBLEM, STRIPE, UNINSTALL};
use crate::support::{Answer, Client, World};

struct Case {
    method: &'static str,
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
    status: u16,
    title: &'static str,
    code: &'static str,
    sentence: &'static str,
    errors: Value,
}

fn get(path: &'static str, status: u16, title: &'static str, code: &'static str, sentence: &'static str) -> Case {
    let (content_type, body) = ("application/json", "");
    Case { method: "GET", path, content_type, body, status, title, code, sentence, errors: json!([]) }
}

fn post(body: &'static str, status: u16, title: &'static str, code: &'static str, sentence: &'static str) -> Case {
    Case { method: "POST", body, ..get(INSTALL, status, title, code, sentence) }
}

fn cases() -> Vec<Case> {
    let bad = |body, sentence| post(body, 400, "Bad Request", "bad_user_input", sentence);
    let bad_query = |path, sentence| get(path, 400, "Bad Request", "bad_user_input", sentence);
    let cursor = "The cursor does not belong to this list: start again without one, or keep account and filters";
    vec![
        get("/api/v1/nothing", 404, "Not Found", "route_not_found", "No such route"),
        get("/nothing", 404, "Not Found", "route_not_found", "No such route"),
        get("/api/v1/integrations/nope", 404, "Not Found", "integration_not_found", "Integration not found"),
        get(INSTALL, 405, "Method Not Allowed", "method_not_allowed", "Method not allowed"),
        bad_query("/api/v1/integrations?status=INSTALLED", "status must be available or installed"),
        bad_query("/api/v1/integrations?limit=201", "limit must be a number from 1 to 200"),
        bad_query("/api/v1/integrations?cursor=x", cursor),
        bad_query("/api/v1/integrations?include=secrets", "include must be schemas"),
        bad_query("/api/v1/integrations?search=a&search=b", "A query parameter is malformed or stands twice"),
        bad("{\"secrets\": {\"api_key\": \"sk_test_CANARY_1", "Malformed JSON at line 1 column 41"),
        bad("[]", "The request body must be a JSON object"),
        bad("{\"params\": []}", "params must be a JSON object"),
        bad("{\"secrets\": \"sk_test_CANARY_1\"}", "secrets must be a JSON object"),
        bad("{\"params\": {\"a\": \"\\u0000\"}}", "params must not contain the NUL character"),
        Case {
            content_type: "text/plain",
            ..post(
                "{}",
                415,
                "Unsupported Media Type",
                "unsupported_media_type",
                "Content-Type must be application/json",
            )
        },
        Case {
            errors: json!([{"pointer": "/params/api_version", "detail": "must be a string"}]),
            ..post(
                "{\"params\": {\"api_version\": 7}}",
                422,
                "Unprocessable Entity",
                "params_invalid",
                "params.api_version: must be a string",
            )
        },
        Case {
            errors: json!([{"pointer": "/secrets/api_key", "detail": "must match ^(sk|rk)_"}]),
            ..post(
                "{\"secrets\": {\"api_key\": \"CANARY_1\"}}",
                422,
                "Unprocessable Entity",
                "secrets_invalid",
                "secrets.api_key: must match ^(sk|rk)_",
            )
        },
    ]
}

async fn ask(client: &Client, case: &Case) -> Answer {
    let client = client.clone().header("content-type", case.content_type).header("x-request-id", "req-1");
    client.send(Method::from_bytes(case.method.as_bytes()).expect("method"), case.path, Body::from(case.body)).await
}

#[tokio::test]
async fn each_failure_is_one_plain_sentence() {
    let world = World::start().await;
    for case in cases() {
        ask(&world.account("acme"), &case).await.assert_refused(case.status, case.code, case.sentence);
    }
}

#[tokio::test]
async fn each_failure_is_a_whole_problem_for_a_client_that_names_the_type() {
    let world = World::start().await;
    for case in cases() {
        let answer = ask(&world.account("acme").header("accept", PROBLEM), &case).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error_code(), answer.content_type()),
            (case.status, case.code, PROBLEM)
        );
        let whole = json!({
            "type": format!("urn:patchbay:problem:{}", case.code), "title": case.title, "status": case.status,
            "detail": case.sentence, "instance": "req-1", "code": case.code, "errors": case.errors,
        });
        assert_eq!(answer.json(), whole);
    }
}

#[tokio::test]
async fn only_a_client_that_names_the_problem_type_gets_it() {
    let world = World::start().await;
    for (accept, content_type) in [
        ("*/*", "text/plain; charset=utf-8"),
        ("application/*", "text/plain; charset=utf-8"),
        ("application/json", "text/plain; charset=utf-8"),
        ("application/problem+json;q=0", "text/plain; charset=utf-8"),
        ("application/problem+json; q=0.0, text/plain", "text/plain; charset=utf-8"),
        ("application/problem+jsonx", "text/plain; charset=utf-8"),
        ("\u{fffd}", "text/plain; charset=utf-8"),
        (PROBLEM, PROBLEM),
        ("Application/Problem+JSON", PROBLEM),
        ("application/json, application/problem+json", PROBLEM),
        ("text/plain, application/problem+json;q=0.1", PROBLEM),
        ("application/problem+json; charset=utf-8", PROBLEM),
    ] {
        let answer = world.nobody().header("accept", accept).get(LIST).await;
        assert_eq!((answer.content_type(), answer.status.as_u16()), (content_type, 400), "{accept}");
    }
    let two_headers = world.nobody().header("accept", "text/html").header("accept", PROBLEM).get(LIST).await;
    assert_eq!(two_headers.content_type(), PROBLEM);
}

#[tokio::test]
async fn a_wrong_method_is_told_which_ones_are_right() {
    let world = World::start().await;
    for (path, allowed) in [
        (LIST, "GET,HEAD,POST"),
        (STRIPE, "GET,HEAD,PUT,DELETE"),
        (INSTALL, "POST"),
        (UNINSTALL, "POST"),
        ("/api/v1/mcp-connections", "GET,HEAD"),
        ("/api/v1/native-tools", "GET,HEAD"),
        ("/api/v1/openapi.json", "GET,HEAD"),
    ] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "GET", "POST", "BREW"] {
            if allowed.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).expect("method");
            let answer = world.account("acme").send(method, path, Body::empty()).await;
            answer.assert_refused(405, "method_not_allowed", "Method not allowed");
            assert_eq!(answer.header("allow"), Some(allowed), "{path}");
        }
    }
}

#[tokio::test]
async fn paths_beside_the_routes_do_not_exist() {
    let world = World::start().await;
    for path in [
        "/api/v1",
        "/api",
        "/api/v2/integrations",
        "/api/v1//integrations",
        "/api/v1/integrations/stripe/install/x",
        "/api/v1/Integrations",
        "/api/v1/integrations/../integrations",
        "/api/v1/mcp-connections/1",
    ] {
        let answer = world.account("acme").get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.assert_refused(404, "route_not_found", "No such route");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_announced_or_in_pieces() {
    let world = World::start().await;
    let acme = world.account("acme");
    let sentence = "Request body is larger than 262144 bytes";
    for path in [INSTALL, UNINSTALL] {
        // Announced: nothing of it is read, so nothing needs to be sent.
        let announced = acme.clone().header("content-length", "20971520");
        announced.post_text(path, "").await.assert_refused(413, "body_too_large", sentence);
        // In pieces, without a length: counted as they come.
        let pieces = (0..21_000).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_000]));
        let answer = acme.post_text(path, Body::from_stream(stream::iter(pieces))).await;
        answer.assert_refused(413, "body_too_large", sentence);
        acme.post_text(path, " ".repeat(262_145)).await.assert_refused(413, "body_too_large", sentence);
        acme.post_text(path, " ".repeat(262_144)).await.ok();
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused_and_one_of_no_kind_is_json() {
    let world = World::start().await;
    let acme = world.account("acme");
    let send = async |content_type: Option<&str>| {
        let client = acme.clone();
        let client = if let Some(kind) = content_type { client.header("content-type", kind) } else { client };
        client.send(Method::POST, INSTALL, Body::from("{\"params\": {\"note\": 1}}")).await
    };
    for json in
        [None, Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("application/vnd.x+json")]
    {
        assert_eq!(send(json).await.ok()["integration"]["params"], json!({"note": 1}), "{json:?}");
    }
    for other in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "json",
        "",
        "é",
    ] {
        let answer = send(Some(other)).await;
        answer.assert_refused(415, "unsupported_media_type", "Content-Type must be application/json");
    }
}
