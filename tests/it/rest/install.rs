//! Install and params: contract, section 2.3.

use std::time::Duration;

use serde_json::{Value, json};

use super::rows::{Rows, add_widgets};
use super::{INSTALL, PROBLEM, STRIPE, UNINSTALL};
use crate::support::{Client, World};

async fn install(client: &Client, body: &Value) -> Value {
    client.post(INSTALL, body).await.ok()
}

#[tokio::test]
async fn install_answers_the_integration_as_it_is_shown_from_then_on() {
    let world = World::start().await;
    let acme = world.account("acme");
    let body = json!({"params": {"api_version": "2026-09-30.endive"}, "secrets": {"api_key": "sk_test_CANARY_1"}});
    let answer = install(&acme, &body).await;
    let keys = ["changed", "ignored_fields", "integration", "unknown_fields"];
    assert_eq!(answer.as_object().expect("an object").keys().collect::<Vec<_>>(), keys);
    assert_eq!(answer["integration"], acme.get(STRIPE).await.ok());
    assert_eq!(answer["integration"]["status"], "installed");
    assert_eq!(answer["integration"]["missing_fields"], json!([]));
    let answer = acme.post(UNINSTALL, &json!({})).await.ok();
    assert_eq!(answer.as_object().expect("an object").keys().collect::<Vec<_>>(), ["changed", "integration"]);
    assert_eq!(answer["integration"], acme.get(STRIPE).await.ok());
}

#[tokio::test]
async fn params_replace_the_stored_ones_whole_and_absent_ones_leave_them() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (body, params) in [
        (json!({"params": {"a": 1, "b": {"c": [1, 2]}}}), json!({"a": 1, "b": {"c": [1, 2]}})),
        (json!({}), json!({"a": 1, "b": {"c": [1, 2]}})),
        (json!({"params": null}), json!({"a": 1, "b": {"c": [1, 2]}})),
        (json!({"secrets": {"x": "CANARY_1"}}), json!({"a": 1, "b": {"c": [1, 2]}})),
        (json!({"params": {"b": {"d": null}}}), json!({"b": {"d": null}})),
        (json!({"params": {"a": null}}), json!({"a": null})),
        (json!({"params": {}}), json!({})),
        (json!(null), json!({})),
    ] {
        assert_eq!(install(&acme, &body).await["integration"]["params"], params, "{body}");
        assert_eq!(acme.get(STRIPE).await.ok()["params"], params, "{body}");
    }
}

#[tokio::test]
async fn changed_is_false_only_when_nothing_at_all_was_supplied() {
    let world = World::start().await;
    let acme = world.account("acme");
    assert_eq!(install(&acme, &json!({})).await["changed"], true, "the first install");
    for (body, changed) in [
        (json!({}), false),
        (json!(null), false),
        (json!({"params": null, "secrets": null}), false),
        (json!({"secrets": {}}), false),
        (json!({"other": {"a": 1}}), false),
        (json!({"params": {}}), true),
        (json!({"params": {}}), true),
        (json!({"params": {"a": 1}}), true),
        (json!({"params": {"a": 1}}), true),
        (json!({"secrets": {"x": null}}), true),
        (json!({"secrets": {"x": "CANARY_1"}}), true),
        (json!({"secrets": {"x": "CANARY_1"}}), true),
    ] {
        let database = world.connect().await;
        let before = Rows::read(&database).await;
        let answer = install(&acme, &body).await;
        assert_eq!(answer["changed"], changed, "{body}");
        let after = Rows::read(&database).await;
        assert_eq!(before != after, changed, "{body}");
        assert_eq!(before.revisions != after.revisions, changed, "{body}");
    }
}

#[tokio::test]
async fn installed_at_stays_while_installed_and_is_new_after_an_uninstall() {
    let world = World::start().await;
    let acme = world.account("acme");
    let first = install(&acme, &json!({})).await["integration"]["installed_at"].clone();
    for body in [json!({}), json!({"params": {"a": 1}}), json!({"secrets": {"x": "CANARY_1"}})] {
        assert_eq!(install(&acme, &body).await["integration"]["installed_at"], first, "{body}");
    }
    acme.post(UNINSTALL, &json!({})).await.ok();
    let second = install(&acme, &json!({})).await["integration"]["installed_at"].clone();
    assert!(second.as_str().expect("a time") > first.as_str().expect("a time"));
}

#[tokio::test]
async fn install_after_an_uninstall_brings_back_what_was_kept() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, &json!({"params": {"a": 1}, "secrets": {"api_key": "sk_test_CANARY_1"}})).await;
    acme.post(UNINSTALL, &json!({})).await.ok();
    let back = install(&acme, &json!(null)).await;
    assert_eq!((&back["changed"], &back["integration"]["status"]), (&json!(true), &json!("installed")));
    assert_eq!(back["integration"]["params"], json!({"a": 1}));
    assert_eq!(back["integration"]["secret_names"], json!(["api_key"]));
    acme.post(UNINSTALL, &json!({})).await.ok();
    let cleared = install(&acme, &json!({"params": {}})).await;
    assert_eq!(cleared["integration"]["params"], json!({}));
    assert_eq!(cleared["integration"]["secret_names"], json!(["api_key"]));
}

#[tokio::test]
async fn keys_that_the_entry_does_not_know_are_accepted_and_kept() {
    let world = World::start().await;
    let acme = world.account("acme");
    let body = json!({"params": {"unheard_of": [1], "": ""}, "secrets": {"un.heard-OF_9": {"a": "CANARY_1"}}});
    let integration = install(&acme, &body).await["integration"].clone();
    assert_eq!(integration["params"], json!({"unheard_of": [1], "": ""}));
    assert_eq!(integration["secret_names"], json!(["un.heard-OF_9"]));
}

/// A body that breaks a schema, the code of its refusal, and one pointer and rule per field.
type Broken = (Value, &'static str, Vec<(&'static str, &'static str)>);

/// Bodies that break the schemas of widgets.
fn broken() -> Vec<Broken> {
    let name = "is not a valid name: use 1 to 128 of A-Z a-z 0-9 _ . -";
    let params = |body: Value, pointer, rule| (json!({"params": body}), "params_invalid", vec![(pointer, rule)]);
    let secrets = |body: Value, pointer, rule| (json!({"secrets": body}), "secrets_invalid", vec![(pointer, rule)]);
    vec![
        params(json!({"region": "mars"}), "/params/region", "must be one of eu, us"),
        params(json!({"region": null}), "/params/region", "must be one of eu, us"),
        params(json!({"port": 1.5}), "/params/port", "must be an integer"),
        params(json!({"port": "443"}), "/params/port", "must be an integer"),
        params(json!({"owner": 7}), "/params/owner", "must be a string"),
        params(json!({"owner": "nobody"}), "/params/owner", "must be a valid email"),
        params(json!({"host": "not a host"}), "/params/host", "must be a valid hostname"),
        params(json!({"is_test": "true"}), "/params/is_test", "must be a boolean"),
        secrets(json!({"api_key": "CANARY_1"}), "/secrets/api_key", "must match ^wk_"),
        secrets(json!({"api_key": ["wk_CANARY_1"]}), "/secrets/api_key", "must be a string"),
        secrets(json!({"a/b~c": "CANARY_1"}), "/secrets/a~1b~0c", name),
        (
            json!({"params": {"region": 1, "port": 443, "owner": "CANARY", "unknown": 1},
                   "secrets": {"api_key": 7, "bad name": "CANARY_1", "fine": "CANARY_2"}}),
            "params_invalid",
            vec![
                ("/params/owner", "must be a valid email"),
                ("/params/region", "must be one of eu, us"),
                ("/secrets/api_key", "must be a string"),
                ("/secrets/bad name", name),
            ],
        ),
    ]
}

#[tokio::test]
async fn values_that_break_the_schema_are_told_field_by_field_and_nothing_is_written() {
    let world = World::start().await;
    add_widgets(&world).await;
    let database = world.connect().await;
    let acme = world.account("acme").header("accept", PROBLEM);
    let install = "/api/v1/integrations/widgets/install";
    let refuse_all = async || {
        let before = Rows::read(&database).await;
        for (body, code, fields) in broken() {
            let answer = acme.post(install, &body).await;
            assert_eq!((answer.status.as_u16(), answer.error_code()), (422, code), "{body}");
            let errors: Vec<_> = fields.iter().map(|(at, rule)| json!({"pointer": at, "detail": rule})).collect();
            assert_eq!(answer.json()["errors"], json!(errors), "{body}");
            assert!(!answer.text().contains("CANARY"), "{}", answer.text());
        }
        assert_eq!(Rows::read(&database).await, before);
    };
    refuse_all().await;
    assert!(Rows::read(&database).await.is_empty());
    acme.post(install, &json!({"params": {"a": 1}, "secrets": {"api_key": "wk_CANARY_1"}})).await.ok();
    // What is right beside what is wrong is not written either: the last of the bodies holds both.
    refuse_all().await;
    let removal = json!({"params": {"port": ""}, "secrets": {"api_key": null}});
    assert_eq!(acme.post(install, &removal).await.status, 422);
    let shown = acme.get("/api/v1/integrations/widgets").await.ok();
    assert_eq!((&shown["params"], &shown["secret_names"]), (&json!({"a": 1}), &json!(["api_key"])));
}

#[tokio::test]
async fn installs_at_once_leave_the_result_of_one_after_the_other() {
    let world = World::start().await;
    let acme = world.account("acme");
    const AT_ONCE: usize = 12;
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|at| {
            let acme = acme.clone();
            let body = json!({"params": {"at": at, "twice": at}, "secrets": {format!("s{at:02}"): "CANARY_1"}});
            tokio::spawn(async move { acme.post(INSTALL, &body).await.ok() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("done")["changed"], true);
    }
    let shown = acme.get(STRIPE).await.ok();
    assert_eq!(shown["secret_names"], json!((0..AT_ONCE).map(|at| format!("s{at:02}")).collect::<Vec<_>>()));
    assert_eq!(shown["params"]["at"], shown["params"]["twice"]);
    let rows = Rows::read(&world.connect().await).await;
    assert_eq!((rows.secrets.len(), rows.keys.len()), (AT_ONCE, 1));
    assert_eq!(rows.revisions[0].revision, rows.installations[0].revision);
}

#[tokio::test]
async fn two_accounts_installing_the_same_entry_do_not_meet() {
    let world = World::start().await;
    let (acme, globex) = (world.account("acme"), world.account("globex"));
    install(&acme, &json!({"params": {"of": "acme"}, "secrets": {"a": "CANARY_1"}})).await;
    install(&globex, &json!({"params": {"of": "globex"}, "secrets": {"b": "CANARY_2"}})).await;
    acme.post(UNINSTALL, &json!({})).await.ok();
    let (ours, theirs) = (acme.get(STRIPE).await.ok(), globex.get(STRIPE).await.ok());
    assert_eq!((&ours["params"]["of"], &ours["status"]), (&json!("acme"), &json!("available")));
    assert_eq!((&theirs["params"]["of"], &theirs["status"]), (&json!("globex"), &json!("installed")));
    assert_eq!((&ours["secret_names"], &theirs["secret_names"]), (&json!(["a"]), &json!(["b"])));
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_read() {
    let world = World::start().await;
    let acme = world.account("acme");
    let started = std::time::Instant::now();
    for at in 0..50 {
        install(&acme, &json!({"params": {"at": at}})).await;
        assert_eq!(acme.get(STRIPE).await.ok()["params"]["at"], at);
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
