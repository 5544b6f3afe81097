//! Every way to say, or not to say, whose request it is.

use serde_json::json;

use crate::graphql::socket::{Said, Socket};
use crate::support::{Client, REPLAYED, Served, World, exchange};

/// Values of `X-Account-ID`, one item per header line, that are nobody.
const MALFORMED: &[&[&[u8]]] = &[
    &[b""],
    &[b" "],
    &[b"acme", b"stranger"],
    &[b"acme", b"acme"],
    &[b"acme", b""],
    &[b"acme,stranger"],
    &[b"acme, stranger"],
    &[b"ACME"],
    &[b"Acme"],
    &[b" acme"],
    &[b"acme "],
    &[b"\tacme"],
    &[b"ac me"],
    &["acmé".as_bytes()],
    &["аcme".as_bytes()],
    &[b"acme\xff"],
    &[b"acme%0a"],
    &[b"acme/../stranger"],
    &[b"'; DROP TABLE installations; --"],
    &[b"%"],
    &[b"-acme"],
    &[b"_acme"],
];

const PATHS: &[&str] = &[
    "/api/v1/integrations",
    "/api/v1/integrations/stripe",
    "/api/v1/integrations/nobody_has_this",
    "/api/v1/mcp-connections",
    "/api/v1/native-tools",
];

/// Also someone who need name no account: a malformed one is not taken for none.
fn with(world: &World, values: &[&[u8]]) -> [Client; 2] {
    let name = |client| values.iter().fold(client, |client: Client, value| client.header("x-account-id", value));
    [name(world.nobody()), name(world.holder("acme"))]
}

#[tokio::test]
async fn a_malformed_account_is_refused_by_every_route_and_field() {
    let world = World::start().await;
    super::furnish(&world).await;
    let before = world.rows_of("acme").await;
    for (values, client) in MALFORMED.iter().flat_map(|values| with(&world, values).map(|client| (values, client))) {
        for path in PATHS {
            client.get(path).await.assert_refused(400, "account_invalid", "Invalid X-Account-ID header");
        }
        for verb in ["install", "uninstall"] {
            let answer = client.post(&format!("/api/v1/integrations/stripe/{verb}"), &json!({"params": {}})).await;
            answer.assert_refused(400, "account_invalid", "Invalid X-Account-ID header");
        }
        let answer = client.graphql("{ integration(by: {name: \"stripe\"}) { params } }", json!({})).await;
        assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (400, "ACCOUNT_INVALID"), "{values:?}");
    }
    assert_eq!(world.rows_of("acme").await, before);
}

#[tokio::test]
async fn a_missing_account_is_asked_for_by_every_route_and_field() {
    let world = World::start().await;
    let nobody = world.nobody();
    for path in PATHS {
        nobody.get(path).await.assert_refused(400, "account_required", "Missing X-Account-ID header");
    }
    for verb in ["install", "uninstall"] {
        let answer = nobody.post(&format!("/api/v1/integrations/stripe/{verb}"), &json!(null)).await;
        answer.assert_refused(400, "account_required", "Missing X-Account-ID header");
    }
    for document in [
        "{ integrations { totalCount } }",
        "{ integration(by: {name: \"stripe\"}) { name } }",
        "{ integration(by: {name: \"nobody_has_this\"}) { name } }",
        "{ node(id: \"c5c44806-6981-5408-a812-edbd36c0eef2\") { id } }",
        "{ node(id: \"x\") { id } }",
        "{ mcpConnections { totalCount } }",
        "{ nativeTools { totalCount } }",
        "mutation { installIntegration(input: {integration: {name: \"stripe\"}}) { changed } }",
        "mutation { uninstallIntegration(input: {integration: {name: \"stripe\"}}) { changed } }",
    ] {
        assert_eq!(nobody.graphql(document, json!({})).await.graphql_code(), "ACCOUNT_REQUIRED", "{document}");
    }
}

#[tokio::test]
async fn other_headers_and_arguments_do_not_name_an_account() {
    let world = World::start().await;
    super::furnish(&world).await;
    let stranger = world.account("stranger");
    let plain = stranger.get("/api/v1/integrations/stripe").await.text();
    let others = [
        ("x-actor-id", "acme"),
        ("x-tenant-id", "acme"),
        ("x-http-method-override", "X-Account-ID: acme"),
        ("proxy-authorization", "Bearer acme"),
        ("x-api-key", "acme"),
        ("cookie", "Authorization=Bearer acme; x-account-id=acme"),
        ("x-account", "acme"),
        ("x-account_id", "acme"),
        ("x-forwarded-account-id", "acme"),
        ("x-original-x-account-id", "acme"),
        ("authorization", "acme"),
        ("cookie", "X-Account-ID=acme"),
        ("forwarded", "for=acme"),
    ];
    for (name, value) in others {
        // A second credential is none: `access` has that.
        if name == "authorization" && world.mode().binds() {
            continue;
        }
        let answer = stranger.clone().header(name, value).get("/api/v1/integrations/stripe").await;
        assert_eq!(answer.text(), plain, "{name}");
    }
    for query in ["account_id=acme", "X-Account-ID=acme", "access_token=acme", "X-Actor-ID=acme"] {
        let path = format!("/api/v1/integrations/stripe?{query}");
        assert_eq!(stranger.get(&path).await.text(), plain, "{path}");
    }
    let body = json!({"account_id": "acme", "accountId": "acme", "params": {"mine": true}});
    stranger.post("/api/v1/integrations/stripe/install", &body).await.ok();
    let of_acme = world.account("acme").get("/api/v1/integrations/stripe").await.ok();
    assert_eq!(of_acme["params"].get("mine"), None, "{of_acme}");
}

#[tokio::test]
async fn the_name_of_the_header_has_no_case() {
    let world = World::start().await;
    let served = world.serve().await;
    for name in ["X-Account-ID", "x-account-id", "X-ACCOUNT-ID", "x-AcCoUnT-iD"] {
        assert_eq!(on_wire(&served, &format!("{name}: acme\r\n")).await, 200, "{name}");
    }
    served.stop().await;
}

/// Over the wire, where a client can write what no HTTP library would let it.
#[tokio::test]
async fn raw_header_tricks_end_in_a_refusal() {
    let world = World::start().await;
    let served = world.serve().await;
    let long = "a".repeat(200 * 1_024);
    for (status, lines) in [
        (400, "x-account-id: acme\r\nX-Account-ID: stranger\r\n".to_owned()),
        (400, "x-account-id: acme\r\n stranger\r\n".to_owned()),
        (400, "x-account-id: acme\0\r\n".to_owned()),
        (400, "x-account-id : acme\r\n".to_owned()),
        (400, "x-account-id: acme\rx-account-id: stranger\r\n".to_owned()),
        (400, "x-account-id:\r\n".to_owned()),
        (431, format!("x-account-id: {long}\r\n")),
        (431, format!("x-account-id: acme\r\nx-padding: {long}\r\n")),
    ] {
        let shown = &lines[..lines.len().min(60)];
        assert_eq!(on_wire(&served, &lines).await, status, "{shown:?}");
    }
    served.stop().await;
}

/// The status of an answer to these lines of a head, by someone who may act for several accounts.
async fn on_wire(served: &Served, lines: &str) -> u16 {
    let proof = served.credentials.of(None).await.map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = "GET /api/v1/native-tools HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let stream = tokio::net::TcpStream::connect(served.address).await.expect("connected");
    let request = format!("{head}{}{lines}\r\n", proof.unwrap_or_default());
    exchange(stream, request.as_bytes()).await.status.as_u16()
}

const STRIPE_PARAMS: &str = "{ integration(by: {name: \"stripe\"}) { status params secretNames } }";

#[tokio::test]
async fn no_part_of_a_graphql_request_names_an_account() {
    let world = World::start().await;
    super::furnish(&world).await;
    let stranger = world.account("stranger");
    let plain = stranger.graphql(STRIPE_PARAMS, json!({})).await.text();
    let named =
        json!({"X-Account-ID": "acme", "x-account-id": "acme", "account": "acme", "Authorization": "Bearer acme"});
    for request in [
        json!({"query": STRIPE_PARAMS, "extensions": named}),
        json!({"query": STRIPE_PARAMS, "extensions": {"headers": named}}),
        json!({"query": STRIPE_PARAMS, "variables": named}),
        json!({"query": STRIPE_PARAMS, "X-Account-ID": "acme", "headers": named}),
    ] {
        assert_eq!(stranger.post("/graphql", &request).await.text(), plain, "{request}");
    }
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", STRIPE_PARAMS).finish();
    for more in ["X-Account-ID=acme", "account_id=acme", "extensions=%7B%22X-Account-ID%22%3A%22acme%22%7D"] {
        assert_eq!(stranger.get(&format!("/graphql?{query}&{more}")).await.text(), plain, "{more}");
    }
}

#[tokio::test]
async fn no_other_part_of_a_socket_names_an_account() {
    let world = World::start().await;
    super::furnish(&world).await;
    let served = world.serve().await;
    let mut socket = Socket::of(&served, "stranger").await;
    let named = json!({"X-Account-ID": "acme", "headers": {"X-Account-ID": "acme"}});
    for payload in [
        json!({"query": STRIPE_PARAMS, "extensions": named}),
        json!({"query": STRIPE_PARAMS, "variables": named}),
        json!({"query": STRIPE_PARAMS, "X-Account-ID": "acme"}),
    ] {
        socket.send(&json!({"type": "subscribe", "id": "1", "payload": payload, "X-Account-ID": "acme"})).await;
        match socket.next().await {
            Said::Json(said) => assert_eq!(said["payload"]["data"]["integration"]["params"], json!({}), "{said}"),
            closed @ Said::Closed(..) => panic!("{closed:?}"),
        }
        assert_eq!(socket.next().await, Said::Json(json!({"type": "complete", "id": "1"})));
    }
    served.stop().await;
}

/// The key of a request belongs to its account: a stranger who knows it learns and repeats nothing.
#[tokio::test]
async fn idempotency_key_of_another_account_has_no_effect() {
    let world = World::start().await;
    let install = "/api/v1/integrations/zoom/install";
    let body = json!({"params": {"n": 1}});
    let [acme, stranger] = ["acme", "stranger"].map(|account| world.account(account).header("idempotency-key", "k"));
    acme.post(install, &body).await.ok();
    let before = world.rows_of("acme").await;
    let first = stranger.post(install, &body).await;
    assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (200, None), "{}", first.text());
    assert_eq!(stranger.post(install, &body).await.header(REPLAYED), Some("true"));
    assert_eq!(world.rows_of("acme").await, before);
}
