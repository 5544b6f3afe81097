//! Properties of untrusted input: search texts, cursors, documents and socket messages. Each runs a few cases, or as
//! many as `PROPTEST_CASES` says.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use super::install;
use super::socket::{PROTOCOL, Said, Socket};
use crate::support::{Client, Served, World};

const CASES: u32 = 24;

/// Runs a property on one world with one account.
fn check<S: Strategy>(
    strategy: S,
    mut property: impl AsyncFnMut(&Served, &Client, S::Value) -> Result<(), TestCaseError>,
) {
    let runtime = Runtime::new().expect("runtime");
    let world = runtime.block_on(World::start());
    let acme = world.account("acme");
    runtime.block_on(async { install(&acme, "stripe", json!({"params": {"a": [1]}})).await });
    let mut config = Config { failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let served = runtime.block_on(world.serve());
    let cell = RefCell::new(&mut property);
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        let mut property = cell.borrow_mut();
        runtime.block_on((**property)(&served, &acme, value))
    });
    runtime.block_on(async { drop((served, world)) });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Texts that resemble what a search has in it, and any others.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "([a-zA-Zé\u{301}ＡΣ_.%-]{1,12} ){0,12}",
        any::<String>(),
        ("[a-z]{1,5}", 1..80_usize).prop_map(|(word, times)| word.repeat(times)),
    ]
}

#[test]
fn search_text_is_answered_alike_by_both_apis_or_refused_by_both() {
    check(texts(), async |_, acme, text| {
        let rest = acme.get(&format!("/api/v1/integrations?limit=200&search={}", encoded(&text))).await;
        let query = "query($s: String) { integrations(search: $s, first: 200) { nodes { name } } }";
        let graphql = acme.graphql(query, json!({"s": text})).await;
        prop_assert!(!rest.status.is_server_error() && !graphql.status.is_server_error());
        if rest.status != 200 {
            prop_assert_eq!((rest.status.as_u16(), &*graphql.graphql_code()), (400, "BAD_USER_INPUT"));
            return Ok(());
        }
        let names = |list: &Value| -> Vec<Value> {
            list.as_array().into_iter().flatten().map(|item| item["name"].clone()).collect()
        };
        prop_assert_eq!(names(&rest.json()["integrations"]), names(&graphql.data()["integrations"]["nodes"]));
        Ok(())
    });
}

#[derive(Clone, Debug)]
enum CursorText {
    Any(String),
    /// A real one with a byte changed, cut or added.
    Changed(usize, char),
    Cut(usize),
    Real,
}

#[test]
fn cursor_is_accepted_or_refused_alike_by_both_apis() {
    let cursors = prop_oneof![
        any::<String>().prop_map(CursorText::Any),
        "[A-Za-z0-9_=-]{0,120}".prop_map(CursorText::Any),
        (any::<usize>(), any::<char>()).prop_map(|(at, c)| CursorText::Changed(at, c)),
        any::<usize>().prop_map(CursorText::Cut),
        Just(CursorText::Real),
    ];
    check(cursors, async |_, acme, cursor| {
        let page = acme.graphql("{ integrations(first: 3) { pageInfo { endCursor } } }", json!({})).await.data();
        let real = page["integrations"]["pageInfo"]["endCursor"].as_str().expect("a cursor").to_owned();
        let text = match cursor {
            CursorText::Any(text) => text,
            CursorText::Changed(at, c) => {
                let mut letters: Vec<_> = real.chars().collect();
                let at = at % letters.len();
                letters[at] = c;
                letters.into_iter().collect()
            }
            CursorText::Cut(at) => real[..at % real.len()].to_owned(),
            CursorText::Real => real,
        };
        let rest = acme.get(&format!("/api/v1/integrations?limit=3&cursor={}", encoded(&text))).await;
        let query = "query($after: String) { integrations(first: 3, after: $after) { nodes { name } } }";
        let graphql = acme.graphql(query, json!({"after": text})).await;
        match rest.status.as_u16() {
            200 => drop(graphql.data()),
            400 => prop_assert_eq!(graphql.graphql_code(), "BAD_USER_INPUT"),
            other => prop_assert!(false, "{other}: {text:?}"),
        }
        let events = format!("/api/v1/events?cursor={}", encoded(&text));
        let status = acme.get(&events).await.status.as_u16();
        prop_assert!([200, 400].contains(&status), "{status}: {text:?}");
        Ok(())
    });
}

/// Root fields by response name, each with the selections of one occurrence.
const ROOTS: [(&str, &[&str]); 5] = [
    (
        "integrations(first: 2)",
        &["totalCount", "nodes { id }", "nodes { name params }", "pageInfo { hasNextPage }", "__typename"],
    ),
    (
        "integration(by: {name: \"stripe\"})",
        &["id", "fields { name }", "fields { label name }", "... on Node { id }", "params"],
    ),
    ("node(id: \"x\")", &["id", "... on Integration { name }", "... on Integration { id name }"]),
    ("nativeTools", &["totalCount", "nodes { __typename }", "t: totalCount"]),
    ("__type(name: \"Query\")", &["name", "fields { name }", "fields { isDeprecated }", "kind"]),
];

#[derive(Clone, Debug)]
struct Occurrence {
    root: usize,
    selections: Vec<usize>,
    /// On its own, in an inline fragment, in a named one, or left out.
    place: usize,
}

fn occurrences() -> impl Strategy<Value = Vec<Occurrence>> {
    let one = (0..ROOTS.len(), prop::collection::vec(0..5_usize, 1..4), 0..4_usize)
        .prop_map(|(root, selections, place)| Occurrence { root, selections, place });
    prop::collection::vec(one, 1..7)
}

fn field(occurrence: &Occurrence) -> String {
    let (root, selections) = ROOTS[occurrence.root];
    let chosen = occurrence.selections.iter().map(|at| selections[at % selections.len()]);
    format!("{root} {{ {} }}", chosen.collect::<Vec<_>>().join(" "))
}

/// Puts what another occurrence of the same field answered into the answer of the first.
fn merge(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (key, value) in other {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(other)) => into.iter_mut().zip(other).for_each(|(a, b)| merge(a, b)),
        (into @ Value::Null, other) => *into = other,
        _ => {}
    }
}

#[test]
fn merged_query_answers_what_its_occurrences_answer() {
    check(occurrences(), async |_, acme, occurrences| {
        let (mut set, mut fragments, mut aliased) = (String::new(), String::new(), String::new());
        for (n, occurrence) in occurrences.iter().enumerate() {
            let field = field(occurrence);
            match occurrence.place {
                0 => set.push_str(&format!("{field} ")),
                1 => set.push_str(&format!("... on Query {{ {field} }} ")),
                2 => {
                    set.push_str(&format!("...F{n} "));
                    fragments.push_str(&format!("fragment F{n} on Query {{ {field} }} "));
                }
                _ => {
                    set.push_str(&format!("... @skip(if: $yes) {{ {field} }} "));
                    continue;
                }
            }
            aliased.push_str(&format!("a{n}: {field} "));
        }
        let variable = if set.contains("$yes") { "query($yes: Boolean! = true) " } else { "" };
        let merged = acme.graphql(&format!("{variable}{{ t: __typename {set} }} {fragments}"), json!({})).await.data();
        let parts = acme.graphql(&format!("{{ t: __typename {aliased} }}"), json!({})).await.data();
        let mut expected = Map::from_iter([("t".to_owned(), json!("Query"))]);
        for (n, occurrence) in occurrences.iter().enumerate() {
            let Some(part) = parts.get(format!("a{n}")) else { continue };
            let name = ROOTS[occurrence.root].0.split('(').next().unwrap_or_default();
            merge(expected.entry(name).or_insert(Value::Null), part.clone());
        }
        prop_assert_eq!(merged, Value::Object(expected));
        Ok(())
    });
}

#[test]
fn limit_of_root_fields_counts_response_names() {
    let names = prop::collection::vec(0..40_usize, 1..60);
    check(names, async |_, acme, names| {
        // Of two fields, both short, so that only the limit of aliases is near: half of the names are aliases of one.
        let field = |name: &usize| match name {
            0 => "nativeTools { totalCount } ".to_owned(),
            name => format!("a{}: nativeTools {{ totalCount }} ", name % 29),
        };
        let document = format!("{{ {} }}", names.iter().map(field).collect::<String>());
        let distinct: std::collections::BTreeSet<_> = names.iter().map(field).collect();
        let aliases = names.iter().filter(|name| **name > 0).count();
        let answer = acme.graphql(&document, json!({})).await;
        if distinct.len() > 20 || aliases > 30 {
            prop_assert_eq!(answer.graphql_code(), "QUERY_TOO_COMPLEX");
        } else {
            prop_assert_eq!(answer.data().as_object().map(Map::len), Some(distinct.len()));
        }
        Ok(())
    });
}

/// What a client may send, well-formed or not.
fn messages() -> impl Strategy<Value = Vec<String>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["acme", "globex", "ACME", "", "_operator"]).prop_map(Value::from),
    ];
    let payload = leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop_oneof![
            prop::sample::select(vec![
                "X-Account-ID",
                "x-account-id",
                "Authorization",
                "X-Actor-ID",
                "X-Gateway-Token",
                "query",
                "variables"
            ])
            .prop_map(str::to_owned),
            "[a-zA-Z_-]{0,12}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let kind = prop::sample::select(vec![
        "connection_init",
        "connection_init",
        "subscribe",
        "subscribe",
        "complete",
        "ping",
        "pong",
        "connection_terminate",
        "nonsense",
    ]);
    let id = prop::sample::select(vec!["1", "1", "2", "", "a long id that is repeated"]);
    let query = prop::sample::select(vec![
        "{ __typename }",
        "{ nothing }",
        "{",
        "subscription { integrationChanged { name } }",
        "mutation { __typename }",
        "{ integrations(first: 0) { totalCount } }",
    ]);
    let any_message = (kind.clone(), id.clone(), payload)
        .prop_map(|(kind, id, payload)| json!({"type": kind, "id": id, "payload": payload}).to_string());
    let subscribe = (id, query)
        .prop_map(|(id, query)| json!({"type": "subscribe", "id": id, "payload": {"query": query}}).to_string());
    let init = Just(json!({"type": "connection_init", "payload": {"X-Account-ID": "acme"}}).to_string());
    let bare = kind.prop_map(|kind| json!({"type": kind}).to_string());
    let message = prop_oneof![3 => any_message, 4 => subscribe, 3 => init, 2 => bare, 1 => "\\PC{0,30}"];
    prop::collection::vec(message, 1..10)
}

/// Codes of the protocol, and of a close without one.
const CODES: [u16; 9] = [1000, 1001, 1006, 1013, 4400, 4401, 4403, 4409, 4429];

async fn talk(served: &Served, messages: &[String]) -> Result<(), TestCaseError> {
    let mut socket = Socket::open(served, &[PROTOCOL]).await.expect("upgraded");
    for message in messages {
        if !socket.try_send_text(message).await {
            break;
        }
    }
    // A pong is the last answer of a connection that is still open.
    let is_open = socket.try_send_text(&json!({"type": "ping"}).to_string()).await;
    let mut seen = 0;
    while let Some(said) = socket.try_next(Duration::from_secs(10)).await {
        match said {
            Said::Closed(code, _) => {
                prop_assert!(CODES.contains(&code), "{code}");
                return Ok(());
            }
            Said::Json(json) => {
                let kind = json["type"].as_str().unwrap_or_default();
                let known = ["connection_ack", "pong", "next", "error", "complete"];
                prop_assert!(known.contains(&kind), "{json}");
                seen += usize::from(kind == "pong");
            }
        }
        let pings = messages.iter().filter(|message| is_ping(message)).count();
        if seen > pings {
            return Ok(());
        }
    }
    prop_assert!(!is_open, "neither a pong nor a close");
    Ok(())
}

fn is_ping(message: &str) -> bool {
    serde_json::from_str::<Value>(message).is_ok_and(|message| message["type"] == "ping")
}

#[test]
fn socket_answers_or_closes_whatever_it_is_sent() {
    check(messages(), async |served, _, messages| talk(served, &messages).await);
}
