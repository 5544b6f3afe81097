//! Uninstall: the status goes, what was stored stays.

use serde_json::json;

use super::rows::Rows;
use super::{INSTALL, STRIPE, UNINSTALL};
use crate::support::World;

#[tokio::test]
async fn uninstall_keeps_params_and_secrets_byte_for_byte() {
    let world = World::start().await;
    let acme = world.account("acme");
    let database = world.connect().await;
    let body =
        json!({"params": {"z": 1.0, "a": [" ", {}]}, "secrets": {"api_key": "sk_test_CANARY_1", "x": "CANARY_2"}});
    acme.post(INSTALL, &body).await.ok();
    let before = Rows::read(&database).await;
    let answer = acme.post(UNINSTALL, &json!({})).await.ok();
    let after = Rows::read(&database).await;
    assert_eq!((&before.secrets, &before.keys), (&after.secrets, &after.keys));
    assert_eq!(before.installations[0].params.to_string(), after.installations[0].params.to_string());
    assert_eq!(before.installations[0].secret_names, after.installations[0].secret_names);
    assert_eq!(after.installations[0].installed_at, None);
    let integration = &answer["integration"];
    assert_eq!((&answer["changed"], &integration["status"]), (&json!(true), &json!("available")));
    assert_eq!((&integration["installed_at"], &integration["params"]), (&json!(null), &body["params"]));
    assert_eq!(integration["secret_names"], json!(["api_key", "x"]));
    assert_eq!(integration["missing_fields"], json!([]));
}

#[tokio::test]
async fn uninstalling_what_is_not_installed_changes_nothing() {
    let world = World::start().await;
    let acme = world.account("acme");
    let database = world.connect().await;
    let never = acme.post(UNINSTALL, &json!({})).await.ok();
    assert_eq!((&never["changed"], &never["integration"]["status"]), (&json!(false), &json!("available")));
    assert!(Rows::read(&database).await.is_empty());
    acme.post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
    assert_eq!(acme.post(UNINSTALL, &json!({})).await.ok()["changed"], true);
    let before = Rows::read(&database).await;
    let again = acme.post(UNINSTALL, &json!({})).await.ok();
    assert_eq!((&again["changed"], &again["integration"]["params"]), (&json!(false), &json!({"a": 1})));
    assert_eq!(Rows::read(&database).await, before);
}

#[tokio::test]
async fn another_account_cannot_uninstall_ours() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
    let before = Rows::read(&world.connect().await).await;
    assert_eq!(world.account("globex").post(UNINSTALL, &json!({})).await.ok()["changed"], false);
    assert_eq!(Rows::read(&world.connect().await).await, before);
    assert_eq!(acme.get(STRIPE).await.ok()["status"], "installed");
}
