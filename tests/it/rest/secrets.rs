//! Secrets of an install: merged by name, sealed before anything is written, never read back.

use serde_json::{Map, Value, json};

use super::rows::{Rows, opened};
use super::{INSTALL, PROBLEM, STRIPE, UNINSTALL};
use crate::support::{Client, World};

async fn names(client: &Client) -> Value {
    client.get(STRIPE).await.ok()["secret_names"].clone()
}

/// This many secrets, named from `first` on.
fn many(first: usize, count: usize) -> Map<String, Value> {
    (first..first + count).map(|at| (format!("s{at:03}"), json!("CANARY_1"))).collect()
}

#[tokio::test]
async fn secrets_merge_by_name_and_null_removes_one() {
    let world = World::start().await;
    let acme = world.account("acme");
    let database = world.connect().await;
    for (secrets, expected) in [
        (json!({"b": "CANARY_1", "a": "CANARY_1"}), json!(["a", "b"])),
        (json!({"c": "CANARY_1"}), json!(["a", "b", "c"])),
        (json!({"b": null}), json!(["a", "c"])),
        (json!({"b": null, "never": null}), json!(["a", "c"])),
        (json!({"a": null, "B": "CANARY_1"}), json!(["B", "c"])),
        (json!({}), json!(["B", "c"])),
        (json!({"B": null, "c": null}), json!([])),
    ] {
        let answer = acme.post(INSTALL, &json!({"secrets": secrets})).await.ok();
        assert_eq!(answer["integration"]["secret_names"], expected, "{secrets}");
        assert_eq!(names(&acme).await, expected, "{secrets}");
        let rows = Rows::read(&database).await;
        assert_eq!(
            json!(rows.sealed().iter().map(|(name, _)| *name).collect::<Vec<_>>()).as_array().map(Vec::len),
            expected.as_array().map(Vec::len),
            "{secrets}"
        );
    }
}

#[tokio::test]
async fn a_given_name_is_sealed_anew_and_the_others_stay_byte_for_byte() {
    let world = World::start().await;
    let acme = world.account("acme");
    let database = world.connect().await;
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY_1", "b": "CANARY_1"}})).await.ok();
    let before = Rows::read(&database).await;
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY_1"}, "params": {"x": 1}})).await.ok();
    let after = Rows::read(&database).await;
    assert_ne!(before.sealed()[0], after.sealed()[0]);
    assert_eq!(before.secrets[1], after.secrets[1]);
    assert_eq!(before.keys, after.keys);
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY_2"}})).await.ok();
    assert_eq!(opened(&world, "acme", "a").await, "\"CANARY_2\"");
    assert_eq!(opened(&world, "acme", "b").await, "\"CANARY_1\"");
}

#[tokio::test]
async fn a_value_may_be_any_json_but_null_and_is_kept_exactly() {
    let world = World::start().await;
    let acme = world.account("acme");
    for value in [
        json!("CANARY"),
        json!(""),
        json!("\u{0}CANARY\u{0}"),
        json!({"\u{0}": "\u{0}"}),
        json!(true),
        json!(false),
        json!(0),
        json!(-1.5),
        json!(18_446_744_073_709_551_615_u64),
        json!([]),
        json!({}),
        json!([null, {"a": [1]}]),
        json!("ключ 🔑\u{ffff}"),
        json!("x".repeat(60_000)),
    ] {
        let answer = acme.post(INSTALL, &json!({"secrets": {"any": value}})).await.ok();
        assert_eq!(answer["integration"]["secret_names"], json!(["any"]));
        assert_eq!(opened(&world, "acme", "any").await, value.to_string());
    }
}

#[tokio::test]
async fn no_answer_ever_holds_a_value() {
    let world = World::start().await;
    let acme = world.account("acme").header("accept", PROBLEM);
    let secrets = json!({"api_key": "sk_test_CANARY_1", "other": {"deep": ["CANARY_2"]}});
    let answers = [
        acme.post(INSTALL, &json!({"secrets": secrets})).await,
        acme.post(INSTALL, &json!({"secrets": secrets, "params": {"api_version": "CANARY_3"}})).await,
        acme.post(INSTALL, &json!({"secrets": {"api_key": "CANARY_4"}})).await,
        acme.post(INSTALL, &json!({"secrets": ["CANARY_5"]})).await,
        acme.post_text(INSTALL, "{\"secrets\": {\"api_key\": \"CANARY_6\\q\"}}").await,
        acme.post_text(INSTALL, "{\"secrets\": {\"api_key\": CANARY_7}}").await,
        acme.get(STRIPE).await,
        acme.get("/api/v1/integrations?include=schemas").await,
        acme.post(UNINSTALL, &json!({})).await,
        acme.get("/metrics").await,
    ];
    for answer in answers {
        assert!(!answer.text().contains("CANARY"), "{}", answer.text());
        assert!(!format!("{:?}", answer.headers).contains("CANARY"));
    }
}

#[tokio::test]
async fn names_are_1_to_128_letters_digits_and_a_few_signs() {
    let world = World::start().await;
    let acme = world.account("acme").header("accept", PROBLEM);
    let longest = "n".repeat(128);
    for good in ["a", "Z", "0", "_", ".", "-", "..", "api.key-2_B", &longest] {
        acme.post(INSTALL, &json!({"secrets": {good: "CANARY_1"}})).await.ok();
    }
    let before = Rows::read(&world.connect().await).await;
    let too_long = "n".repeat(129);
    for bad in ["", " ", "a b", "a/b", "a:b", "é", "a\u{0}", "a\n", "$x", "a\u{200b}", "🔑", &too_long] {
        // Also where the name is only to be removed.
        for value in [json!("CANARY_1"), json!(null)] {
            let answer = acme.post(INSTALL, &json!({"secrets": {bad: value, "fine": "CANARY_1"}})).await;
            assert_eq!((answer.status.as_u16(), answer.error_code()), (422, "secrets_invalid"), "{bad:?}");
            let errors = answer.json()["errors"].clone();
            let detail = "is not a valid name: use 1 to 128 of A-Z a-z 0-9 _ . -";
            let pointer = format!("/secrets/{}", bad.replace('/', "~1"));
            assert_eq!(errors, json!([{"pointer": pointer, "detail": detail}]), "{bad:?}");
        }
    }
    assert_eq!(Rows::read(&world.connect().await).await, before);
}

#[tokio::test]
async fn an_installation_keeps_at_most_64_secrets() {
    let world = World::start().await;
    let acme = world.account("acme").header("accept", PROBLEM);
    let refuse = async |secrets: &Map<String, Value>| {
        let before = Rows::read(&world.connect().await).await;
        let answer = acme.post(INSTALL, &json!({"secrets": secrets, "params": {"lost": true}})).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (422, "secrets_invalid"));
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(1));
        assert_eq!(answer.json()["errors"][0]["pointer"], "/secrets");
        assert_eq!(Rows::read(&world.connect().await).await, before);
    };
    refuse(&many(0, 65)).await;
    acme.post(INSTALL, &json!({"secrets": many(0, 64)})).await.ok();
    refuse(&many(64, 1)).await;
    acme.post(INSTALL, &json!({"secrets": many(0, 64)})).await.ok();
    // What is removed makes room for what is given.
    let mut swap = many(64, 64);
    swap.extend(many(0, 64).into_iter().map(|(name, _)| (name, json!(null))));
    acme.post(INSTALL, &json!({"secrets": swap})).await.ok();
    let kept: Vec<_> = many(64, 64).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names(&acme).await, json!(kept));
}

#[tokio::test]
async fn without_keys_a_secret_is_refused_and_nothing_is_written_not_even_params() {
    let world = World::builder().without_keys().start().await;
    let acme = world.account("acme");
    let body = json!({"params": {"lost": true}, "secrets": {"api_key": "sk_test_CANARY_1"}});
    let refuse = async || {
        let answer = acme.post(INSTALL, &body).await;
        answer.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
        let seconds: u32 = answer.header("retry-after").and_then(|s| s.parse().ok()).expect("seconds");
        assert!(seconds >= 1);
    };
    refuse().await;
    assert!(Rows::read(&world.connect().await).await.is_empty());
    // Everything else works.
    acme.post(INSTALL, &json!({"params": {"kept": true}})).await.ok();
    let before = Rows::read(&world.connect().await).await;
    refuse().await;
    assert_eq!(Rows::read(&world.connect().await).await, before);
    let shown = acme.post(INSTALL, &json!({"secrets": {"api_key": null}})).await.ok();
    assert_eq!((&shown["changed"], &shown["integration"]["params"]), (&json!(true), &json!({"kept": true})));
    assert_eq!(acme.post(INSTALL, &json!({"secrets": {}})).await.ok()["changed"], false);
    acme.post(UNINSTALL, &json!({})).await.ok();
    // What the caller can mend comes first.
    let wrong = acme.post(INSTALL, &json!({"secrets": {"api_key": 7}})).await;
    assert_eq!(wrong.status, 422);
}
