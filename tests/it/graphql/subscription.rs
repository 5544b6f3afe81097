//! `integrationChanged` and the protocol it is served over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::install;
use super::socket::{DEADLINE, PROTOCOL, SUBSCRIPTION, Said, Socket};
use crate::support::{Client, Mode, Served, World, eventually};

async fn serving() -> (World, Served) {
    let world = World::start().await;
    let served = world.serve().await;
    (world, served)
}

async fn uninstall(client: &Client, name: &str) {
    let query = "mutation($name: String!) { uninstallIntegration(input: {integration: {name: $name}}) { changed } }";
    client.graphql(query, json!({"name": name})).await.data();
}

#[tokio::test]
async fn a_change_on_this_server_arrives() {
    let (world, served) = serving().await;
    let mut socket = Socket::following(&served, "acme").await;
    let acme = world.account("acme");
    install(&acme, "stripe", json!({"params": {"n": 1}, "secrets": {"api_key": "sk_test_CANARY_1"}})).await;
    assert_eq!(socket.change().await, ("stripe".into(), "INSTALLED".into(), json!({"n": 1})));
    uninstall(&acme, "stripe").await;
    assert_eq!(socket.change().await, ("stripe".into(), "AVAILABLE".into(), json!({"n": 1})));
    acme.post("/api/v1/integrations/slack/install", &json!(null)).await.ok();
    assert_eq!(socket.change().await.0, "slack", "one made over REST");
}

#[tokio::test]
async fn a_change_through_another_replica_arrives() {
    let (world, served) = serving().await;
    let replica = World::builder().beside(&world).await;
    let mut socket = Socket::following(&served, "acme").await;
    for n in 0..3 {
        install(&replica.account("acme"), "stripe", json!({"params": {"n": n}})).await;
        assert_eq!(socket.change().await, ("stripe".into(), "INSTALLED".into(), json!({"n": n})));
    }
}

#[tokio::test]
async fn another_accounts_change_does_not_arrive() {
    let (world, served) = serving().await;
    let mut socket = Socket::following(&served, "acme").await;
    let mut stranger = Socket::following(&served, "globex").await;
    install(&world.account("globex"), "slack", json!({})).await;
    assert_eq!(stranger.change().await.0, "slack");
    install(&world.account("acme"), "stripe", json!({})).await;
    assert_eq!(socket.change().await.0, "stripe", "and nothing before it");
}

#[tokio::test]
async fn the_last_state_of_several_changes_arrives() {
    let (world, served) = serving().await;
    let replica = World::builder().beside(&world).await;
    let mut socket = Socket::following(&served, "acme").await;
    for n in 0..10 {
        let client = if n % 2 == 0 { world.account("acme") } else { replica.account("acme") };
        install(&client, "stripe", json!({"params": {"n": n}})).await;
        install(&client, "slack", json!({"params": {"n": n}})).await;
    }
    uninstall(&replica.account("acme"), "slack").await;
    let (mut stripe, mut slack) = (Value::Null, String::new());
    // Every change may arrive on its own, but none twice.
    for _ in 0..21 {
        let (name, status, params) = socket.change().await;
        if name == "stripe" {
            stripe = params
        } else {
            slack = status
        }
        if stripe == json!({"n": 9}) && slack == "AVAILABLE" {
            return;
        }
    }
    panic!("stripe {stripe}, slack {slack}");
}

#[tokio::test]
async fn several_subscriptions_share_a_connection() {
    let (world, served) = serving().await;
    let mut socket = Socket::following(&served, "acme").await;
    socket.subscribe("second", "subscription { integrationChanged { status } }").await;
    assert_eq!(socket.answer("{ __typename }").await["data"]["__typename"], "Query");
    install(&world.account("acme"), "stripe", json!({})).await;
    let mut heard: Vec<String> = Vec::new();
    for _ in 0..2 {
        let Said::Json(next) = socket.next().await else { panic!("closed") };
        heard.push(next["id"].as_str().expect("an id").to_owned());
    }
    heard.sort();
    assert_eq!(heard, ["changes", "second"]);
    socket.complete("second").await;
    assert_eq!(socket.answer("{ __typename }").await["data"]["__typename"], "Query", "the connection lives on");
}

#[tokio::test]
async fn the_account_comes_from_the_header_or_from_connection_init() {
    let (world, served) = serving().await;
    install(&world.account("acme"), "stripe", json!({})).await;
    let query = "{ integration(by: {name: \"stripe\"}) { status } }";
    for (header, payload, status) in [
        (Some("acme"), json!(null), "INSTALLED"),
        (Some("acme"), json!({}), "INSTALLED"),
        (Some("globex"), json!({}), "AVAILABLE"),
        (None, json!({"X-Account-ID": "acme"}), "INSTALLED"),
        (None, json!({"x-account-id": "acme", "other": [1]}), "INSTALLED"),
        (Some("acme"), json!({"X-Account-ID": "globex"}), "AVAILABLE"),
        (Some("globex"), json!({"X-Account-ID": "acme"}), "INSTALLED"),
    ] {
        // Where the upgrade proves the caller, `tenancy::init` has the cases in which both name an account.
        let is_named_twice = header.is_some() && payload.get("X-Account-ID").is_some();
        if (header.is_none() && matches!(world.mode(), Mode::Gateway)) || (is_named_twice && !is_open(&world)) {
            continue;
        }
        let headers: Vec<_> = header.map(|account| ("x-account-id", account)).into_iter().chain([PROTOCOL]).collect();
        let mut socket = Socket::open(&served, &headers).await.expect("upgraded");
        socket.init(payload.clone()).await;
        assert_eq!(socket.answer(query).await["data"]["integration"]["status"], status, "{header:?} {payload}");
    }
}

fn is_open(world: &World) -> bool {
    matches!(world.mode(), Mode::Open)
}

#[tokio::test]
async fn a_connection_without_a_good_account_is_closed() {
    let (_world, served) = serving().await;
    for (header, payload) in [
        (None, json!(null)),
        (None, json!({})),
        (None, json!("acme")),
        (None, json!({"X-Account-ID": null})),
        (None, json!({"X-Account-ID": ""})),
        (None, json!({"X-Account-ID": "CANARY"})),
        (None, json!({"X-Account-ID": ["acme"]})),
        (Some("acme"), json!({"X-Account-ID": "Not An Account CANARY"})),
        (Some("acme"), json!({"X-Account-ID": 7})),
    ] {
        let headers: Vec<_> = header.map(|account| ("x-account-id", account)).into_iter().chain([PROTOCOL]).collect();
        let mut socket = Socket::open(&served, &headers).await.expect("upgraded");
        socket.send(&json!({"type": "connection_init", "payload": payload})).await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4403, "{header:?} {payload}: {reason}");
        assert!(reason.contains("X-Account-ID") && !reason.contains("CANARY"), "{reason}");
    }
}

#[tokio::test]
async fn only_an_upgrade_to_the_protocol_is_taken() {
    let (world, served) = serving().await;
    for (headers, code) in [
        (&[][..], "BAD_USER_INPUT"),
        (&[("sec-websocket-protocol", "graphql-ws")], "BAD_USER_INPUT"),
        (&[("sec-websocket-protocol", "CANARY")], "BAD_USER_INPUT"),
        (&[PROTOCOL, ("x-account-id", "Not An Account")], "ACCOUNT_INVALID"),
        (&[PROTOCOL, ("x-account-id", "acme"), ("x-account-id", "acme")], "ACCOUNT_INVALID"),
    ] {
        let refused = Socket::open(&served, headers).await.err().expect("not upgraded");
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["extensions"]["code"]),
            (400, &json!(code)),
            "{headers:?}"
        );
        assert!(refused.body["errors"][0]["extensions"]["requestId"].is_string());
        assert!(!refused.body.to_string().contains("CANARY"));
    }
    Socket::open(&served, &[("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")]).await.expect("upgraded");
    let plain = world.account("acme").get("/graphql/ws").await;
    super::assert_refused(&plain, 400, "BAD_USER_INPUT");
    let posted = world.account("acme").post("/graphql/ws", &json!({"query": "{ __typename }"})).await;
    super::assert_refused(&posted, 405, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_after_five_seconds() {
    let (_world, served) = serving().await;
    let mut socket = Socket::open(&served, &[PROTOCOL]).await.expect("upgraded");
    let started = Instant::now();
    assert_eq!(socket.closed().await.0, 4408);
    let waited = started.elapsed();
    assert!((4..8).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn messages_out_of_turn_close_the_connection() {
    let (_world, served) = serving().await;
    let mut early = Socket::open(&served, &[PROTOCOL, ("x-account-id", "acme")]).await.expect("upgraded");
    early.subscribe("1", SUBSCRIPTION).await;
    assert_eq!(early.closed().await.0, 4401);
    let mut twice = Socket::of(&served, "acme").await;
    twice.send(&json!({"type": "connection_init"})).await;
    assert_eq!(twice.closed().await.0, 4429);
}

#[tokio::test]
async fn second_subscriber_with_a_running_id_closes_the_connection() {
    let (_world, served) = serving().await;
    for id in ["1", "a/b é"] {
        let mut socket = Socket::of(&served, "acme").await;
        socket.subscribe(id, SUBSCRIPTION).await;
        socket.subscribe(id, "{ __typename }").await;
        assert_eq!(socket.closed().await, (4409, format!("Subscriber for {id} already exists")));
    }
    let mut socket = Socket::of(&served, "acme").await;
    let long = "x".repeat(200);
    socket.subscribe(&long, SUBSCRIPTION).await;
    socket.subscribe(&long, SUBSCRIPTION).await;
    assert_eq!(socket.closed().await, (4409, "Subscriber already exists".to_owned()));
    // An id is free again after its operation.
    let mut socket = Socket::of(&served, "acme").await;
    for _ in 0..2 {
        assert_eq!(socket.answer("{ __typename }").await["data"]["__typename"], "Query");
        socket.subscribe("again", SUBSCRIPTION).await;
        socket.complete("again").await;
    }
}

#[tokio::test]
async fn refused_document_ends_its_operation_with_an_error_message() {
    let (_world, served) = serving().await;
    let mut socket = Socket::of(&served, "acme").await;
    for (query, code) in [
        ("{ integrations {", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { integrations(first: $n) { totalCount } }", "BAD_USER_INPUT"),
        ("{ rateLimit { isLimited } rateLimit { nothing } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { integrationChanged { x: id } integrationChanged { x: name } }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        socket.subscribe("1", query).await;
        let Said::Json(said) = socket.next().await else { panic!("closed: {query}") };
        assert_eq!((&said["type"], &said["id"]), (&json!("error"), &json!("1")), "{query}: {said}");
        assert_eq!(said["payload"][0]["extensions"]["code"], code, "{query}: {said}");
        // Nothing follows it, and the id is free.
        assert_eq!(socket.answer("{ __typename }").await["data"]["__typename"], "Query");
    }
    // A field that fails when it is executed is an answer.
    let failed = socket.answer("{ integrations(first: 0) { totalCount } }").await;
    assert_eq!((&failed["data"], &failed["errors"][0]["path"]), (&Value::Null, &json!(["integrations"])), "{failed}");
}

#[tokio::test]
async fn a_malformed_message_closes_without_an_echo() {
    let (_world, served) = serving().await;
    let deep = "[".repeat(100_000);
    for text in [
        "CANARY",
        "",
        "[]",
        "{\"type\": \"CANARY\"}",
        "{\"type\": 5, \"CANARY\": 1}",
        "{\"type\": \"subscribe\", \"CANARY\": 1}",
        "{\"type\": \"subscribe\", \"id\": \"1\"}",
        "{\"type\": \"subscribe\", \"id\": \"1\", \"payload\": \"CANARY\"}",
        "{\"type\": \"subscribe\", \"id\": \"1\", \"payload\": {\"query\": [\"CANARY\"]}}",
        "{\"type\": \"subscribe\", \"id\": [\"CANARY\"], \"payload\": {\"query\": \"{ __typename }\"}}",
        "{\"type\": \"subscribe\", \"id\": \"1\", \"payload\": {\"query\": \"{ __typename }\", \"variables\": [\"CANARY\"]}}",
        "{\"type\": \"ping\", \"payload\": 1e400}",
        &deep,
    ] {
        let mut socket = Socket::of(&served, "acme").await;
        socket.send_text(text).await;
        let (code, reason) = socket.closed().await;
        assert_eq!((code, reason.contains("CANARY")), (4400, false), "{text:.80}: {reason}");
        let mut socket = Socket::of(&served, "acme").await;
        socket.send_bytes(text.as_bytes()).await;
        assert_eq!(socket.closed().await.0, 4400, "{text:.80}");
    }
    let mut socket = Socket::of(&served, "acme").await;
    socket.send_bytes(b"\xff\xfe").await;
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test]
async fn a_message_over_the_body_limit_ends_the_connection() {
    let (_world, served) = serving().await;
    let mut socket = Socket::of(&served, "acme").await;
    let padding = "x".repeat(262_144);
    socket.send(&json!({"type": "ping", "payload": {"padding": padding}})).await;
    socket.closed().await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (_world, served) = serving().await;
    let mut socket = Socket::of(&served, "acme").await;
    for ping in [json!({"type": "ping"}), json!({"type": "ping", "payload": {"a": 1}})] {
        socket.send(&ping).await;
        assert_eq!(socket.next().await, Said::Json(json!({"type": "pong"})));
    }
    socket.send(&json!({"type": "pong"})).await;
    assert_eq!(socket.answer("{ __typename }").await["data"]["__typename"], "Query");
}

#[tokio::test]
async fn queries_and_mutations_run_over_the_socket_under_the_same_limits() {
    let (world, served) = serving().await;
    let mut socket = Socket::of(&served, "acme").await;
    let mutation = "mutation { installIntegration(input: {integration: {name: \"stripe\"}}) { changed } }";
    assert_eq!(socket.answer(mutation).await["data"]["installIntegration"]["changed"], true);
    let shown = world.account("acme").graphql("{ integration(by: {name: \"stripe\"}) { status } }", json!({})).await;
    assert_eq!(shown.data()["integration"]["status"], "INSTALLED");
    let aliases: String = (0..31).map(|i| format!("a{i}: __typename ")).collect();
    let large = format!("{{ __typename }} #{}", "x".repeat(65_536));
    let mut doubling = "{ ...f0 } fragment f40 on Query { __typename }".to_owned();
    for i in 0..40 {
        doubling.push_str(&format!(" fragment f{i} on Query {{ ...f{} ...f{} }}", i + 1, i + 1));
    }
    for (query, code) in [
        (format!("{{ {aliases} }}"), "QUERY_TOO_COMPLEX"),
        (large, "QUERY_TOO_COMPLEX"),
        (doubling, "QUERY_TOO_COMPLEX"),
        ("[".repeat(60_000), "QUERY_TOO_COMPLEX"),
        (format!("subscription {{ integrationChanged {{ {} }} }}", aliases), "QUERY_TOO_COMPLEX"),
        ("subscription { CANARY }".into(), "GRAPHQL_VALIDATION_FAILED"),
        ("{ CANARY".into(), "GRAPHQL_PARSE_FAILED"),
        ("{ integrations(first: 0) { totalCount } }".into(), "BAD_USER_INPUT"),
        ("{ integrations(status: CANARY) { totalCount } }".into(), "BAD_USER_INPUT"),
        ("query($CANARY: Int!) { integrations(first: $CANARY) { totalCount } }".into(), "BAD_USER_INPUT"),
    ] {
        let answer = socket.answer(&query).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{query:.80}: {answer}");
        assert!(answer["errors"][0]["extensions"]["requestId"].is_string(), "{answer}");
        assert!(!answer.to_string().contains("CANARY"), "{answer}");
    }
}

#[tokio::test]
async fn subscriptions_of_an_account_are_limited() {
    let world = World::with(&[("graphql.max_subscriptions_per_account", "1")]).await;
    let served = world.serve().await;
    let first = Socket::following(&served, "acme").await;
    let mut second = Socket::of(&served, "acme").await;
    let refused = second.answer(SUBSCRIPTION).await;
    let error = &refused["errors"][0];
    assert!(error["message"].as_str().is_some_and(|text| text.contains("1 subscription")), "{refused}");
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    Socket::following(&served, "globex").await;
    drop(first);
    eventually("the place of a client that went away is free", DEADLINE, async || {
        second.subscribe("changes", SUBSCRIPTION).await;
        let refused = second.try_next(Duration::from_secs(1)).await;
        if refused.is_some() {
            assert_eq!(second.next().await, Said::Json(json!({"type": "complete", "id": "changes"})));
        }
        refused.is_none()
    })
    .await;
    install(&world.account("acme"), "stripe", json!({})).await;
    assert_eq!(second.change().await.0, "stripe");
}

#[tokio::test]
async fn a_subscription_that_is_completed_gives_its_place_back() {
    let world = World::with(&[("graphql.max_subscriptions_per_account", "1")]).await;
    let served = world.serve().await;
    let mut socket = Socket::following(&served, "acme").await;
    for _ in 0..3 {
        socket.complete("changes").await;
        socket.follow().await;
        install(&world.account("acme"), "stripe", json!({"params": {}})).await;
        assert_eq!(socket.change().await.0, "stripe");
    }
}

#[tokio::test]
async fn stopping_closes_the_sockets() {
    let (_world, served) = serving().await;
    let mut idle = Socket::open(&served, &[PROTOCOL]).await.expect("upgraded");
    let mut following = Socket::following(&served, "acme").await;
    served.begin_stop();
    assert_eq!(idle.closed().await.0, 1001);
    // What is said before the end may be that the subscription is complete.
    let closed = match following.next().await {
        Said::Json(json) => {
            assert_eq!(json, json!({"type": "complete", "id": "changes"}));
            following.closed().await
        }
        Said::Closed(code, reason) => (code, reason),
    };
    assert_eq!(closed.0, 1001);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_only_listens_is_asked_for_a_sign_of_life() {
    let (_world, served) = serving().await;
    let mut socket = Socket::following(&served, "acme").await;
    assert!(socket.is_pinged_within(Duration::from_secs(20)).await);
}
