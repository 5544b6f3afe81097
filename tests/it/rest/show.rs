//! One integration: its whole shape, its times.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde_json::{Value, json};

use super::rows::{add_widgets, touch_stripe};
use super::{INSTALL, KEYS, LIST, STRIPE, UNINSTALL};
use crate::support::World;

fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_else(|| panic!("not a time: {value}"));
    assert!(text.ends_with('Z'), "{text}");
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|e| panic!("{e}: {text}")).to_utc()
}

#[tokio::test]
async fn an_integration_has_every_key_also_where_there_is_no_value() {
    let world = World::start().await;
    let shown = world.account("acme").get(STRIPE).await.ok();
    let keys: Vec<_> = shown.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let mut expected = [&KEYS[..], &["params_schema", "secrets_schema", "fields"]].concat();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!((&shown["icon_url"], &shown["installed_at"]), (&json!(null), &json!(null)));
    assert_eq!((&shown["params"], &shown["secret_names"]), (&json!({}), &json!([])));
    assert_eq!(shown["missing_fields"], json!(["secrets.api_key"]));
    assert_eq!(shown["auth_kinds"], json!(["bearer"]));
}

#[tokio::test]
async fn a_list_shows_the_same_integration() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"a": 1}, "secrets": {"webhook_secret": "whsec_CANARY"}})).await.ok();
    let list = acme.get(&format!("{LIST}?include=schemas")).await.ok();
    for item in list["integrations"].as_array().expect("a list") {
        let path = format!("{LIST}/{}", item["name"].as_str().expect("a name"));
        assert_eq!(&acme.get(&path).await.ok(), item);
    }
}

#[tokio::test]
async fn missing_fields_are_params_then_secrets_and_shrink_as_they_are_supplied() {
    let world = World::start().await;
    let acme = world.account("acme");
    add_widgets(&world).await;
    let widgets = "/api/v1/integrations/widgets";
    let missing = async || acme.get(widgets).await.ok()["missing_fields"].clone();
    assert_eq!(missing().await, json!(["params.region", "params.owner", "secrets.api_key"]));
    let install = format!("{widgets}/install");
    acme.post(&install, &json!({"params": {"owner": "a@b.example"}})).await.ok();
    assert_eq!(missing().await, json!(["params.region", "secrets.api_key"]));
    acme.post(&install, &json!({"secrets": {"api_key": "wk_CANARY_1"}})).await.ok();
    assert_eq!(missing().await, json!(["params.region"]));
    // A secret that is kept counts as supplied; one that is removed does not.
    acme.post(&format!("{widgets}/uninstall"), &json!(null)).await.ok();
    assert_eq!(missing().await, json!(["params.region"]));
    acme.post(&install, &json!({"params": {}, "secrets": {"api_key": null}})).await.ok();
    assert_eq!(missing().await, json!(["params.region", "params.owner", "secrets.api_key"]));
}

#[tokio::test]
async fn updated_at_is_the_later_of_entry_and_installation() {
    let world = World::start().await;
    let acme = world.account("acme");
    let entry = acme.get(STRIPE).await.ok();
    assert_eq!(time(&entry["updated_at"]), time(&entry["created_at"]));
    let before = Utc::now().trunc_subsecs(6);
    let installed = acme.post(INSTALL, &json!({})).await.ok()["integration"].clone();
    assert!((before..=Utc::now()).contains(&time(&installed["updated_at"])));
    assert_eq!(installed["installed_at"], installed["updated_at"]);
    assert_eq!(installed["created_at"], entry["created_at"]);
    let uninstalled = acme.post(UNINSTALL, &json!({})).await.ok()["integration"].clone();
    assert!(time(&uninstalled["updated_at"]) > time(&installed["updated_at"]));
    assert_eq!(acme.get(STRIPE).await.ok()["updated_at"], uninstalled["updated_at"]);
    // Another account sees the entry's time alone.
    assert_eq!(world.account("globex").get(STRIPE).await.ok()["updated_at"], entry["updated_at"]);
    let tomorrow = before + Duration::days(1);
    touch_stripe(&world, tomorrow).await;
    let touched = acme.get(STRIPE).await.ok();
    assert_eq!((time(&touched["updated_at"]), &touched["created_at"]), (tomorrow, &entry["created_at"]));
}
