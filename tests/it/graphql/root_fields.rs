//! Root fields of an operation: merging, limits, rate limits and computing time.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::socket::Socket;
use super::{acme, assert_refused, install};
use crate::support::{Answer, Client, PEPPER, World};

const CREATE_KEY: &str =
    "createApiKey(input: {name: \"dup\", scopes: [\"catalog:read\"]}) { key userErrors { message } }";

fn repeated(times: usize, item: impl Fn(usize) -> String) -> String {
    (0..times).map(item).collect::<Vec<_>>().join(" ")
}

async fn key_count(client: &Client) -> usize {
    let data = client.graphql("{ apiKeys { nodes { id } } }", json!({})).await.data();
    data["apiKeys"]["nodes"].as_array().expect("keys").len()
}

fn installs(times: usize) -> String {
    let install = |n| {
        format!(
            "a{n}: installIntegration(input: {{integration: {{name: \"stripe\"}}, params: {{n: {n}}}}}) {{ changed }}"
        )
    };
    format!("mutation {{ {} }}", repeated(times, install))
}

/// The answer over GraphQL, and over REST where the text fits into an address.
async fn search(client: &Client, text: &str) -> (Answer, Option<Answer>) {
    let query = "query($text: String) { integrations(search: $text) { totalCount } }";
    let graphql = client.graphql(query, json!({"text": text})).await;
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let rest = match encoded.len() {
        ..10_000 => Some(client.get(&format!("/api/v1/integrations?search={encoded}")).await),
        _ => None,
    };
    (graphql, rest)
}

#[tokio::test]
async fn mutation_selected_several_times_runs_once() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let before = key_count(&acme).await;
    for document in [
        format!("mutation {{ {} }}", repeated(5, |_| CREATE_KEY.to_owned())),
        format!(
            "mutation {{ {CREATE_KEY} ...A ... on Mutation {{ {CREATE_KEY} }} }} fragment A on Mutation {{ {CREATE_KEY} }}"
        ),
        format!(
            "mutation {{ {CREATE_KEY} createApiKey(input: {{name: \"dup\", scopes: [\"catalog:read\"]}}) {{ apiKey {{ id }} }} }}"
        ),
    ] {
        let made = key_count(&acme).await;
        let data = acme.graphql(&document, json!({})).await.data();
        assert!(data["createApiKey"]["key"].is_string(), "{data}");
        assert_eq!(key_count(&acme).await, made + 1, "{document}");
    }
    assert_eq!(key_count(&acme).await, before + 3);
}

#[tokio::test]
async fn fields_that_differ_are_refused_wherever_they_stand() {
    let (_world, acme) = acme().await;
    let before = key_count(&acme).await;
    let other = CREATE_KEY.replace("dup", "other");
    for document in [
        format!("mutation {{ {CREATE_KEY} {other} }}"),
        format!("mutation {{ {CREATE_KEY} ... on Mutation {{ {other} }} }}"),
        format!("mutation {{ {CREATE_KEY} ... on Mutation @skip(if: true) {{ {other} }} }}"),
        "{ integration(by: {name: \"stripe\"}) { x: id } integration(by: {name: \"stripe\"}) { x: name } }".to_owned(),
        "{ node(id: \"1\") { x: id ... on Integration { x: name } } }".to_owned(),
    ] {
        assert_refused(&acme.graphql(&document, json!({})).await, 200, "GRAPHQL_VALIDATION_FAILED");
        let newer = acme.clone().header("accept", "application/graphql-response+json");
        assert_refused(&newer.graphql(&document, json!({})).await, 400, "GRAPHQL_VALIDATION_FAILED");
    }
    assert_eq!(key_count(&acme).await, before);
}

#[tokio::test]
async fn rewritten_document_is_validated_as_it_was_sent() {
    let (_world, acme) = acme().await;
    let twice = "rateLimit { isLimited } rateLimit { isLimited }";
    for (document, variables) in [
        (format!("{{ {twice} }} fragment Unused on Query {{ __typename }}"), json!({})),
        (format!("query($unused: Int) {{ {twice} }}"), json!({})),
        (format!("{{ {twice} ...Unknown }}"), json!({})),
        (format!("{{ {twice} nothing }}"), json!({})),
        (format!("{{ {twice} rateLimit @unknown {{ isLimited }} }}"), json!({})),
        (format!("{{ {twice} ... @skip(if: true) {{ nothing }} }}"), json!({})),
        (format!("query A {{ {twice} }} query B {{ nothing }}"), json!({})),
    ] {
        let body = json!({"query": document, "variables": variables, "operationName": document.contains("query A").then_some("A")});
        assert_refused(&acme.post("/graphql", &body).await, 200, "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn merged_selections_answer_the_fields_of_every_occurrence() {
    let (_world, acme) = acme().await;
    install(&acme, "stripe", json!({"params": {"a": 1}})).await;
    let query = "query($yes: Boolean = true) {
        integrations(first: 2) { nodes { name } }
        ...Rest @include(if: $yes)
        integration(by: {name: \"stripe\"}) { id fields { name } ... on Node { id } }
        integration(by: {name: \"stripe\"}) { params fields { label } dropped: name @skip(if: $yes) }
        __schema { queryType { name } } __schema { mutationType { name } }
    }
    fragment Rest on Query { integrations(first: 2) { nodes { status } totalCount } }";
    let data = acme.graphql(query, json!({})).await.data();
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&data), "__schema integration integrations");
    assert_eq!(keys(&data["integrations"]), "nodes totalCount");
    assert_eq!(keys(&data["integrations"]["nodes"][1]), "name status");
    assert_eq!(keys(&data["integration"]), "fields id params");
    assert_eq!(keys(&data["integration"]["fields"][0]), "label name");
    assert_eq!(data["integration"]["params"], json!({"a": 1}));
    assert_eq!(data["__schema"], json!({"queryType": {"name": "Query"}, "mutationType": {"name": "Mutation"}}));
}

#[tokio::test]
async fn root_fields_and_mutations_of_an_operation_are_limited() {
    let (world, acme) = acme().await;
    let lists =
        |times| format!("{{ {} }}", repeated(times, |n| format!("a{n}: integrations(first: 1) {{ totalCount }}")));
    acme.graphql(&lists(20), json!({})).await.data();
    assert_refused(&acme.graphql(&lists(21), json!({})).await, 200, "QUERY_TOO_COMPLEX");
    let laid_out = lists(20).replacen("{ ", "{ ...A ", 1) + " fragment A on Query { nativeTools { totalCount } }";
    assert_refused(&acme.graphql(&laid_out, json!({})).await, 200, "QUERY_TOO_COMPLEX");
    acme.graphql(&installs(10), json!({})).await.data();
    let before = world.rows_of("acme").await;
    for times in [11, 30] {
        assert_refused(&acme.graphql(&installs(times), json!({})).await, 200, "QUERY_TOO_COMPLEX");
    }
    assert_eq!(world.rows_of("acme").await, before);
    let served = world.serve().await;
    let mut socket = Socket::of(&served, "acme").await;
    let refused = socket.answer(&installs(11)).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX", "{refused}");
    assert_eq!(world.rows_of("acme").await, before);
}

#[tokio::test]
async fn repeated_introspection_runs_once_or_is_refused() {
    let (_world, acme) = acme().await;
    let schema = "__schema { types { name fields { name } } }";
    let once = acme.graphql(&format!("{{ {schema} }}"), json!({})).await;
    let repeated = |times: usize| format!("{{ {} }}", format!("{schema} ").repeat(times));
    assert_eq!(acme.graphql(&repeated(100), json!({})).await.data(), once.data());
    let flood = acme.graphql(&repeated(900), json!({})).await;
    assert_refused(&flood, 200, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn each_root_field_counts_as_a_request() {
    let settings = [("limits.rate", "true"), ("limits.requests_per_minute", "0"), ("limits.requests_per_hour", "0")];
    let world = World::with(&[&settings[..], &[("limits.requests_per_day", "40")]].concat()).await;
    let acme = world.account("acme");
    let remaining = |answer: &Answer| answer.header("x-ratelimit-remaining").expect("a number").to_owned();
    for (document, left) in [
        ("{ __typename }", "39"),
        ("{ rateLimit { windows { remaining } } }", "38"),
        ("{ a: nativeTools { totalCount } b: nativeTools { totalCount } c: nativeTools { totalCount } }", "35"),
        ("{ nativeTools { totalCount } ... { nativeTools { totalCount } } }", "34"),
        ("{ a: nativeTools { totalCount } b: nativeTools @skip(if: true) { totalCount } }", "33"),
        ("{ a: rateLimit { windows { remaining } } b: nativeTools { totalCount } }", "31"),
    ] {
        let answer = acme.graphql(document, json!({})).await;
        assert_eq!(remaining(&answer), left, "{document}");
        if let Some(windows) = answer.data()["rateLimit"]["windows"].as_array() {
            assert_eq!(windows[0]["remaining"].to_string(), left);
        }
    }
    let lists = format!("{{ {} }}", repeated(20, |n| format!("a{n}: nativeTools {{ totalCount }}")));
    assert_eq!(remaining(&acme.graphql(&lists, json!({})).await), "11");
    let refused = acme.graphql(&lists, json!({})).await;
    assert_eq!((refused.status.as_u16(), &*refused.graphql_code()), (429, "RATE_LIMITED"));
    assert_eq!(refused.json().get("data"), None);
}

#[tokio::test]
async fn each_root_field_of_a_socket_counts_as_a_request() {
    let settings = [("limits.rate", "true"), ("limits.requests_per_minute", "0"), ("limits.requests_per_hour", "0")];
    let world = World::with(&[&settings[..], &[("limits.requests_per_day", "30")]].concat()).await;
    let served = world.serve().await;
    let mut socket = Socket::of(&served, "acme").await;
    let left = |answer: Value| answer["data"]["rateLimit"]["windows"][0]["remaining"].as_u64().expect("a number");
    let one = "{ rateLimit { windows { remaining } } }";
    let before = left(socket.answer(one).await);
    let four = format!(
        "{{ rateLimit {{ windows {{ remaining }} }} {} }}",
        repeated(3, |n| format!("a{n}: nativeTools {{ totalCount }}"))
    );
    assert_eq!(left(socket.answer(&four).await), before - 4);
    let twenty = format!("{{ {} }}", repeated(20, |n| format!("a{n}: nativeTools {{ totalCount }}")));
    socket.answer(&twenty).await;
    let refused = socket.answer(&twenty).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
}

#[tokio::test]
async fn search_text_over_its_limits_is_refused_by_both_apis() {
    let (_world, acme) = acme().await;
    let words = "w ".repeat(9);
    for text in ["x".repeat(201), "é".repeat(201), words, "abcd ".repeat(50_000)] {
        let (graphql, rest) = search(&acme, &text).await;
        if let Some(rest) = rest {
            assert_eq!((rest.status.as_u16(), rest.error_code()), (400, "bad_user_input"), "{text:.40}");
        }
        assert_eq!(graphql.graphql_code(), "BAD_USER_INPUT", "{text:.40}");
    }
    for text in ["x".repeat(200), "w ".repeat(8)] {
        let (graphql, rest) = search(&acme, &text).await;
        graphql.data();
        rest.expect("a short address").ok();
    }
}

/// The reproducer of the flood: equal fields with a search of 250,000 characters.
#[tokio::test]
async fn long_search_in_equal_fields_is_refused_at_once() {
    let (_world, acme) = acme().await;
    let query = format!("query($s: String) {{ {} }}", "integrations(search: $s) { totalCount } ".repeat(60));
    let started = Instant::now();
    let answer = acme.graphql(&query, json!({"s": "abcd ".repeat(50_000)})).await;
    assert_eq!(answer.graphql_code(), "BAD_USER_INPUT");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// Fields that compare every word of the catalog with eight words.
fn heavy(fields: usize) -> String {
    let search = |n: usize| repeated(8, |word| format!("zqxj{word}wv{n}"));
    let field = |n| format!("a{n}: integrations(search: \"{}\") {{ totalCount }}", search(n));
    format!("{{ {} }}", repeated(fields, field))
}

const WIDE: [(&str, &str); 3] =
    [("graphql.max_root_fields", "1000"), ("graphql.max_aliases", "1000"), ("graphql.max_complexity", "100000")];

/// The output of a future, and the number of its polls: one more than its yields and waits.
async fn count_polls<T>(future: impl Future<Output = T>) -> (T, usize) {
    let mut future = pin!(future);
    let mut polls = 0;
    let output = poll_fn(|context| {
        polls += 1;
        future.as_mut().poll(context)
    })
    .await;
    (output, polls)
}

/// Counts instead of measuring: a request that computes for 40 ms or more yields after each time slice of 1 ms.
#[tokio::test]
async fn heavy_request_yields_while_it_computes() {
    let world = World::with(&WIDE).await;
    let acme = world.account("acme");
    let (light, heavy) = (heavy(1), heavy(200));
    acme.graphql(&light, json!({})).await.data();
    let (answer, light_polls) = count_polls(acme.graphql(&light, json!({}))).await;
    answer.data();
    let (answer, heavy_polls) = count_polls(acme.graphql(&heavy, json!({}))).await;
    answer.data();
    assert!(heavy_polls > light_polls + 20, "{heavy_polls} polls, {light_polls} of a light request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_timeout_ends_a_query_that_computes() {
    let world = World::with(
        &[
            &WIDE[..],
            &[
                ("server.request_timeout_ms", "200"),
                ("server.max_body_bytes", "1048576"),
                ("graphql.max_document_bytes", "1048576"),
            ],
        ]
        .concat(),
    )
    .await;
    let acme = world.account("acme");
    let started = Instant::now();
    let answer = tokio::spawn(async move { acme.graphql(&heavy(1_000), json!({})).await }).await.expect("answered");
    assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (504, "TIMEOUT"), "{:?}", started.elapsed());
}
