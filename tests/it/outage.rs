//! The key service is slow, away, refuses, or is another one: what still works, what is told, and how it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Client, KeyService, Mood, World, eventually};

const LIST: &str = "/api/v1/integrations";
const INSTALL: &str = "/api/v1/integrations/stripe/install";
const UNINSTALL: &str = "/api/v1/integrations/stripe/uninstall";
const SLACK: &str = "/api/v1/integrations/slack/install";
const SOON: Duration = Duration::from_secs(10);
/// What is to be at once may take so long on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A world whose data keys are wrapped by a service in this mood, without limits of rate.
async fn world(mood: Mood, settings: &[(&str, &str)]) -> (World, Arc<KeyService>) {
    let service = KeyService::new(mood);
    let builder = World::builder().set(&[("limits.rate", "false")]).set(settings);
    (builder.key_service(&service).start().await, service)
}

fn secret() -> Value {
    json!({"params": {"lost": true}, "secrets": {"api_key": "sk_test_CANARY_1"}})
}

async fn timed(client: &Client, path: &str, body: &Value) -> (Answer, Duration) {
    let started = Instant::now();
    (client.post(path, body).await, started.elapsed())
}

/// Refused for want of keys; the seconds to wait.
fn refused(answer: &Answer) -> u64 {
    answer.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
    let seconds = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After");
    assert!((1..=30).contains(&seconds), "{seconds}");
    seconds
}

/// Installs with a secret for so many accounts without a data key, all at once.
async fn install_for_strangers(world: &World, count: usize) -> Vec<(Answer, Duration)> {
    let mut running = JoinSet::new();
    for at in 0..count {
        let client = world.account(&format!("stranger-{at}"));
        running.spawn(async move { timed(&client, INSTALL, &secret()).await });
    }
    running.join_all().await
}

async fn readiness(world: &World) -> (String, u16) {
    let answer = world.nobody().get("/readyz").await;
    let strict = world.nobody().get("/readyz?strict=1").await.status.as_u16();
    (answer.ok()["secrets"].as_str().expect("text").to_owned(), strict)
}

async fn until_ready(world: &World, secrets: &str, strict: u16) {
    eventually(&format!("secrets are {secrets}"), SOON, async || readiness(world).await == (secrets.into(), strict))
        .await;
}

async fn metric(world: &World, name: &str) -> String {
    let text = world.nobody().get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.trim().to_owned()
}

const BREAKER: &str = r#"patchbay_key_service_breaker_open{provider="scripted"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_key_service_costs_three_seconds_at_first_then_nothing_and_only_who_needs_it() {
    let (world, service) = world(Mood::Works, &[]).await;
    let known = world.account("known");
    known.post(INSTALL, &secret()).await.ok();
    service.set(Mood::Hangs);
    for (answer, took) in install_for_strangers(&world, 5).await {
        assert!((Duration::from_secs(3)..Duration::from_millis(3_200) + AT_ONCE).contains(&took), "{took:?}");
        refused(&answer);
    }
    // The breaker is open now.
    let acme = world.account("acme");
    let nothing = world.rows_of("acme").await;
    let asked = service.asked("wrap");
    let (answer, took) = timed(&acme, INSTALL, &secret()).await;
    refused(&answer);
    assert!(took < AT_ONCE, "{took:?}");
    let mutation = "mutation($i: InstallIntegrationInput!) { installIntegration(input: $i) { changed } }";
    let input = json!({"i": {"integration": {"name": "stripe"}, "params": {"lost": true}, "secrets": {"api_key": "sk_test_CANARY_1"}}});
    let answer = acme.graphql(mutation, input).await;
    assert_eq!(answer.graphql_code(), "SECRETS_UNAVAILABLE");
    assert!((1..=30).contains(&answer.json()["errors"][0]["extensions"]["retryAfter"].as_u64().expect("seconds")));
    assert_eq!(service.asked("wrap"), asked, "it is left alone");
    for account in ["acme", "stranger-0"] {
        assert_eq!(world.rows_of(account).await, nothing, "{account}: not even params");
    }
    // What needs no provider key goes on.
    known.post(SLACK, &json!({"secrets": {"bot_token": "xoxb-CANARY-1"}})).await.ok();
    acme.get(LIST).await.ok();
    for (path, body) in [
        (INSTALL, json!({"params": {"a": 1}})),
        (INSTALL, json!({"secrets": {"x": null}})),
        (INSTALL, json!({"secrets": {}})),
        (UNINSTALL, json!({})),
    ] {
        let (answer, took) = timed(&acme, path, &body).await;
        answer.ok();
        assert!(took < AT_ONCE, "{took:?}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_installs_of_one_account_ask_once_and_all_are_answered_in_the_time_of_one() {
    // Nothing is kept, so that each needs the service.
    let (world, service) = world(Mood::Works, &[("keys.cache_ttl_ms", "0"), ("keys.timeout_ms", "2000")]).await;
    world.account("known").post(INSTALL, &secret()).await.ok();
    for (account, operation) in [("known", "unwrap"), ("stranger", "wrap")] {
        service.set(Mood::Hangs);
        let (before, asked) = (world.rows_of(account).await, service.asked(operation));
        let mut running = JoinSet::new();
        for _ in 0..100 {
            let client = world.account(account);
            running.spawn(async move { timed(&client, INSTALL, &secret()).await });
        }
        for (answer, took) in running.join_all().await {
            refused(&answer);
            assert!(took < Duration::from_millis(2_200) + AT_ONCE, "{took:?}");
        }
        assert_eq!(service.asked(operation) - asked, 1, "{operation}");
        assert_eq!(world.rows_of(account).await, before);
        service.set(Mood::Works);
        world.account(account).post(INSTALL, &secret()).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_connection_nor_the_accounts_turn_is_held_while_the_key_service_is_asked() {
    let settings =
        [("database.max_connections", "1"), ("keys.timeout_ms", "30000"), ("server.request_timeout_ms", "60000")];
    let (world, service) = world(Mood::Works, &settings).await;
    service.set(Mood::Hangs);
    let acme = world.account("acme");
    let hanging = tokio::spawn({
        let acme = acme.clone();
        async move { acme.post(INSTALL, &secret()).await }
    });
    eventually("the key service is asked", SOON, async || service.asked("wrap") == 1).await;
    let mut running = JoinSet::new();
    for at in 0..50 {
        let acme = acme.clone();
        running.spawn(async move {
            acme.get(LIST).await.ok();
            acme.post(SLACK, &json!({"params": {"at": at}})).await.ok();
        });
    }
    tokio::time::timeout(SOON, running.join_all()).await.expect("nobody waits for the key service");
    assert!(!hanging.is_finished());
    service.set(Mood::Works);
    hanging.await.expect("no panic").ok();
    assert_eq!(world.secrets_of("acme").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_ends_before_the_key_service_does_is_a_504_and_leaves_nothing_behind() {
    let (world, service) =
        world(Mood::Works, &[("server.request_timeout_ms", "300"), ("keys.timeout_ms", "1000")]).await;
    service.set(Mood::Hangs);
    let acme = world.account("acme");
    let before = world.rows_of("acme").await;
    acme.post(INSTALL, &secret()).await.assert_refused(504, "timeout", "Request timed out");
    assert_eq!(world.rows_of("acme").await, before);
    // Its call goes on without it, and counts.
    eventually("the call has failed", SOON, async || readiness(&world).await == ("degraded".into(), 503)).await;
    service.set(Mood::Works);
    acme.post(INSTALL, &secret()).await.ok();
    assert_eq!(readiness(&world).await, ("ok".into(), 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_the_key_service_without_any_request_and_without_restart() {
    let (world, service) = world(Mood::Works, &[("keys.probe_ms", "100"), ("keys.timeout_ms", "100")]).await;
    let served = world.serve().await;
    for mood in [Mood::Away, Mood::Hangs, Mood::Denies, Mood::HasOtherKeys] {
        service.set(mood);
        until_ready(&world, "degraded", 503).await;
        if mood != Mood::Denies && mood != Mood::HasOtherKeys {
            eventually("the breaker is open", SOON, async || metric(&world, BREAKER).await == "1").await;
        }
        service.set(Mood::Works);
        until_ready(&world, "ok", 200).await;
        assert_eq!(metric(&world, BREAKER).await, "0", "{mood:?}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_service_that_is_of_no_use_at_start_is_taken_as_soon_as_it_is() {
    for mood in [Mood::Away, Mood::Denies, Mood::Hangs] {
        let (world, service) = world(mood, &[("keys.probe_ms", "100"), ("keys.timeout_ms", "100")]).await;
        let served = world.serve().await;
        let acme = world.account("acme");
        assert_eq!(readiness(&world).await, ("degraded".into(), 503));
        refused(&acme.post(INSTALL, &secret()).await);
        acme.post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
        service.set(Mood::Works);
        until_ready(&world, "ok", 200).await;
        acme.post(INSTALL, &secret()).await.ok();
        served.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_turn_out_to_be_others_are_not_used_until_the_right_ones_are_back() {
    let settings = [("keys.probe_ms", "100")];
    let (first, _) = world(Mood::Works, &settings).await;
    first.account("acme").post(INSTALL, &secret()).await.ok();
    // A replica that cannot reach the service at first, and then finds that it is another one.
    let service = KeyService::new(Mood::Away);
    let second = World::builder().set(&settings).key_service(&service).beside(&first).await;
    let served = second.serve().await;
    service.set(Mood::Works);
    let checks = service.asked("verify") + 3;
    eventually("the keys were checked", SOON, async || service.asked("verify") >= checks).await;
    assert_eq!(readiness(&second).await, ("degraded".into(), 503));
    for account in ["acme", "stranger"] {
        assert_eq!(refused(&second.account(account).post(INSTALL, &secret()).await), 30, "{account}");
    }
    assert_eq!((service.asked("wrap"), service.asked("unwrap")), (0, 0));
    served.stop().await;
    // One whose keys are changed while it runs.
    let (world, service) = world(Mood::Works, &settings).await;
    let served = world.serve().await;
    service.set(Mood::HasOtherKeys);
    until_ready(&world, "degraded", 503).await;
    refused(&world.account("stranger").post(INSTALL, &secret()).await);
    assert_eq!(service.asked("wrap"), 0);
    service.set(Mood::Works);
    until_ready(&world, "ok", 200).await;
    world.account("stranger").post(INSTALL, &secret()).await.ok();
    served.stop().await;
}

#[tokio::test]
async fn calls_to_the_key_service_are_counted_by_outcome_and_never_by_account() {
    let (world, service) = world(Mood::Works, &[]).await;
    let acme = world.account("acme-canary");
    acme.post(INSTALL, &secret()).await.ok();
    acme.post(INSTALL, &secret()).await.ok();
    service.set(Mood::Denies);
    assert_eq!(
        refused(&world.account("other-canary").post(INSTALL, &secret()).await),
        30,
        "waiting alone does not help"
    );
    assert_eq!(readiness(&world).await, ("degraded".into(), 503));
    service.set(Mood::Away);
    assert_eq!(refused(&world.account("other-canary").post(INSTALL, &secret()).await), 1);
    for (name, value) in [
        (r#"patchbay_key_service_calls_total{provider="scripted",operation="wrap",outcome="ok"}"#, "1"),
        (r#"patchbay_key_service_calls_total{provider="scripted",operation="wrap",outcome="denied"}"#, "1"),
        (r#"patchbay_key_service_calls_total{provider="scripted",operation="wrap",outcome="unavailable"}"#, "1"),
        (r#"patchbay_key_service_call_duration_seconds_count{provider="scripted",operation="wrap"}"#, "3"),
        (r#"patchbay_data_key_lookups_total{found="memory"}"#, "2"),
        (BREAKER, "0"),
    ] {
        assert_eq!(metric(&world, name).await, value, "{name}");
    }
    assert_eq!(service.asked("wrap"), 4, "what is away is asked twice");
    assert_eq!(service.asked("unwrap"), 0, "what was just made is kept");
    assert!(!world.nobody().get("/metrics").await.text().to_lowercase().contains("canary"));
}
