//! How often an account may ask. That what was spent comes back, and that each credential has its own, is tested with a
//! clock of its own beside the code.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::graphql::socket::Socket;
use crate::rest::limits::hold_writes;
use crate::support::{Answer, Client, World, eventually};

const LIST: &str = "/api/v1/integrations";
const STRIPE: &str = "/api/v1/integrations/stripe";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const TOLD: [&str; 5] =
    ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// A world in mode `open` with limits, and these settings beside.
async fn limited(settings: &[(&str, &str)]) -> World {
    World::builder().set(&[("limits.rate", "true")]).set(settings).start().await
}

/// Of the windows only the day, in which nothing comes back during a test.
const BY_DAY: [(&str, &str); 2] = [("limits.requests_per_minute", "0"), ("limits.requests_per_hour", "0")];

async fn behind_gateway(settings: &[(&str, &str)]) -> World {
    let mode = [("auth.mode", "gateway"), ("auth.gateway_token", TOKEN)];
    World::builder().set(&mode).set(settings).start().await
}

fn remaining(answer: &Answer) -> Option<&str> {
    answer.header("x-ratelimit-remaining")
}

fn endless() -> Body {
    Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>())
}

async fn standing(client: &Client) -> Value {
    let document =
        "{ rateLimit { isLimited windows { window limit remaining resetsInSeconds } inFlight { limit current } } }";
    client.graphql(document, json!({})).await.data()["rateLimit"].take()
}

#[tokio::test]
async fn each_window_is_told_and_enforced() {
    for (window, per, policy) in [
        ("minute", "a minute", "\"minute\";q=2;w=60"),
        ("hour", "an hour", "\"hour\";q=2;w=3600"),
        ("day", "a day", "\"day\";q=2;w=86400"),
    ] {
        let limits = ["minute", "hour", "day"]
            .map(|one| (format!("limits.requests_per_{one}"), if one == window { "2" } else { "0" }));
        let world = limited(&limits.each_ref().map(|(key, value)| (key.as_str(), *value))).await;
        let acme = world.account("acme");
        for left in ["1", "0"] {
            let answer = acme.get(LIST).await;
            assert_eq!((answer.status.as_u16(), remaining(&answer)), (200, Some(left)), "{window}");
            assert_eq!(answer.header("ratelimit-policy"), Some(policy));
        }
        let refused = acme.get(LIST).await;
        let sentence = format!("Too many requests: 2 {per} for this account");
        refused.assert_refused(429, "rate_limited", &sentence);
        let wait: u64 = refused.header("retry-after").expect("Retry-After").parse().expect("seconds");
        let next: u64 =
            refused.header("ratelimit").expect("RateLimit").split("t=").last().expect("t").parse().expect("t");
        assert!((1..=next).contains(&wait), "{window}: {wait} of {next}");
        assert_eq!(refused.header("ratelimit"), Some(&*format!("\"{window}\";r=0;t={next}")));
        assert_eq!((refused.header("x-ratelimit-limit"), remaining(&refused)), (Some("2"), Some("0")));
    }
}

#[tokio::test]
async fn graphql_refuses_in_its_own_form() {
    let world = limited(&[("limits.requests_per_minute", "1")]).await;
    let acme = world.account("acme");
    acme.get(LIST).await.ok();
    for accept in ["application/json", "application/graphql-response+json"] {
        let refused = acme.clone().header("accept", accept).graphql("{ __typename }", json!({})).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.graphql_code(), refused.content_type()),
            (429, "RATE_LIMITED", accept)
        );
        let error = &refused.json()["errors"][0];
        assert_eq!(error["message"], "Too many requests: 1 a minute for this account");
        assert_eq!(error["extensions"]["retryAfter"].to_string(), refused.header("retry-after").expect("seconds"));
        assert_eq!(remaining(&refused), Some("0"));
    }
}

#[tokio::test]
async fn limits_are_on_unless_nobody_is_asked_who_they_are() {
    for (mode, rate, is_on) in [
        ("open", "auto", false),
        ("gateway", "auto", true),
        ("gateway,open", "auto", false),
        ("open", "true", true),
        ("gateway", "false", false),
    ] {
        let world = behind_gateway(&[("auth.mode", mode), ("limits.rate", rate)]).await;
        let answer = world.account("acme").header("x-gateway-token", TOKEN).get(LIST).await;
        answer.ok();
        let told: Vec<_> = TOLD.iter().map(|name| answer.header(name)).collect();
        let expected = [
            "\"minute\";q=60;w=60, \"hour\";q=1000;w=3600, \"day\";q=10000;w=86400",
            "\"minute\";r=59;t=1, \"hour\";r=999;t=4, \"day\";r=9999;t=9",
            "60",
            "59",
            "1",
        ];
        assert_eq!(told, expected.map(|text| is_on.then_some(text)), "{mode} {rate}");
    }
}

#[tokio::test]
async fn a_flood_of_one_account_does_not_touch_another() {
    let world = limited(&[("limits.requests_per_minute", "3")]).await;
    let flood = world.account("flood");
    for _ in 0..20 {
        flood.get(LIST).await;
    }
    assert_eq!(flood.get(LIST).await.status, 429);
    let answer = world.account("acme").get(LIST).await;
    assert_eq!((answer.status.as_u16(), remaining(&answer)), (200, Some("2")));
}

#[tokio::test]
async fn an_account_does_not_pay_for_those_who_only_name_it() {
    let world = behind_gateway(&[]).await;
    let pretender = world.account("acme");
    for client in [pretender.clone(), pretender.clone().header("x-gateway-token", "wrong")] {
        for _ in 0..5 {
            let refused = client.get(LIST).await;
            assert_eq!((refused.status.as_u16(), TOLD.map(|name| refused.header(name))), (401, [None; 5]));
        }
    }
    assert_eq!(remaining(&pretender.header("x-gateway-token", TOKEN).get(LIST).await), Some("59"));
}

#[tokio::test]
async fn every_answer_counts_whatever_it_is() {
    let world = limited(&BY_DAY).await;
    let acme = world.account("acme");
    let tag = acme.get(STRIPE).await.header("etag").expect("a tag").to_owned();
    let mut left = 9_999;
    for (status, method, path) in [
        (304, Method::GET, STRIPE),
        (200, Method::HEAD, LIST),
        (404, Method::GET, "/api/v1/integrations/nobody_has_this"),
        (400, Method::GET, "/api/v1/integrations?limit=0"),
        (415, Method::POST, "/graphql"),
        (405, Method::HEAD, "/graphql"),
    ] {
        left -= 1;
        let answer = acme.clone().header("if-none-match", &tag).send(method, path, Body::empty()).await;
        let expected = (status, Some(left.to_string()));
        assert_eq!((answer.status.as_u16(), remaining(&answer).map(str::to_owned)), expected, "{path}");
    }
}

#[tokio::test]
async fn probes_and_pages_count_nothing_and_are_always_answered() {
    let world = limited(&[("limits.requests_per_minute", "1")]).await;
    let acme = world.account("acme");
    acme.get(LIST).await.ok();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/ui", "/ui/stripe", "/graphiql", "/docs/"]
    {
        let answer = acme.get(path).await;
        assert_eq!((answer.status.as_u16(), TOLD.map(|name| answer.header(name))), (200, [None; 5]), "{path}");
    }
}

#[tokio::test]
async fn requests_at_once_are_bounded_until_they_end() {
    let world =
        World::builder().set(&BY_DAY).set(&[("limits.rate", "true"), ("limits.requests_in_flight", "2")]).start().await;
    let acme = world.account("acme");
    let install = format!("{STRIPE}/install");
    // Bodies that do not come hold nothing.
    let mut unfinished: Vec<_> = (0..3).map(|_| Box::pin(acme.post_text(&install, endless()))).collect();
    assert!(unfinished.iter_mut().all(|request| request.as_mut().now_or_never().is_none()));
    let held = hold_writes(&world).await;
    let working = [acme.clone(), acme.clone()].map(|acme| {
        let install = install.clone();
        // The request that checks the permits may hold one at that time.
        let work = async move || loop {
            let answer = acme.post(&install, &json!({})).await;
            if answer.status != 429 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        tokio::spawn(async move { work().await })
    });
    let patience = Duration::from_secs(20);
    eventually("two are worked on", patience, async || acme.get(LIST).await.status == 429).await;
    let refused = acme.get(LIST).await;
    refused.assert_refused(429, "rate_limited", "Too many requests: 2 at once for this account");
    assert_eq!((refused.header("retry-after"), remaining(&refused)), (Some("1"), None));
    world.account("other").get(LIST).await.ok();
    held.rollback().await.expect("released");
    for request in working {
        request.await.expect("done").ok();
    }
    assert_eq!(standing(&acme).await["inFlight"], json!({"limit": 2, "current": 1}));
}

#[tokio::test]
async fn a_field_tells_how_the_caller_stands() {
    let world = limited(&[("limits.requests_per_minute", "2"), ("limits.requests_per_hour", "0")]).await;
    let expected = |minute, day, reset| {
        json!({
            "isLimited": true,
            "windows": [
                {"window": "MINUTE", "limit": 2, "remaining": minute, "resetsInSeconds": 60 - 30 * minute},
                {"window": "DAY", "limit": 10_000, "remaining": day, "resetsInSeconds": reset},
            ],
            "inFlight": {"limit": 20, "current": 1},
        })
    };
    let acme = world.account("acme");
    assert_eq!(standing(&acme).await, expected(1, 9_999, 9));
    assert_eq!(standing(&acme).await, expected(0, 9_998, 18), "asking costs");
    let open = World::start().await;
    let nothing = json!({"isLimited": false, "windows": [], "inFlight": null});
    assert_eq!(standing(&open.account("acme")).await, nothing);
}

#[tokio::test]
async fn a_socket_counts_once_and_each_of_its_operations_too() {
    let world = limited(&[("limits.requests_per_minute", "5")]).await;
    let served = world.serve().await;
    // The upgrade names nobody; the account is that of the operations.
    let mut socket = Socket::of(&served, "acme").await;
    let document = "{ rateLimit { windows { remaining } inFlight { current } } }";
    for left in [4, 3, 2, 1] {
        let found = socket.answer(document).await["data"]["rateLimit"].take();
        assert_eq!((&found["windows"][0]["remaining"], &found["inFlight"]["current"]), (&json!(left), &json!(1)));
    }
    assert_eq!(socket.answer("{ nothing").await["errors"][0]["extensions"]["code"], "GRAPHQL_PARSE_FAILED");
    for _ in 0..2 {
        let refused = socket.answer(document).await;
        let error = &refused["errors"][0];
        assert_eq!(error["message"], "Too many requests: 5 a minute for this account", "{refused}");
        assert_eq!(error["extensions"]["code"], "RATE_LIMITED");
        assert!(error["extensions"]["retryAfter"].as_u64().is_some_and(|wait| wait >= 1), "{refused}");
        assert!(error["extensions"]["requestId"].is_string(), "{refused}");
    }
    assert_eq!(world.account("acme").get(LIST).await.status, 429, "over HTTP too");
    served.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_names_its_account_counts() {
    let world = limited(&[("limits.requests_per_minute", "1")]).await;
    let served = world.serve().await;
    let headers = [crate::graphql::socket::PROTOCOL, ("x-account-id", "acme")];
    let _first = Socket::open(&served, &headers).await.expect("upgraded");
    let Err(refused) = Socket::open(&served, &headers).await else { panic!("upgraded") };
    assert_eq!((refused.status, &refused.body["errors"][0]["extensions"]["code"]), (429, &json!("RATE_LIMITED")));
    served.stop().await;
}

#[tokio::test]
async fn an_open_subscription_takes_no_place() {
    let world = limited(&[("limits.requests_in_flight", "1"), ("limits.requests_per_minute", "0")]).await;
    let served = world.serve().await;
    let mut socket = Socket::following(&served, "acme").await;
    world.account("acme").post(&format!("{STRIPE}/install"), &json!({})).await.ok();
    assert_eq!(socket.change().await.0, "stripe");
    served.stop().await;
}

/// A back end that serves all its tenants with one key.
#[tokio::test]
async fn a_key_for_several_accounts_is_limited_by_account_alone() {
    let world = super::builder().set(&[("limits.rate", "true"), ("limits.requests_per_minute", "3")]).start().await;
    let all = super::key(&world, &["installations:read"], &[]).await;
    let some = super::key(&world, &["installations:read"], &["a", "b"]).await;
    for (key, accounts) in [(&all, ["x", "y", "z"]), (&some, ["a", "b", "a"])] {
        for account in accounts {
            super::holder(&world, key, Some(account)).get(LIST).await.ok();
        }
    }
    let one = super::holder(&world, &all, Some("w"));
    for _ in 0..3 {
        one.get(LIST).await.ok();
    }
    one.get(LIST).await.assert_refused(429, "rate_limited", "Too many requests: 3 a minute for this account");
}

#[tokio::test]
async fn a_foreign_account_is_counted_to_the_credential() {
    let world = super::builder().set(&[("limits.rate", "true"), ("limits.requests_per_minute", "3")]).start().await;
    for accounts in [&["acme"][..], &["acme", "globex"]] {
        let key = super::key(&world, &["installations:read"], accounts).await;
        let foreign = super::holder(&world, &key, Some("initech"));
        for _ in 0..3 {
            assert_eq!(foreign.get(LIST).await.status, 403);
        }
        foreign.get(LIST).await.assert_refused(
            429,
            "rate_limited",
            "Too many requests: 3 a minute for this credential",
        );
    }
}

/// A request from this address, with this credential.
async fn from_address(world: &World, address: &str, authorization: Option<&str>) -> (u16, Option<String>) {
    let mut request = axum::http::Request::get(LIST).header("x-account-id", "acme");
    if let Some(text) = authorization {
        request = request.header("authorization", format!("Bearer {text}"));
    }
    let mut request = request.body(Body::empty()).expect("request");
    request.extensions_mut().insert(patchbay::edge::Peer(address.parse().expect("address")));
    let response = tower::ServiceExt::oneshot(world.router(), request).await.expect("infallible");
    let retry = response.headers().get("retry-after").map(|value| value.to_str().expect("ASCII").to_owned());
    (response.status().as_u16(), retry)
}

#[tokio::test]
async fn callers_without_a_valid_credential_are_limited_by_address() {
    let settings = [("limits.failures_per_minute", "4"), ("auth.gateway_networks", "10.0.0.0/8")];
    let world = super::builder().set(&settings).start().await;
    let proven = super::key(&world, &["installations:read"], &["acme"]).await;
    let proven = proven.secret.expose();
    let other = super::key(&world, &["installations:read"], &["acme"]).await;
    let wrong = patchbay::domain::ApiKeySecret::generate().expect("a key");
    let attacker = "192.0.2.1";
    assert_eq!(from_address(&world, attacker, Some(proven)).await.0, 200);
    for authorization in [None, Some("nonsense"), Some(wrong.expose()), None] {
        assert_eq!(from_address(&world, attacker, authorization).await.0, 401);
    }
    for authorization in [None, Some("nonsense"), Some(wrong.expose()), Some(other.secret.expose())] {
        let ((status, retry), statements) = world.statements_of(from_address(&world, attacker, authorization)).await;
        // Notes of the last use may be written meanwhile.
        let reads = statements.iter().filter(|statement| statement.starts_with("SELECT")).count();
        assert_eq!((status, reads), (429, 0), "{authorization:?}");
        assert!(retry.is_some_and(|seconds| (1..=15).contains(&seconds.parse::<u32>().expect("seconds"))));
    }
    // A credential that proved itself before goes on, and so do other addresses and exempt ones.
    assert_eq!(from_address(&world, attacker, Some(proven)).await.0, 200);
    assert_eq!(from_address(&world, "192.0.2.2", Some(other.secret.expose())).await.0, 200);
    for _ in 0..6 {
        assert_eq!(from_address(&world, "10.0.0.1", None).await.0, 401);
    }
}

#[tokio::test]
async fn open_and_gateway_requests_are_no_failures_of_their_address() {
    for (mode, token) in [("open", None), ("gateway", Some(TOKEN))] {
        let world =
            behind_gateway(&[("auth.mode", mode), ("limits.rate", "false"), ("limits.failures_per_minute", "1")]).await;
        for _ in 0..5 {
            let mut request = axum::http::Request::get(LIST).header("x-account-id", "acme");
            if let Some(token) = token {
                request = request.header("x-gateway-token", token);
            }
            let mut request = request.body(Body::empty()).expect("request");
            request.extensions_mut().insert(patchbay::edge::Peer("192.0.2.1".parse().expect("address")));
            let response = tower::ServiceExt::oneshot(world.router(), request).await.expect("infallible");
            assert_eq!(response.status().as_u16(), 200, "{mode}");
        }
    }
}
