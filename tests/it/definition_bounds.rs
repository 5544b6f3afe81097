//! Work and memory that a definition may cost, whatever it holds.

use axum::body::Body;
use axum::http::Method;
use patchbay::domain::limits::MAX_OWN_CATALOG_BYTES;
use serde_json::{Value, json};

use crate::support::{Client, World};

const LIST: &str = "/api/v1/integrations";
const PROBLEM: &str = "application/problem+json";

/// A valid definition.
fn definition() -> Value {
    json!({
        "name": "acme_billing", "display_name": "Acme Billing", "description": "Our own invoices.",
        "category": "accounting", "auth": [{"kind": "none"}],
        "params": [{"name": "a", "label": "A", "type": "string", "example": "x"}],
        "http": {"base_url": "https://x.example", "allowed_hosts": ["x.example"],
                 "verify": {"method": "GET", "path": "/", "expect_status": 200}}
    })
}

/// The pointers and messages of a refused definition, and the size of the answer.
async fn refusal(client: &Client, definition: &Value) -> (Vec<(String, String)>, usize) {
    let answer = client.clone().header("accept", PROBLEM).post(LIST, definition).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.text());
    let errors = answer.json()["errors"].as_array().cloned().expect("errors");
    let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let problems = errors.iter().map(|error| (text(error, "pointer"), text(error, "detail")));
    (problems.collect(), answer.text().len())
}

#[tokio::test]
async fn self_referencing_examples_do_not_multiply() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (count, example) in [(16, "{a}{a}".to_owned()), (29, "{a}{a}".to_owned()), (166, "x".repeat(3_000))] {
        let mut definition = definition();
        definition["params"][0]["example"] = json!(example);
        definition["http"]["base_url"] = json!("{a}".repeat(count));
        let (problems, size) = refusal(&acme, &definition).await;
        assert!(problems.iter().all(|(at, _)| at.starts_with("/http/")), "{problems:?}");
        assert!(size < 2_000, "an answer of {size} bytes");
    }
}

#[tokio::test]
async fn texts_of_a_definition_have_a_maximum_length() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (pointer, limit) in [
        ("/http/base_url", 500),
        ("/http/verify/path", 500),
        ("/http/allowed_hosts/0", 253),
        ("/display_name", 100),
        ("/params/0/label", 100),
        ("/params/0/help", 500),
        ("/params/0/example", 4_000),
    ] {
        let mut definition = definition();
        definition["params"][0]["help"] = json!("");
        *definition.pointer_mut(pointer).expect("there") = json!("x".repeat(limit + 1));
        let (problems, _) = refusal(&acme, &definition).await;
        let expected = (pointer.to_owned(), format!("must have at most {limit} characters"));
        assert_eq!(problems, [expected], "{pointer}");
    }
}

#[tokio::test]
async fn numbers_that_the_reader_refuses_are_reported() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (key, value, expected) in
        [("order", json!(3_000_000_000_u64), "must be at most 2147483647"), ("order", json!(1.0), "no whole number")]
    {
        let mut definition = definition();
        definition["params"][0][key] = value;
        let (problems, _) = refusal(&acme, &definition).await;
        assert!(problems.len() == 1 && problems[0].1.contains(expected), "{problems:?}");
    }
}

#[tokio::test]
async fn definitions_of_an_account_have_a_total_limit() {
    let world = World::start().await;
    let acme = world.account("acme");
    // Each is some 60 KB: 16 or 17 of them fit, whatever blanks the database puts between values.
    let large = |n: usize| {
        let mut definition = definition();
        let choices = |at: usize| (0..200).map(|n| json!(format!("{at}-{n}-{}", "x".repeat(140)))).collect::<Vec<_>>();
        let field = |at: usize| json!({"name": format!("f{at}"), "label": "F", "type": "enum", "enum": choices(at)});
        definition["name"] = json!(format!("own_{n}"));
        definition["secrets"] = json!([field(1)]);
        definition["params"].as_array_mut().expect("a list").push(field(2));
        definition["description"] = json!("x".repeat(100));
        definition
    };
    assert!(large(0).to_string().len() < 64 * 1024);
    let mut made = 0;
    let refused = loop {
        let answer = acme.clone().header("accept", PROBLEM).post(LIST, &large(made)).await;
        if answer.status.as_u16() != 201 {
            break answer;
        }
        made += 1;
        assert!(made <= 20, "no limit");
    };
    assert_eq!(refused.status.as_u16(), 409, "{}", refused.text());
    let problem = refused.json();
    let detail = problem["detail"].as_str().expect("a detail");
    assert_eq!(problem["code"], "own_catalog_full");
    let used: u64 = detail.split(' ').find_map(|word| word.parse().ok()).expect("a number");
    assert!((900_000..MAX_OWN_CATALOG_BYTES).contains(&used), "{detail}");
    assert!(detail.contains(&format!("of at most {MAX_OWN_CATALOG_BYTES} bytes")), "{detail}");

    let graphql = "mutation($d: JSONObject!) { createIntegration(input: {definition: $d}) {
        integration { id } userErrors { code message pointer } } }";
    let problems = acme.graphql(graphql, json!({"d": large(made)})).await.data()["createIntegration"].clone();
    let expected = json!([{"code": "OWN_CATALOG_FULL", "message": detail, "pointer": null}]);
    assert_eq!((&problems["integration"], &problems["userErrors"]), (&Value::Null, &expected));
    // A definition of the same size takes the room of the old one, and a deleted one makes room.
    let mut changed = large(0);
    changed["display_name"] = json!("Other");
    assert_eq!(send(&acme, Method::PUT, "/api/v1/integrations/own_0", &changed).await, 200);
    assert_eq!(send(&acme, Method::DELETE, "/api/v1/integrations/own_0", &json!({})).await, 204);
    assert_eq!(acme.post(LIST, &large(made)).await.status.as_u16(), 201);
    // The limit is one account's.
    assert_eq!(world.account("globex").post(LIST, &large(0)).await.status.as_u16(), 201);
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> u16 {
    let client = client.clone().header("content-type", "application/json");
    client.send(method, path, Body::from(body.to_string())).await.status.as_u16()
}

#[tokio::test]
async fn change_and_deletion_of_a_definition_show_in_reads() {
    let world = World::start().await;
    let acme = world.account("acme");
    for n in 0..5 {
        let mut definition = definition();
        definition["name"] = json!(format!("own_{n}"));
        assert_eq!(acme.post(LIST, &definition).await.status.as_u16(), 201);
    }
    acme.get("/api/v1/integrations/own_0").await.ok();
    let mut changed = definition();
    changed["name"] = json!("own_3");
    changed["display_name"] = json!("Changed");
    assert_eq!(send(&acme, Method::PUT, "/api/v1/integrations/own_3", &changed).await, 200);
    for n in 0..5 {
        let shown = acme.get(&format!("/api/v1/integrations/own_{n}")).await.ok();
        assert_eq!(shown["display_name"], if n == 3 { "Changed" } else { "Acme Billing" });
    }
    assert_eq!(send(&acme, Method::DELETE, "/api/v1/integrations/own_1", &json!({})).await, 204);
    assert_eq!(acme.get("/api/v1/integrations/own_1").await.status.as_u16(), 404);
    assert_eq!(acme.get(&format!("{LIST}?search=acme+billing")).await.ok()["total"], 3);
}

#[tokio::test]
async fn at_most_100_problems_of_a_definition_are_listed() {
    let world = World::start().await;
    let acme = world.account("acme");
    let mut unknown = definition();
    let members = unknown.as_object_mut().expect("an object");
    members.extend((0..1_000).map(|n| (format!("key_{n}"), json!(1))));
    let (problems, size) = refusal(&acme, &unknown).await;
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100], (String::new(), "and 900 more problems".to_owned()));
    assert!(size < 20_000, "an answer of {size} bytes");

    let mut many = definition();
    many["params"] = json!(vec![json!({}); 16_000]);
    let (problems, _) = refusal(&acme, &many).await;
    assert_eq!(problems, [("/params".to_owned(), "must have at most 64 items".to_owned())]);
}

#[tokio::test]
async fn at_most_100_problems_of_an_install_are_listed() {
    let world = World::start().await;
    let acme = world.account("acme");
    let names: serde_json::Map<_, _> = (0..60).map(|n| (format!("bad name {n}"), json!("x"))).collect();
    let mut own = definition();
    own["params"] = (0..60).map(|n| json!({"name": format!("f{n}"), "label": "F", "type": "integer"})).collect();
    own["http"] = Value::Null;
    own.as_object_mut().expect("an object").remove("http");
    assert_eq!(acme.post(LIST, &own).await.status.as_u16(), 201);
    let params: serde_json::Map<_, _> = (0..60).map(|n| (format!("f{n}"), json!("x"))).collect();
    let path = "/api/v1/integrations/acme_billing/install";
    let body = json!({"params": params, "secrets": names});
    let answer = acme.clone().header("accept", PROBLEM).post(path, &body).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.text());
    let errors = answer.json()["errors"].as_array().cloned().expect("errors");
    assert_eq!((errors.len(), &errors[100]["detail"]), (101, &json!("and 20 more problems")));
}

#[tokio::test]
async fn patterns_of_a_definition_are_bounded_and_portable() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (pattern, expected) in [
        ("^(?:.{1000}){50}$", "may have at most 1000 characters"),
        (r"^\p{L}{150}[a-z]{2}(?:x|y)z*$", "too large once compiled"),
        ("^(?i)abc", "uses (?i, which ECMA-262"),
        ("^[[:alpha:]]+$", "uses [[:, which ECMA-262"),
        (r"^abc\z", r"uses \z, which ECMA-262"),
    ] {
        let mut definition = definition();
        definition["params"][0]["pattern"] = json!(pattern);
        let (problems, _) = refusal(&acme, &definition).await;
        assert!(
            problems.len() == 1 && problems[0].0 == "/params/0/pattern" && problems[0].1.contains(expected),
            "{problems:?}"
        );
    }
    let mut own = definition();
    own["params"][0]["pattern"] = json!("^(?:[a-z]{1,10}){1,10}$");
    assert_eq!(acme.post(LIST, &own).await.status.as_u16(), 201);
    let path = "/api/v1/integrations/acme_billing/validate";
    let problems = acme.post(path, &json!({"params": {"a": "x".repeat(60_000)}})).await.ok();
    assert!(problems.to_string().contains("takes too much work to match"), "{problems}");
    assert_eq!(acme.post(path, &json!({"params": {"a": "x".repeat(60)}})).await.ok()["valid"], true);
}

#[tokio::test]
async fn defaults_and_examples_keep_the_rules_of_headers() {
    let world = World::start().await;
    let acme = world.account("acme");
    let with = |placement: &Value, is_multiline: bool, key: &str, value: &str| {
        let mut definition = definition();
        definition["auth"] = json!([{"kind": "api_key", "placements": [placement]}]);
        definition["params"][0]["multiline"] = json!(is_multiline);
        definition["params"][0][key] = json!(value);
        definition
    };
    let header = json!({"in": "header", "header_name": "X-P", "field": "a"});
    let user = json!({"in": "basic_user", "field": "a"});
    let query = json!({"in": "query", "query_name": "p", "field": "a"});
    for key in ["default", "example"] {
        for (placement, is_multiline, expected) in [
            (&header, true, "the header X-P carries it"),
            (&user, true, "the header Authorization carries it"),
            (&header, false, "U+000D"),
            (&query, false, "U+000D"),
        ] {
            let (problems, _) = refusal(&acme, &with(placement, is_multiline, key, "a\r\nX-Evil: 1")).await;
            assert!(
                problems.len() == 1 && problems[0].0 == format!("/params/0/{key}") && problems[0].1.contains(expected),
                "{placement} {key}: {problems:?}"
            );
        }
    }
    let mut lines = with(&query, true, "default", "a\r\nb");
    lines["params"][0]["example"] = json!("a\nb");
    assert_eq!(acme.post(LIST, &lines).await.status.as_u16(), 201);
    let mut tab = with(&header, false, "default", "a\tb");
    tab["name"] = json!("acme_tab");
    assert_eq!(acme.post(LIST, &tab).await.status.as_u16(), 201, "a header may hold a tab");
}

#[tokio::test]
async fn definition_frames_and_routes_no_request() {
    let world = World::start().await;
    let acme = world.account("acme");
    let with_header = |name: &str| {
        let mut definition = definition();
        let placement = json!({"in": "header", "header_name": name, "value": "v"});
        definition["auth"] = json!([{"kind": "bearer", "placements": [placement]}]);
        definition
    };
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Upgrade",
        "TE",
        "Trailer",
        "Keep-Alive",
        "Expect",
        "Proxy-Authorization",
        "proxy-x",
    ] {
        let (problems, _) = refusal(&acme, &with_header(name)).await;
        let at = "/auth/0/placements/0/header_name";
        assert!(
            problems.len() == 1 && problems[0].0 == at && problems[0].1.contains("frames or routes"),
            "{problems:?}"
        );
    }
    for host in ["b example", "b.example/x", "a@b.example", "https://b.example"] {
        let mut definition = definition();
        definition["http"]["allowed_hosts"] = json!(["x.example", host]);
        let (problems, _) = refusal(&acme, &definition).await;
        let expected = ("/http/allowed_hosts/1".to_owned(), "must be a host name");
        assert!(
            problems.len() == 1 && problems[0].0 == expected.0 && problems[0].1.starts_with(expected.1),
            "{host}: {problems:?}"
        );
    }
    let mut spaced = definition();
    spaced["http"]["verify"]["path"] = json!("/a HTTP/1.1");
    let (problems, _) = refusal(&acme, &spaced).await;
    assert!(problems.len() == 1 && problems[0].0 == "/http/verify/path", "{problems:?}");

    let mut right = with_header("X-Host");
    right["http"]["allowed_hosts"] = json!(["x.example", "*.x.example", "{a}.x.example"]);
    right["http"]["verify"]["path"] = json!("/a%20b");
    assert_eq!(acme.post(LIST, &right).await.status.as_u16(), 201);
}

#[tokio::test]
async fn texts_of_a_definition_cannot_steer_terminals_or_headers() {
    let world = World::start().await;
    let acme = world.account("acme");
    let placement = json!([{"kind": "bearer", "placements": [{"in": "header", "header_name": "X-Key", "value": "v"}]}]);
    for (pointer, value, expected) in [
        ("/display_name", json!("a\u{1b}[2Jb"), "U+001B"),
        ("/display_name", json!("  "), "must not be blank"),
        ("/description", json!("a\u{202e}b"), "U+202E"),
        ("/params/0/label", json!("a\u{200b}b"), "U+200B"),
        ("/auth/0/placements/0/header_name", json!("X-Key\r\nX-Admin"), "U+000D"),
        ("/auth/0/placements/0/header_name", json!("X Key"), "must match"),
        ("/auth/0/placements/0/value", json!("v\nX-Admin: 1"), "U+000A"),
        ("/docs_url", json!("https://"), "must match ^https://"),
        ("/docs_url", json!("https://:443/x"), "must match ^https://"),
    ] {
        let mut definition = definition();
        definition["auth"] = placement.clone();
        definition["docs_url"] = json!("https://x.example");
        *definition.pointer_mut(pointer).expect("there") = value;
        let (problems, _) = refusal(&acme, &definition).await;
        assert!(
            problems.iter().any(|(at, message)| at == pointer && message.contains(expected)),
            "{pointer}: {problems:?}"
        );
    }
}
