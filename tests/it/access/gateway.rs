//! Mode `gateway`: the header is believed when the peer proves to be the gateway.

use serde_json::json;

use super::samples::verdict;
use crate::support::{Wire, World};

pub(super) use crate::support::GATEWAY_TOKEN as TOKEN;

/// Mode `gateway` alone, with a token and these scopes.
pub(super) fn settings(scopes: &str) -> [(&'static str, &str); 6] {
    [
        ("auth.mode", "gateway"),
        ("auth.gateway_token", TOKEN),
        ("auth.gateway_scopes", scopes),
        ("secrets.read_back", "true"),
        ("auth.pepper", super::PEPPER),
        ("limits.rate", "false"),
    ]
}

const ALL: &str = "installations:read,installations:write";

#[tokio::test]
async fn the_header_is_believed_with_the_token_and_not_without() {
    let world = World::builder().set(&settings(ALL)).start().await;
    let acme = world.account("acme");
    for (name, value, status, code) in [
        ("x-gateway-token", TOKEN, 200, "ok"),
        ("x-gateway-token", "CANARY_another_token_of_32_characters", 401, "unauthenticated"),
        ("x-gateway-token", "", 401, "unauthenticated"),
        ("x-other", "", 401, "unauthenticated"),
        ("authorization", "Bearer CANARY", 401, "unauthenticated"),
    ] {
        let answer = acme.clone().header(name, value).get("/api/v1/integrations/stripe").await;
        assert_eq!((answer.status.as_u16(), answer.status.is_success()), (status, code == "ok"), "{name}: {value}");
        if code != "ok" {
            assert_eq!(answer.error_code(), code, "{name}: {value}");
            assert!(answer.header("www-authenticate").is_some_and(|text| text.starts_with("Bearer ")), "{name}");
        }
    }
    let unnamed = world.nobody().header("x-gateway-token", TOKEN).get("/api/v1/integrations").await;
    unnamed.assert_refused(400, "account_required", "Missing X-Account-ID header");
}

#[tokio::test]
async fn graphql_answers_introspection_to_anyone_and_data_to_the_gateway_alone() {
    let world = World::builder().set(&settings(ALL)).start().await;
    let acme = world.account("acme");
    let document = "{ __typename integrations(first: 1) { totalCount } }";
    let stranger = acme.graphql(document, json!({})).await;
    assert_eq!(verdict(&stranger), (200, "UNAUTHENTICATED".into()));
    acme.graphql("{ __schema { queryType { name } } }", json!({})).await.data();
    acme.clone().header("x-gateway-token", TOKEN).graphql(document, json!({})).await.data();
    let wrong = acme.header("x-gateway-token", "CANARY").graphql("{ __typename }", json!({})).await;
    assert_eq!(verdict(&wrong), (401, "UNAUTHENTICATED".into()));
}

#[tokio::test]
async fn the_gateway_is_known_by_where_it_connects_from() {
    for (networks, status) in [("127.0.0.0/8", 200), ("::1, 127.0.0.1", 200), ("10.0.0.0/8", 401)] {
        let world =
            World::builder().set(&[("auth.mode", "gateway"), ("auth.gateway_networks", networks)]).start().await;
        let served = world.serve().await;
        let answer = Wire::new(&served.address.to_string(), "acme").get("/api/v1/integrations/stripe").await;
        assert_eq!(answer.status, status, "{networks}");
        // Nobody knows where a request comes from that came over no connection.
        assert_eq!(world.account("acme").get("/api/v1/integrations").await.status, 401, "{networks}");
    }
}

#[tokio::test]
async fn with_token_and_networks_both_must_fit() {
    let networks = [("auth.gateway_networks", "127.0.0.1")];
    let world = World::builder().set(&settings(ALL)).set(&networks).start().await;
    let from_nowhere = world.account("acme").header("x-gateway-token", TOKEN);
    assert_eq!(from_nowhere.get("/api/v1/integrations").await.status, 401);
}

/// In UTF-8, whole or shortened; an unusable one would leave the event without a name.
#[tokio::test]
async fn actor_is_recorded_or_the_request_is_refused() {
    const SCOPES: &str = "installations:read,installations:write,audit:read";
    for mode in ["gateway", "open"] {
        let world = World::with(&[
            ("auth.mode", mode),
            ("auth.gateway_token", TOKEN),
            ("auth.gateway_scopes", SCOPES),
            ("limits.rate", "false"),
        ])
        .await;
        let acme = world.account("acme").header("x-gateway-token", TOKEN);
        let install = async |actors: &[&[u8]]| {
            let client = actors.iter().fold(acme.clone(), |client, actor| client.header("x-actor-id", actor));
            client.post("/api/v1/integrations/zoom/install", &json!({"params": {"n": actors.len()}})).await
        };
        let last_actor = async || acme.get("/api/v1/events?limit=1").await.ok()["events"][0]["actor"]["id"].take();
        for actor in ["zoë@acme.example", "Зоя", "a b", &"x".repeat(128)] {
            install(&[actor.as_bytes()]).await.ok();
            assert_eq!(last_actor().await, actor, "{mode}");
        }
        let mut long = Vec::new();
        for end in ["a", "b"] {
            install(&[format!("{}{end}", "ö".repeat(200)).as_bytes()]).await.ok();
            long.push(last_actor().await.as_str().expect("text").to_owned());
        }
        assert!(long[0] != long[1] && long.iter().all(|id| id.starts_with("ööö") && id.len() <= 128), "{long:?}");
        let sentence =
            "Invalid X-Actor-ID header: send one, in UTF-8 without control, bidirectional and zero-width characters";
        let unusable: [&[&[u8]]; 9] = [
            &[b""],
            &[b"zoe\xff"],
            &[b"zoe\ttom"],
            &["zoe\u{85}".as_bytes()],
            &["zoe\u{202e}".as_bytes()],
            &["zoe\u{200b}".as_bytes()],
            &["zoe\u{2028}".as_bytes()],
            &["zoe\u{e0041}".as_bytes()],
            &[b"zoe", b"zoe"],
        ];
        for unusable in unusable {
            install(unusable).await.assert_refused(400, "bad_user_input", sentence);
            let client = unusable.iter().fold(acme.clone(), |client, actor| client.header("x-actor-id", actor));
            let answer = client.graphql("{ integrations { totalCount } }", json!({})).await;
            assert_eq!(verdict(&answer), (400, "BAD_USER_INPUT".into()), "{mode} {unusable:?}");
        }
    }
}

#[tokio::test]
async fn two_gateway_tokens_are_refused() {
    let world = World::builder().set(&settings(ALL)).start().await;
    let twice = world.account("acme").header("x-gateway-token", TOKEN);
    for second in [TOKEN, "", "other"] {
        let answer = twice.clone().header("x-gateway-token", second).get("/api/v1/integrations").await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (401, "unauthenticated"), "{second}");
    }
}
