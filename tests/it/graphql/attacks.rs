//! What well-known tools try on a GraphQL server (graphql-cop, InQL, clairvoyance, BatchQL, CrackQL and their like), in
//! one table: each attempt is answered as said, soon, changes nothing and tells nothing.
//!
//! The limits from both sides are in `limits`, input made to break parsers in `poison`, media types in `http`, quoting
//! in `quoting`, pages of other sites in `browsers`.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use form_urlencoded::byte_serialize;
use serde_json::{Value, json};

use super::{acme, assert_refused};
use crate::support::{Answer, Client, World};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// Of `{__typename}`, in SHA-256.
const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
const INSTALL: &str = "installIntegration(input: {integration: {name: \"stripe\"}}) { changed }";

/// What is sent, and the status and code of the answer; without a code it is an answer like any other.
struct Attack {
    name: &'static str,
    method: Method,
    path: String,
    content_type: &'static str,
    body: String,
    expected: (u16, Option<&'static str>),
}

const fn refused(status: u16, code: &'static str) -> (u16, Option<&'static str>) {
    (status, Some(code))
}

const ANSWERED: (u16, Option<&str>) = (200, None);
/// The older media type has 200 for a document that is not run.
const TOO_COMPLEX: (u16, Option<&str>) = refused(200, "QUERY_TOO_COMPLEX");
const INVALID: (u16, Option<&str>) = refused(200, "GRAPHQL_VALIDATION_FAILED");
const UNPARSED: (u16, Option<&str>) = refused(200, "GRAPHQL_PARSE_FAILED");
const BAD_VALUE: (u16, Option<&str>) = refused(200, "BAD_USER_INPUT");
const BAD_REQUEST: (u16, Option<&str>) = refused(400, "BAD_USER_INPUT");
const NOT_BY_GET: (u16, Option<&str>) = refused(405, "BAD_USER_INPUT");
const NOT_JSON: (u16, Option<&str>) = refused(415, "BAD_USER_INPUT");

fn post(name: &'static str, body: Value, expected: (u16, Option<&'static str>)) -> Attack {
    typed(name, JSON, body.to_string(), expected)
}

fn typed(
    name: &'static str,
    content_type: &'static str,
    body: String,
    expected: (u16, Option<&'static str>),
) -> Attack {
    Attack { name, method: Method::POST, path: "/graphql".into(), content_type, body, expected }
}

fn document(name: &'static str, query: impl Into<String>, expected: (u16, Option<&'static str>)) -> Attack {
    post(name, json!({"query": query.into()}), expected)
}

fn get(name: &'static str, query: &str, body: &str, expected: (u16, Option<&'static str>)) -> Attack {
    let path = if query.is_empty() { "/graphql".into() } else { format!("/graphql?query={}", encoded(query)) };
    Attack { name, method: Method::GET, path, content_type: JSON, body: body.into(), expected }
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn repeated(times: usize, item: impl Fn(usize) -> String) -> String {
    (0..times).map(item).collect::<Vec<_>>().join(" ")
}

fn floods() -> Vec<Attack> {
    let doubling = repeated(30, |i| format!("fragment f{i} on Query {{ ...f{} ...f{} }}", i + 1, i + 1));
    let circle = "fields { name type { ".repeat(10) + "name" + &" } }".repeat(10);
    let of_type = "ofType { ".repeat(20) + "name" + &" }".repeat(20);
    let tries = repeated(100, |i| format!("try{i}: {INSTALL}"));
    let skipped = repeated(50, |i| format!("a{i}: __typename @skip(if: true) @include(if: false)"));
    vec![
        document("aliases", format!("{{ {} }}", repeated(101, |i| format!("a{i}: __typename"))), TOO_COMPLEX),
        document("guesses by alias", format!("mutation {{ {tries} }}"), TOO_COMPLEX),
        document("directives", format!("{{ __typename {} }}", "@aa".repeat(50)), TOO_COMPLEX),
        document("skip and include", format!("{{ {skipped} }}"), TOO_COMPLEX),
        document(
            "skip on a fragment",
            format!("{{ {} }}", "...{ __typename } ...@skip(if: true){ __typename } ".repeat(11)),
            TOO_COMPLEX,
        ),
        document("the same field 500 times", format!("{{ {} }}", "__typename ".repeat(500)), ANSWERED),
        document("the same field 5,500 times", format!("{{ {} }}", "__typename ".repeat(5_500)), TOO_COMPLEX),
        document(
            "the same list many times",
            format!("{{ {} }}", "integrations(first: 200) { nodes { id } } ".repeat(30)),
            TOO_COMPLEX,
        ),
        document("introspection in a circle", format!("{{ __schema {{ types {{ {circle} }} }} }}"), TOO_COMPLEX),
        document("deep nesting", format!("{{ __type(name: \"Query\") {{ {of_type} }} }}"), TOO_COMPLEX),
        document("circular fragments", "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", INVALID),
        document(
            "doubling fragments",
            format!("{{ ...f0 }} {doubling} fragment f30 on Query {{ __typename }}"),
            TOO_COMPLEX,
        ),
        document("brackets", "{ a(x: ".to_owned() + &"[".repeat(10_000), TOO_COMPLEX),
        document(
            "a long document",
            format!("{{ __typename #{} }}", "x".repeat(70_000)),
            refused(413, "QUERY_TOO_COMPLEX"),
        ),
        post("a batch", json!([{"query": "{ __typename }"}, {"query": "{ __typename }"}]), BAD_REQUEST),
        post("a batch of one", json!([{"query": "{ __typename }"}]), BAD_REQUEST),
        post(
            "a batch of a hundred guesses",
            json!(vec![json!({"query": format!("mutation {{ {INSTALL} }}")}); 100]),
            BAD_REQUEST,
        ),
    ]
}

fn forgeries() -> Vec<Attack> {
    let mutation = format!("mutation {{ {INSTALL} }}");
    let form = format!("query={}", encoded(&mutation));
    let body = json!({"query": mutation}).to_string();
    let operations = format!("--x\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{body}\r\n--x--\r\n");
    vec![
        get("a query by GET", "{ __typename }", "", ANSWERED),
        get("a mutation by GET", &mutation, "", NOT_BY_GET),
        get("a mutation by GET that changes nothing", "mutation { __typename }", "", NOT_BY_GET),
        get("a query by GET, a mutation in the body", "{ __typename }", &body, ANSWERED),
        get("a mutation in the body of a GET", "", &body, BAD_REQUEST),
        get("a subscription by GET", "subscription { integrationChanged { id } }", "", BAD_REQUEST),
        document("a subscription by POST", "subscription { integrationChanged { id } }", BAD_REQUEST),
        Attack {
            path: format!("/graphql?query={}", encoded(&mutation)),
            ..post("a mutation in the address of a POST", json!({}), BAD_REQUEST)
        },
        Attack { method: Method::PUT, ..typed("another method", JSON, body.clone(), NOT_BY_GET) },
        Attack { method: Method::DELETE, ..typed("yet another method", JSON, body.clone(), NOT_BY_GET) },
        typed("a form", FORM, form.clone(), NOT_JSON),
        typed(
            "a form that says it is JSON",
            "application/x-www-form-urlencoded; application/json",
            body.clone(),
            NOT_JSON,
        ),
        typed("JSON as text", "text/plain", body.clone(), NOT_JSON),
        typed("JSON as text that says it is JSON", "text/plain; application/json", body.clone(), NOT_JSON),
        typed("JSON as two types", "text/plain, application/json", body.clone(), NOT_JSON),
        typed("JSON as two types the other way", "application/json, text/plain", body.clone(), NOT_JSON),
        typed("JSON with padding", "application/jsonp", body.clone(), NOT_JSON),
        typed("an upload", "multipart/form-data; boundary=x", operations, NOT_JSON),
        typed("a bare document", "application/graphql", mutation.clone(), NOT_JSON),
        typed("no type", "", body, NOT_JSON),
        typed("a form with the type of JSON", JSON, form, BAD_REQUEST),
    ]
}

fn probes() -> Vec<Attack> {
    let apq = json!({"persistedQuery": {"version": 1, "sha256Hash": HASH}});
    let typename = "{__typename}";
    let unknown = repeated(64, |i| format!("word{i}"));
    vec![
        post("a persisted query", json!({"extensions": apq}), refused(200, "PERSISTED_QUERY_NOT_SUPPORTED")),
        post("a persisted query to store", json!({"query": typename, "extensions": apq}), ANSWERED),
        post("a persisted query by id", json!({"id": HASH, "documentId": HASH}), BAD_REQUEST),
        post(
            "tracing asked for",
            json!({"query": typename, "extensions": {"tracing": true, "debug": 1}, "debug": true}),
            ANSWERED,
        ),
        document("no GraphQL", "qwerty", UNPARSED),
        document("half a document", "{ integrations {", UNPARSED),
        document("a list of guessed fields", format!("{{ {unknown} }}"), TOO_COMPLEX),
        document("a field nearly right", "{ integration(by: {name: \"stripe\"}) { nam } }", INVALID),
        document("a field without its selection", "{ integrations }", INVALID),
        document("an unknown directive", "{ integrations @defer @stream @live { totalCount } }", INVALID),
        document("federation", "{ _service { sdl } _entities(representations: []) { __typename } }", INVALID),
        document("a type definition", "extend type Query { a: Int }", UNPARSED),
        document("several operations without a name", "query a { __typename } query b { __typename }", INVALID),
        document("two operations of one name", "query a { __typename } query a { __typename }", INVALID),
        post(
            "a name that is not there",
            json!({"query": "query a { __typename }", "operationName": "__proto__"}),
            INVALID,
        ),
        post("a name that is no text", json!({"query": typename, "operationName": ["a"]}), BAD_REQUEST),
        post(
            "variables nobody declared",
            json!({"query": typename, "variables": {"__proto__": {"admin": true}}}),
            ANSWERED,
        ),
        post(
            "a variable of another type",
            json!({"query": "query($n: Int) { integrations(first: $n) { totalCount } }", "variables": {"n": {"$gt": 0}}}),
            BAD_VALUE,
        ),
        post(
            "a huge number",
            json!({"query": "query($n: Int) { integrations(first: $n) { totalCount } }", "variables": {"n": u64::MAX}}),
            BAD_VALUE,
        ),
        post("variables as text", json!({"query": typename, "variables": "{}"}), BAD_REQUEST),
        document("SQL in a name", "{ integration(by: {name: \"' OR 1=1 --\"}) { id } }", ANSWERED),
        document("SQL in a search", "{ integrations(search: \"%' UNION SELECT 1 --\") { totalCount } }", ANSWERED),
        document("a path for an id", "{ node(id: \"../../etc/passwd\") { id } }", ANSWERED),
    ]
}

async fn send(client: &Client, attack: &Attack) -> Answer {
    let client = match attack.content_type {
        "" => client.clone(),
        content_type => client.clone().header("content-type", content_type),
    };
    // Some servers take this for the method.
    let client = client.header("x-http-method-override", "POST");
    client.send(attack.method.clone(), &attack.path, Body::from(attack.body.clone())).await
}

/// Asserts that an answer holds nothing but the contract's: no traces, no places in the code, no words of the database.
fn assert_tells_nothing(answer: &Answer, name: &str) {
    let json = answer.json();
    let keys: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert!(keys.iter().all(|key| ["data", "errors"].contains(key)), "{name}: {keys:?}");
    for error in json["errors"].as_array().into_iter().flatten() {
        let extensions = error["extensions"].as_object().expect("extensions");
        let known = ["code", "requestId", "retryAfter"];
        assert!(extensions.keys().all(|key| known.contains(&key.as_str())), "{name}: {error}");
    }
    let text = answer.text().to_lowercase();
    for word in [
        "panicked",
        "stack",
        ".rs",
        "async_graphql",
        "async-graphql",
        "sqlite",
        "postgres",
        "syntax error at or",
        "<html",
    ] {
        assert!(!text.contains(word), "{name} tells {word}: {text}");
    }
    assert!(answer.body.len() < 32_768, "{name}: {} bytes came back", answer.body.len());
}

#[tokio::test]
async fn what_attack_tools_try_is_answered_as_said_and_changes_and_tells_nothing() {
    let (world, acme) = acme().await;
    let before = world.rows_of("acme").await;
    for attack in floods().into_iter().chain(forgeries()).chain(probes()) {
        let started = Instant::now();
        let answer = send(&acme, &attack).await;
        assert!(started.elapsed() < Duration::from_secs(1), "{}: {:?}", attack.name, started.elapsed());
        let code = answer.json().get("errors").map(|_| answer.graphql_code());
        let seen = (answer.status.as_u16(), code.as_deref());
        assert_eq!(seen, attack.expected, "{}: {}", attack.name, answer.text());
        assert_tells_nothing(&answer, attack.name);
    }
    assert_eq!(world.rows_of("acme").await, before);
}

#[tokio::test]
async fn a_persisted_query_is_never_stored() {
    let (_world, acme) = acme().await;
    for attack in probes().iter().filter(|attack| attack.name.starts_with("a persisted query")) {
        send(&acme, attack).await;
    }
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": HASH}});
    let asked = acme.post("/graphql", &json!({"extensions": extensions})).await;
    assert_refused(&asked, 200, "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[tokio::test]
async fn no_console_is_found_where_tools_look_for_one() {
    let world = World::with(&[("server.listen", "0.0.0.0:0"), ("auth.mode", "open")]).await;
    let browser = world.nobody().header("accept", "text/html");
    for path in [
        "/altair",
        "/api",
        "/api/graphql",
        "/console",
        "/explorer",
        "/gql",
        "/graphiql",
        "/graphiql.css",
        "/graphiql/finland",
        "/graphql.php",
        "/graphql-explorer",
        "/graphql/console",
        "/graphql/playground",
        "/graphql/schema.json",
        "/playground",
        "/subscriptions",
        "/v1/graphql",
        "/voyager",
    ] {
        browser.get(path).await.assert_refused(404, "route_not_found", "No such route");
    }
    let answer = browser.get("/graphql").await;
    assert_eq!((answer.status.as_u16(), answer.content_type()), (400, JSON));
}

#[tokio::test]
async fn guessed_words_bring_nothing_to_light_once_introspection_is_off() {
    let world = World::with(&[("graphql.introspection", "false")]).await;
    let acme = world.account("acme");
    for (guess, hidden) in [
        ("{ integratio { id } }", "integrations"),
        ("{ integrations { node { id } } }", "nodes"),
        ("{ integration(by: {name: \"stripe\"}) { secretName } }", "secretNames"),
        ("mutation { installIntegratio { changed } }", "installIntegration"),
        ("{ ... on Integratio { id } }", "Integration"),
        ("{ integrations(categor: \"x\") { totalCount } }", "category"),
    ] {
        let answer = acme.graphql(guess, json!({})).await;
        super::assert_refused(&answer, 200, "GRAPHQL_VALIDATION_FAILED");
        for word in ["Did you mean", &format!("\"{hidden}")] {
            assert!(!answer.json()["errors"][0]["message"].to_string().contains(word), "{guess}: {}", answer.text());
        }
    }
}
