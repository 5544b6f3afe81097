//! Tokens that are right.

use std::time::Duration;

use patchbay::config::{Config, Resolved, Sources};
use patchbay::domain::{ActorKind, Scope};
use serde_json::json;

use super::{EXPIRED, QUERY, assert_refused, assert_taken, graphql, rest, world, world_of};
use crate::graphql::socket::{PROTOCOL, Said, Socket};
use crate::support::eventually;
use crate::support::provider::Provider;
use crate::support::signer::{ALGORITHMS, Signer};

#[tokio::test]
async fn every_algorithm_on_the_list_is_taken() {
    let signers: Vec<_> = ALGORITHMS.iter().map(|algorithm| Signer::new(algorithm, algorithm)).collect();
    let provider = Provider::start(&signers.iter().collect::<Vec<_>>()).await;
    let world = world_of(&provider).await;
    for signer in &signers {
        assert_taken(&world, &signer.sign(&provider.claims(&json!({}))), Some("acme"), signer.algorithm).await;
    }
    assert_eq!(provider.asked(), 1, "keys are fetched once");
}

#[tokio::test]
async fn keys_are_found_by_discovery() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world(&[provider.settings(&json!({}))]).await;
    assert_taken(&world, &signer.sign(&provider.claims(&json!({}))), Some("acme"), "discovered").await;
}

#[tokio::test]
async fn a_token_for_one_account_needs_no_header_and_opens_no_other() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    for org in [json!({"id": "acme"}), json!({"id": ["acme"]}), json!({"id": ["acme", "acme"]})] {
        let token = signer.sign(&provider.claims(&json!({"org": org})));
        assert_taken(&world, &token, Some("acme"), "named").await;
        assert_taken(&world, &token, None, "not named").await;
        let refused = rest(&world, &token, Some("globex")).await;
        refused.assert_refused(403, "forbidden", "The credentials are not for this account");
        let refused = graphql(&world, &token, Some("globex")).await;
        assert_eq!((refused.status.as_u16(), &*refused.graphql_code()), (403, "FORBIDDEN"));
    }
}

#[tokio::test]
async fn a_token_for_several_accounts_opens_those_and_needs_the_header() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let token = signer.sign(&provider.claims(&json!({"org": {"id": ["acme", "globex"]}})));
    assert_taken(&world, &token, Some("acme"), "first").await;
    assert_taken(&world, &token, Some("globex"), "second").await;
    rest(&world, &token, Some("initech")).await.assert_refused(
        403,
        "forbidden",
        "The credentials are not for this account",
    );
    rest(&world, &token, None).await.assert_refused(400, "account_required", "Missing X-Account-ID header");
    assert_eq!(graphql(&world, &token, None).await.graphql_code(), "ACCOUNT_REQUIRED");
}

#[tokio::test]
async fn a_token_without_the_scope_may_not() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    for scope in [
        json!("openid profile"),
        json!(["catalog:read"]),
        json!(""),
        json!(null),
        json!("Admin"),
        json!("openid admin"),
        json!(["admin"]),
    ] {
        let token = signer.sign(&provider.claims(&json!({"scope": scope})));
        let refused = rest(&world, &token, Some("acme")).await;
        refused.assert_refused(403, "forbidden", "The credentials lack the scope installations:read");
        assert_eq!(graphql(&world, &token, Some("acme")).await.graphql_code(), "FORBIDDEN");
    }
}

/// A foreign `scope` claim may have a word `admin` of its own.
#[tokio::test]
async fn prefixed_and_plain_scopes_are_taken_without_a_map() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    for scope in [json!("openid patchbay:admin"), json!(["patchbay:installations:read"]), json!("installations:read")] {
        let token = signer.sign(&provider.claims(&json!({"scope": scope})));
        assert_taken(&world, &token, Some("acme"), &scope.to_string()).await;
    }
}

#[tokio::test]
async fn long_subjects_that_begin_alike_stay_apart() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let mut actors = Vec::new();
    for end in ["a", "b"] {
        let claims = json!({"sub": format!("{}{end}", "x".repeat(250)), "scope": "patchbay:admin"});
        let bearer = format!("Bearer {}", signer.sign(&provider.claims(&claims)));
        let acme = world.account("acme").header("authorization", bearer);
        acme.post("/api/v1/integrations/zoom/install", &json!({"params": {"by": end}})).await.ok();
        let event = acme.get("/api/v1/events?limit=1").await.ok()["events"][0].take();
        actors.push(event["actor"]["id"].as_str().expect("an id").to_owned());
    }
    assert!(actors[0] != actors[1] && actors.iter().all(|id| id.len() <= 200 && id.starts_with("http")), "{actors:?}");
}

#[tokio::test]
async fn scopes_come_from_the_map_alone_where_there_is_one() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let map = json!({"viewer": ["catalog:read", "installations:read"], "worker": ["secrets:read"]});
    let world = world(&[provider.settings(&json!({"scope_claim": "realm_access.roles", "scope_map": map}))]).await;
    let token = |roles| {
        let claims = json!({"realm_access": {"roles": roles}, "scope": "admin", "email": "ada@example.com"});
        signer.sign(&provider.claims(&claims))
    };
    let principal = world
        .app
        .services()
        .authenticate(&token(json!(["viewer", "worker", "admin", "keys:write"])))
        .await
        .expect("taken");
    let scopes: Vec<_> = principal.scopes.iter().collect();
    assert_eq!(scopes, [Scope::CatalogRead, Scope::InstallationsRead, Scope::SecretsRead]);
    assert_taken(&world, &token(json!(["viewer"])), Some("acme"), "viewer").await;
    assert_eq!(rest(&world, &token(json!(["worker"])), Some("acme")).await.status, 403);
}

#[tokio::test]
async fn the_holder_is_named_by_issuer_and_subject() {
    let signer = Signer::new("a", "ES256");
    let (first, second) = (Provider::start(&[&signer]).await, Provider::start(&[&signer]).await);
    let other = json!({"label_claim": "https://example.com/team"});
    let world = world(&[first.settings(&json!({})), second.settings(&other)]).await;
    let claims = json!({"email": "ada@example.com", "name": "Ada", "https://example.com/team": "Red\u{7}\u{202e}\u{200b}", "exp": 4_102_444_800_u64});
    for (provider, label) in [(&first, "ada@example.com"), (&second, "Red")] {
        let token = signer.sign(&provider.claims(&claims));
        let principal = world.app.services().authenticate(&token).await.expect("taken");
        assert_eq!(principal.actor.kind, ActorKind::Token);
        assert_eq!(principal.actor.id, format!("{}#robot", provider.url));
        assert_eq!(principal.actor.label, label);
        assert_eq!(principal.expires_at.expect("ends").timestamp(), 4_102_444_800);
    }
}

/// The second time its holder is known, and its time is looked at all the same.
#[tokio::test]
async fn a_token_that_was_taken_ends() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world(&[provider.settings(&json!({"clock_skew_s": 0}))]).await;
    let token = signer.sign(&provider.claims(&json!({"exp": chrono::Utc::now().timestamp() + 2})));
    assert_taken(&world, &token, None, "in time").await;
    let ended = async || rest(&world, &token, None).await.status == 401;
    eventually("the end", Duration::from_secs(5), ended).await;
    assert_refused(&world, &token, &EXPIRED, "after its end").await;
}

/// A browser cannot set headers on an upgrade.
#[tokio::test]
async fn a_socket_is_opened_with_a_token_in_its_first_message() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let served = world.serve().await;
    let bearer = |changed| format!("Bearer {}", signer.sign(&provider.claims(&changed)));
    let mut socket = Socket::open(&served, &[PROTOCOL]).await.expect("upgraded");
    socket.init(json!({"Authorization": bearer(json!({}))})).await;
    assert_eq!(socket.answer(QUERY).await.get("errors"), None);
    let mut socket = Socket::open(&served, &[PROTOCOL, ("authorization", &bearer(json!({})))]).await.expect("upgraded");
    socket.init(json!({})).await;
    for (changed, code, reason) in [
        (json!({"aud": "someone-else"}), 4401, "Invalid credentials"),
        (json!({"exp": 1}), 4401, "Expired credentials"),
        (json!({"org": {"id": "globex"}}), 4403, "The credentials are not for this account"),
    ] {
        let mut socket = Socket::open(&served, &[PROTOCOL]).await.expect("upgraded");
        let payload = json!({"Authorization": bearer(changed), "X-Account-ID": "acme"});
        socket.send(&json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.next().await, Said::Closed(code, reason.into()));
    }
    served.stop().await;
}

#[test]
fn the_mode_without_a_provider_does_not_start() {
    let tokens = |settings: &[(&str, &str)]| {
        let flags = settings.iter().map(|(key, value)| ((*key).into(), "test".into(), (*value).into())).collect();
        let resolved = Resolved::read(&Sources { flags, ..Sources::default() }).expect("settings");
        Config::from(&resolved).auth.tokens().map(drop)
    };
    let fault = tokens(&[("auth.mode", "jwt")]).expect_err("none is named");
    assert!(fault.contains("[[auth.issuers]]"), "{fault}");
    let issuer =
        r#"[{"issuer": "https://id.example.com", "audience": ["a"], "account_claim": "a", "ca_file": "/nowhere"}]"#;
    let fault = tokens(&[("auth.mode", "jwt"), ("auth.issuers", issuer)]).expect_err("no such file");
    assert!(fault.contains("ca_file /nowhere"), "{fault}");
    tokens(&[("auth.mode", "open"), ("auth.issuers", issuer)]).expect("not looked at");
}
