//! What is written, and when nothing is.

use std::time::Duration;

use futures_util::future::join_all;
use patchbay::domain::event::Outcome;
use patchbay::domain::{Action, Event, FieldNames, IntegrationId, SecretName};
use serde_json::{Map, Value, json};

use super::{SLACK, STRIPE, events, install, rows, uninstall};
use crate::support::{Client, World, account_id, call};

const PARAMS: &str = "params";
const CANARY: &str = "CANARY";

/// What is asked, and the action and names of the event that it leaves, if any.
type Step = (&'static str, Value, Option<(&'static str, &'static [&'static str])>);

fn steps() -> Vec<Step> {
    vec![
        ("uninstall", json!({}), None),
        (
            "install",
            json!({"params": {"region": "eu", "deep": {"a": 1}}, "secrets": {"api_key": "sk_CANARY", "b": "CANARY"}}),
            Some(("installation.installed", &["secrets.api_key", "secrets.b", "params.deep", "params.region"])),
        ),
        ("install", json!({}), None),
        ("install", json!({"secrets": {}}), None),
        (
            "install",
            json!({"params": {"region": "eu", "deep": {"a": 2}, "new": null}}),
            Some(("installation.updated", &["params.deep", "params.new"])),
        ),
        (
            "install",
            json!({"params": {"region": "eu"}}),
            Some(("installation.updated", &["params.deep", "params.new"])),
        ),
        ("install", json!({"secrets": {"b": "CANARY"}}), Some(("installation.updated", &["secrets.b"]))),
        (
            "install",
            json!({"secrets": {"b": null, "c": "CANARY", "never_there": null}}),
            Some(("installation.updated", &["secrets.b", "secrets.c"])),
        ),
        ("uninstall", json!({}), Some(("installation.uninstalled", &[]))),
        ("uninstall", json!({}), None),
        ("install", json!({}), Some(("installation.installed", &[]))),
        ("install", json!({"params": {}}), Some(("installation.updated", &["params.region"]))),
    ]
}

/// Does it; whether anything changed.
async fn take(client: &Client, over_graphql: bool, what: &str, body: &Value) -> bool {
    if !over_graphql {
        return client.post(&format!("{STRIPE}/{what}"), body).await.ok()["changed"] == true;
    }
    let mut input = body.as_object().cloned().unwrap_or_default();
    input.insert("integration".into(), json!({"name": "stripe"}));
    let (kind, field) = match what {
        "install" => ("InstallIntegrationInput", "installIntegration"),
        _ => ("UninstallIntegrationInput", "uninstallIntegration"),
    };
    let document = format!("mutation($input: {kind}!) {{ done: {field}(input: $input) {{ changed }} }}");
    client.graphql(&document, json!({ "input": input })).await.data()["done"]["changed"] == true
}

#[tokio::test]
async fn every_change_leaves_one_event_with_its_names_and_nothing_else_leaves_any() {
    let world = World::start().await;
    for over_graphql in [false, true] {
        let account = format!("account-{over_graphql}");
        let client = world.account(&account);
        let mut count = 0;
        for (n, (what, body, event)) in steps().into_iter().enumerate() {
            let request_id = format!("request-{n}");
            let asked = client.clone().header("x-request-id", &request_id);
            let changed = take(&asked, over_graphql, what, &body).await;
            assert_eq!(changed, event.is_some(), "{what} {body}");
            let log = events(&client).await;
            if let Some((action, fields)) = event {
                count += 1;
                let newest = &log[0];
                assert_eq!((&newest["action"], &newest["fields"]), (&json!(action), &json!(fields)), "{what} {body}");
                assert_eq!(newest["request_id"], json!(request_id));
            }
            assert_eq!(log.len(), count, "{what} {body}");
        }
        for event in events(&client).await {
            assert_eq!(event["integration_id"], json!(IntegrationId::of_builtin("stripe").to_string()));
            assert_eq!(event["integration_name"], "stripe");
            assert_eq!(event["outcome"], "succeeded");
            assert_eq!(event["actor"], json!({"kind": "anonymous", "id": "", "label": ""}));
        }
    }
    assert!(!rows(&world).await.contains(CANARY), "a value is in the log");
}

#[tokio::test]
async fn the_actor_is_the_one_who_was_let_in() {
    let token = "0123456789abcdef0123456789abcdef";
    let world = World::with(&[("auth.mode", "gateway"), ("auth.gateway_token", token)]).await;
    let acme = world.account("acme").header("x-gateway-token", token);
    install(&acme, STRIPE, json!({})).await;
    assert_eq!(events(&acme).await[0]["actor"]["kind"], "gateway");
}

#[tokio::test]
async fn what_is_refused_leaves_no_event() {
    let world = World::builder().without_keys().start().await;
    let acme = world.account("acme");
    for (path, body, status) in [
        ("/api/v1/integrations/nobody_has_this/install", json!({}), 404),
        ("/api/v1/integrations/nobody_has_this/uninstall", json!({}), 404),
        ("/api/v1/integrations/stripe/install", json!({"secrets": {"not allowed": "CANARY"}}), 422),
        ("/api/v1/integrations/stripe/install", json!({"params": []}), 400),
        ("/api/v1/integrations/stripe/install", json!({"secrets": {"api_key": "sk_CANARY"}}), 503),
    ] {
        assert_eq!(acme.post(path, &body).await.status.as_u16(), status, "{path} {body}");
    }
    assert!(events(&acme).await.is_empty());
    assert!(!rows(&world).await.contains(CANARY));
}

#[tokio::test]
async fn there_is_no_event_without_its_change_and_no_change_without_its_event() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, SLACK, json!({"secrets": {"gone": "CANARY", "kept": "CANARY"}})).await;
    let (before, log) = (world.rows_of("acme").await, events(&acme).await);
    for table in ["installation_secrets", "audit_events"] {
        world.sql(&format!("ALTER TABLE {table} RENAME TO hidden_away")).await;
        for secrets in [json!({"kept": "CANARY_2"}), json!({"gone": null, "kept": "CANARY_2"})] {
            let failed = acme.post(&format!("{SLACK}/install"), &json!({"params": {"a": 1}, "secrets": secrets})).await;
            failed.assert_refused(500, "database_error", "Database error");
        }
        world.sql(&format!("ALTER TABLE hidden_away RENAME TO {table}")).await;
        assert_eq!((&world.rows_of("acme").await, &events(&acme).await), (&before, &log), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_at_once_each_has_its_event() {
    let one = World::start().await;
    let two = World::builder().beside(&one).await;
    let names = ["stripe", "slack"];
    let accounts = ["acme", "other"];
    let asked = (0..60_usize).map(|n| {
        let account = accounts[n % 2];
        let client = if n % 4 < 2 { one.account(account) } else { two.account(account) };
        let path = format!("/api/v1/integrations/{}", names[n / 4 % 2]);
        async move {
            let answer = match n % 3 {
                0 => client.post(&format!("{path}/uninstall"), &json!({})).await,
                _ => client.post(&format!("{path}/install"), &json!({"params": {"n": n}})).await,
            };
            usize::from(answer.ok()["changed"] == true)
        }
    });
    let changes: usize = join_all(asked).await.into_iter().sum();
    let logs = join_all(accounts.map(async |account| events(&one.account(account)).await.len())).await;
    assert_eq!(logs.iter().sum::<usize>(), changes);
    assert!(changes >= 40, "every install with params is a change");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_dropped_half_way_leaves_both_or_neither() {
    let world = World::start().await;
    let acme = world.account("acme");
    for n in 0..120_u64 {
        // Params are replaced whole: each change removes the name that the last one brought.
        let body = json!({"params": {format!("n{n}"): n}, "secrets": {"api_key": "sk_test_CANARY"}});
        let asked = acme.post("/api/v1/integrations/stripe/install", &body);
        let _ = tokio::time::timeout(Duration::from_micros(n * 60), asked).await;
    }
    install(&acme, STRIPE, json!({"params": {"last": 1}})).await;
    let mut log = events(&acme).await;
    log.reverse();
    let mut before = None;
    for event in &log {
        let names = event["fields"].as_array().expect("a list").iter().map(|name| name.as_str().expect("text"));
        let mut names: Vec<_> = names.filter_map(|name| name.strip_prefix("params.")).collect();
        if let Some(before) = before {
            let removed = names.iter().position(|name| *name == before);
            names.swap_remove(removed.unwrap_or_else(|| panic!("a change between has no event: {log:#?}")));
        }
        assert_eq!(names.len(), 1, "{log:#?}");
        before = Some(names[0]);
    }
    assert_eq!(before, Some("last"));
}

#[tokio::test]
async fn the_largest_change_leaves_a_bounded_event() {
    let world = World::start().await;
    let acme = world.account("acme");
    let params: Map<_, _> = (0..5_000).map(|n| (format!("{n:0>6}"), json!(0))).collect();
    install(&acme, STRIPE, json!({PARAMS: params, "secrets": {"z": "CANARY"}})).await;
    let long: Map<_, _> = (0..100).map(|n| (format!("{n:0>3}{}", "é".repeat(200)), json!(0))).collect();
    install(&acme, STRIPE, json!({ PARAMS: long })).await;
    let log = events(&acme).await;
    for event in &log {
        let fields = event["fields"].as_array().expect("a list");
        assert!(
            fields.len() <= 200 && fields.iter().map(|name| name.as_str().expect("text").len()).sum::<usize>() <= 4_096
        );
        assert!(fields.iter().all(|name| name.as_str().expect("text").chars().count() <= "params.".len() + 128));
    }
    assert_eq!((log[1]["fields"].as_array().map(Vec::len), &log[1]["fields_omitted"]), (Some(200), &json!(4_801)));
    assert_eq!(log[1]["fields"][0], "secrets.z", "what is left out is never a secret");
}

#[tokio::test]
async fn an_event_without_a_change_is_recorded_alike() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({})).await;
    let entry = world.app.services().catalog();
    let entry = entry.find(&patchbay::domain::Reference::parse("stripe")).expect("stripe");
    let name = SecretName::parse("api_key").expect("a name");
    let tenant = world.app.store().tenant(account_id("acme"));
    let read = || Event::new(&call(), Action::SecretsRead).of(&entry).naming(FieldNames::of_secrets([&name]));
    join_all((0..20).map(|_| async { tenant.record(read()).await.expect("recorded") })).await;
    tenant.record(read().ended(Outcome::Failed)).await.expect("recorded");
    let log = events(&acme).await;
    assert_eq!(log.len(), 22);
    assert_eq!((&log[0]["outcome"], &log[1]["outcome"]), (&json!("failed"), &json!("succeeded")));
    assert_eq!(log[0]["fields"], json!(["secrets.api_key"]));
    assert_eq!(log[0]["actor"], json!({"kind": "system", "id": "", "label": "test"}));
    uninstall(&acme, STRIPE).await;
    assert_eq!(events(&acme).await.len(), 23, "changes go on");
}
