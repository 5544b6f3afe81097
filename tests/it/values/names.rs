//! Names that the entry's form or the route does not know are reported.

use serde_json::{Map, Value, json};

use super::{GROQ, MEETER, graphql, metered};
use crate::support::{PEPPER, World};

#[tokio::test]
async fn unknown_names_are_stored_and_reported_by_both_apis() {
    let world = World::start().await;
    let acme = world.account("acme");
    let body =
        json!({"params": {"regoin": "eu"}, "secrets": {"apikey": "gsk_CANARY", "api_key": "gsk_CANARY", "gone": null}});
    let unknown = json!(["params.regoin", "secrets.apikey"]);
    let verdict = acme.post(&format!("{GROQ}/validate"), &body).await.ok();
    assert_eq!((&verdict["valid"], &verdict["unknown_fields"]), (&json!(true), &unknown));
    assert_eq!(verdict["ignored_fields"], json!([]));
    let installed = acme.post(&format!("{GROQ}/install"), &body).await.ok();
    assert_eq!((&installed["unknown_fields"], &installed["ignored_fields"]), (&unknown, &json!([])));
    assert_eq!(installed["integration"]["secret_names"], json!(["api_key", "apikey"]));
    assert_eq!(installed["integration"]["params"], json!({"regoin": "eu"}));
    let payload = graphql(&acme, "installIntegration", "groq", &body).await;
    assert_eq!(payload["unknownFields"], unknown);
    assert_eq!(graphql(&acme, "validateInstallation", "groq", &body).await["unknownFields"], unknown);
    // What was stored before and is not supplied again is not reported again.
    let again = acme.post(&format!("{GROQ}/install"), &json!({})).await.ok();
    assert_eq!(again["unknown_fields"], json!([]));
}

#[tokio::test]
async fn known_names_uninstall_and_purge_report_no_names() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let body = json!({"params": {"site": "a", "count": 1}, "secrets": {"api_key": "k", "password": "p"}});
    assert_eq!(acme.post(&format!("{MEETER}/install"), &body).await.ok()["unknown_fields"], json!([]));
    for end in ["uninstall", "purge"] {
        let answer = acme.post(&format!("{MEETER}/{end}"), &json!({"other": 1})).await.ok();
        assert_eq!(answer.as_object().expect("an object").keys().collect::<Vec<_>>(), ["changed", "integration"]);
    }
}

#[tokio::test]
async fn repeated_request_reports_the_same_names() {
    let world = World::start().await;
    let acme = world.account("acme").header("idempotency-key", "once");
    let body = json!({"secrets": {"apikey": "CANARY"}, "secret": {"api_key": "CANARY"}});
    let first = acme.post(&format!("{GROQ}/install"), &body).await.ok();
    assert_eq!((&first["unknown_fields"], &first["ignored_fields"]), (&json!(["secrets.apikey"]), &json!(["secret"])));
    assert_eq!(acme.post(&format!("{GROQ}/install"), &body).await.ok(), first);
}

#[tokio::test]
async fn ignored_members_of_the_body_are_reported() {
    let world = World::with(&[("secrets.read_back", "true"), ("auth.mode", "open"), ("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme");
    let body = json!({"secret": {"api_key": "gsk_CANARY"}, "param": {}, "status": "installed"});
    let ignored = json!(["param", "secret", "status"]);
    assert_eq!(acme.post(&format!("{GROQ}/validate"), &body).await.ok()["ignored_fields"], ignored);
    let installed = acme.post(&format!("{GROQ}/install"), &body).await.ok();
    assert_eq!((&installed["ignored_fields"], &installed["unknown_fields"]), (&ignored, &json!([])));
    assert_eq!(installed["integration"]["secret_names"], json!([]));
    acme.post(&format!("{GROQ}/install"), &json!({"secrets": {"api_key": "gsk_1", "b": 2}})).await.ok();
    let read = acme.post(&format!("{GROQ}/secrets/read"), &json!({"name": ["api_key"]})).await.ok();
    assert_eq!(read["ignored_fields"], json!(["name"]), "all secrets were read");
    let read = acme.post(&format!("{GROQ}/secrets/read"), &json!({"names": ["b"]})).await.ok();
    assert_eq!((&read["ignored_fields"], &read["secrets"]), (&json!([]), &json!({"b": 2})));
    let key = json!({"name": "worker", "scopes": ["catalog:read"], "scope": "admin", "expires": "never"});
    let made = acme.post("/api/v1/api-keys", &key).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    assert_eq!(made.json()["ignored_fields"], json!(["expires", "scope"]));
}

#[tokio::test]
async fn reported_names_are_bounded() {
    let world = World::start().await;
    let acme = world.account("acme");
    let many: Map<String, Value> = (0..2_000).map(|n| (format!("{n:04}"), json!(0))).collect();
    let long: Map<String, Value> = (0..100).map(|n| (format!("{n:02}{}", "\u{e9}".repeat(150)), json!(0))).collect();
    for params in [many, long] {
        let mut body = json!({"params": params});
        for (name, value) in params {
            body[name] = value;
        }
        let answer = acme.post(&format!("{GROQ}/validate"), &body).await.ok();
        for list in ["unknown_fields", "ignored_fields"] {
            let names = answer[list].as_array().expect("a list");
            assert_eq!(names.len(), 100, "{list}");
            assert!(names.iter().all(|name| name.as_str().expect("text").chars().count() <= 136), "{list}");
        }
        let payload = graphql(&acme, "validateInstallation", "groq", &json!({"params": body["params"]})).await;
        assert_eq!(payload["unknownFields"], answer["unknown_fields"]);
    }
}
