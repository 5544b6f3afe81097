//! A blank text leaves a required field unset.

use serde_json::json;

use super::{GROQ, MEETER, graphql, metered};
use crate::support::World;

const BLANKS: [&str; 3] = ["", "   ", "\t\u{a0}\u{3000}"];
const RULE: &str = "must not be blank: leave it out, or send null to remove the stored value";

#[tokio::test]
async fn blank_required_secret_is_refused_and_never_sealed() {
    let world = World::start().await;
    let acme = world.account("acme").header("accept", super::PROBLEM);
    for blank in BLANKS {
        let body = json!({"secrets": {"api_key": blank}});
        let answer = acme.post(&format!("{GROQ}/install"), &body).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (422, "secrets_invalid"), "{blank:?}");
        assert_eq!(answer.json()["errors"], json!([{"pointer": "/secrets/api_key", "detail": RULE}]));
        let verdict = acme.post(&format!("{GROQ}/validate"), &body).await.ok();
        assert_eq!((&verdict["valid"], &verdict["missing_fields"]), (&json!(false), &json!(["secrets.api_key"])));
        let payload = graphql(&acme, "installIntegration", "groq", &body).await;
        assert_eq!(payload["userErrors"][0]["pointer"], "/secrets/api_key");
        assert_eq!(payload["userErrors"][0]["code"], "SECRETS_INVALID");
        let verdict = graphql(&acme, "validateInstallation", "groq", &body).await;
        assert_eq!((&verdict["valid"], &verdict["missingFields"]), (&json!(false), &json!(["secrets.api_key"])));
    }
    assert!(world.secrets_of("acme").await.is_empty());
    assert_eq!(acme.get(GROQ).await.ok()["missing_fields"], json!(["secrets.api_key"]));
    // A stored value survives the refusal, and a null removes it.
    acme.post(&format!("{GROQ}/install"), &json!({"secrets": {"api_key": "gsk_CANARY"}})).await.ok();
    assert_eq!(acme.post(&format!("{GROQ}/install"), &json!({"secrets": {"api_key": " "}})).await.status, 422);
    assert_eq!(acme.get(GROQ).await.ok()["missing_fields"], json!([]));
    let removed = acme.post(&format!("{GROQ}/install"), &json!({"secrets": {"api_key": null}})).await.ok();
    assert_eq!(removed["integration"]["missing_fields"], json!(["secrets.api_key"]));
}

#[tokio::test]
async fn blank_required_param_is_stored_and_reported_as_missing() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    for blank in BLANKS {
        // "" is one of the choices of level: it is chosen.
        let body =
            json!({"params": {"site": blank, "user": blank, "level": ""}, "secrets": {"api_key": "k", "password": ""}});
        let missing = json!(["params.site"]);
        assert_eq!(acme.post(&format!("{MEETER}/validate"), &body).await.ok()["missing_fields"], missing);
        let installed = acme.post(&format!("{MEETER}/install"), &body).await.ok();
        assert_eq!(installed["integration"]["missing_fields"], missing, "{blank:?}");
        assert_eq!(installed["integration"]["params"], body["params"]);
        assert_eq!(
            installed["integration"]["secret_names"],
            json!(["api_key", "password"]),
            "optional ones may be blank"
        );
        assert_eq!(acme.get(MEETER).await.ok()["missing_fields"], missing);
        let payload = graphql(&acme, "installIntegration", "acme_meter", &body).await;
        assert_eq!(payload["integration"]["missingFields"], missing);
        let verdict = graphql(&acme, "validateInstallation", "acme_meter", &body).await;
        assert_eq!((&verdict["valid"], &verdict["missingFields"]), (&json!(true), &missing));
    }
}

#[tokio::test]
async fn schema_of_required_text_refuses_blanks() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let entry = acme.get(MEETER).await.ok();
    let site = &entry["params_schema"]["properties"]["site"];
    assert_eq!((&site["minLength"], &site["pattern"]), (&json!(1), &json!("\\S")));
    let key = &entry["secrets_schema"]["properties"]["api_key"];
    assert_eq!((&key["minLength"], &key["pattern"]), (&json!(1), &json!("\\S")));
    for optional in [&entry["params_schema"]["properties"]["user"], &entry["params_schema"]["properties"]["level"]] {
        assert_eq!((optional.get("minLength"), optional.get("pattern")), (None, None), "{optional}");
    }
    let fields = entry["fields"].as_array().expect("a list");
    let site = fields.iter().find(|field| field["name"] == "site").expect("site");
    assert_eq!(site["pattern"], json!(null), "the form shows the entry's own pattern alone");
}
