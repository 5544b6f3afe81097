//! What a body of install may be, and what of it is stored exactly.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::rows::{Rows, opened};
use super::{INSTALL, STRIPE, UNINSTALL};
use crate::support::World;

#[tokio::test]
async fn an_empty_body_white_space_and_null_supply_nothing() {
    let world = World::start().await;
    for (at, body) in
        ["", " \r\n\t ", "null", " null\n", "{}", "{\"params\": null}", "{\"secrets\": null, \"params\": null}"]
            .iter()
            .enumerate()
    {
        let account = world.account(&format!("acme-{at}"));
        for client in [account.clone(), account.clone().header("content-type", "application/json")] {
            let first = client.send(Method::POST, INSTALL, Body::from(*body)).await.ok();
            assert_eq!((&first["changed"], &first["integration"]["status"]), (&json!(true), &json!("installed")));
            assert_eq!(first["integration"]["params"], json!({}), "{body:?}");
            assert_eq!(first["integration"]["missing_fields"], json!(["secrets.api_key"]), "{body:?}");
            let again = client.send(Method::POST, INSTALL, Body::from(*body)).await.ok();
            assert_eq!(again["changed"], false, "{body:?}");
            client.send(Method::POST, UNINSTALL, Body::empty()).await.ok();
        }
    }
}

#[tokio::test]
async fn the_body_of_uninstall_is_ignored() {
    let world = World::start().await;
    let acme = world.account("acme");
    for body in ["", "{", "[]", "null", "\u{0}", "{\"params\": {\"a\": 1}}"] {
        for kind in ["application/json", "text/plain", "application/octet-stream"] {
            acme.post(INSTALL, &json!({"params": {"kept": true}})).await.ok();
            let client = acme.clone().header("content-type", kind);
            let answer = client.send(Method::POST, UNINSTALL, Body::from(body)).await.ok();
            assert_eq!((&answer["changed"], &answer["integration"]["params"]), (&json!(true), &json!({"kept": true})));
        }
    }
}

#[tokio::test]
async fn fields_that_the_server_sets_or_does_not_know_are_ignored() {
    let world = World::start().await;
    let body = json!({
        "params": {"note": "x"}, "status": "available", "installed_at": "1999-01-01T00:00:00Z", "id": 7,
        "account_id": "globex", "updated_at": null, "is_custom": true, "secret_names": ["a"], "extra": {"b": []},
    });
    let answer = world.account("acme").post(INSTALL, &body).await.ok();
    let integration = &answer["integration"];
    assert_eq!((&integration["status"], &integration["secret_names"]), (&json!("installed"), &json!([])));
    assert_eq!((&integration["is_custom"], &integration["params"]), (&json!(false), &json!({"note": "x"})));
    assert!(integration["installed_at"].as_str().expect("a time") > "2026");
    assert_eq!(world.account("globex").get(STRIPE).await.ok()["status"], "available");
}

#[tokio::test]
async fn the_last_of_two_equal_keys_wins_on_every_level() {
    let world = World::start().await;
    let body = r#"{"params": {"lost": 1}, "secrets": {"lost": "CANARY_1"},
                   "params": {"a": 1, "a": {"b": 1, "b": 2}}, "secrets": {"api_key": 1, "api_key": "sk_test_CANARY_2"}}"#;
    let answer = world.account("acme").post_text(INSTALL, body).await.ok();
    assert_eq!(answer["integration"]["params"], json!({"a": {"b": 2}}));
    assert_eq!(answer["integration"]["secret_names"], json!(["api_key"]));
    assert_eq!(opened(&world, "acme", "api_key").await, "\"sk_test_CANARY_2\"");
}

#[tokio::test]
async fn integers_up_to_two_to_the_64_minus_1_come_back_exactly() {
    let world = World::start().await;
    let acme = world.account("acme");
    let body = r#"{"params": {"most": 18446744073709551615, "beyond_i64": 9223372036854775808, "least": -9223372036854775808,
                   "beyond_a_double": 9007199254740993, "deep": [{"n": 18446744073709551614}]}, "secrets": {"n": 18446744073709551615}}"#;
    acme.post_text(INSTALL, body).await.ok();
    let text = acme.get(STRIPE).await.text();
    for exact in [
        "\"most\":18446744073709551615",
        "\"beyond_i64\":9223372036854775808",
        "\"least\":-9223372036854775808",
        "\"beyond_a_double\":9007199254740993",
        "\"n\":18446744073709551614",
    ] {
        assert!(text.contains(exact), "{exact} in {text}");
    }
    assert_eq!(opened(&world, "acme", "n").await, "18446744073709551615");
}

#[tokio::test]
async fn every_double_and_every_text_comes_back_as_it_was_sent() {
    let world = World::start().await;
    let acme = world.account("acme");
    let params = json!({
        "numbers": [0.1, 0.30000000000000004, 1e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.5e300,
                    123456789.12345679, 1e21, 8.98846567431158e307],
        "texts": ["", "\u{1}\u{1f}\u{7f}", "\u{ffff}\u{10ffff}", "a\"b\\c/d", "👩‍👩‍👧", "e\u{301}", "\u{202e}", "%s{}$1?:x"],
        "empty": [{}, [], null, false], "": {"": 1}, "~/": 1, "__proto__": {"x": 1},
    });
    let installed = acme.post(INSTALL, &json!({"params": params})).await.ok();
    assert_eq!(installed["integration"]["params"], params);
    assert_eq!(acme.get(STRIPE).await.ok()["params"], params);
}

#[tokio::test]
async fn values_nest_64_levels_and_no_deeper() {
    let world = World::start().await;
    let acme = world.account("acme");
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    for part in ["params", "secrets"] {
        // `params` itself is the first level.
        let deepest = format!("{{\"{part}\": {{\"x\": {}}}}}", nested(63));
        acme.post_text(INSTALL, deepest).await.ok();
        let before = Rows::read(&world.connect().await).await;
        for levels in [64, 100] {
            let deeper = format!("{{\"{part}\": {{\"x\": {}}}}}", nested(levels));
            let answer = acme.post_text(INSTALL, deeper).await;
            answer.assert_refused(400, "bad_user_input", "JSON is nested more than 64 levels deep");
        }
        assert_eq!(Rows::read(&world.connect().await).await, before);
    }
    let stored: Value = serde_json::from_str(&nested(63)).expect("JSON");
    assert_eq!(acme.get(STRIPE).await.ok()["params"]["x"], stored);
}
