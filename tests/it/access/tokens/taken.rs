//! Tokens that are right.

use std::time::Duration;

use patchbay::config::{Config, Resolved, Sources};
use patchbay::domain::{ActorKind, Scope};
use serde_json::json;

use super::provider::Provider;
use super::signer::{ALGORITHMS, Signer};
use super::{EXPIRED, assert_refused, assert_taken, graphql, rest, world, world_of};
use crate::support::eventually;

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
    for scope in [json!("openid profile"), json!(["catalog:read"]), json!(""), json!(null), json!("Admin")] {
        let token = signer.sign(&provider.claims(&json!({"scope": scope})));
        let refused = rest(&world, &token, Some("acme")).await;
        refused.assert_refused(403, "forbidden", "The credentials lack the scope installations:read");
        assert_eq!(graphql(&world, &token, Some("acme")).await.graphql_code(), "FORBIDDEN");
    }
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
    let claims = json!({"email": "ada@example.com", "name": "Ada", "https://example.com/team": "Red\u{7}", "exp": 4_102_444_800_u64});
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
