//! A value that an entry places in a header has no control character.

use serde_json::json;

use super::{MEETER, graphql, metered};
use crate::support::World;

#[tokio::test]
async fn value_that_no_header_carries_is_refused_without_echo() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let cases = [
        ("secrets", "api_key", "sk_CANARY\n", "Authorization"),
        ("secrets", "api_key", "sk_CANARY\r\nX-Admin: 1", "Authorization"),
        ("secrets", "password", "\u{1}CANARY", "Authorization"),
        ("params", "user", "CANARY\u{7f}", "Authorization"),
        ("params", "site", "CANARY\u{1b}[2J", "X-Site"),
    ];
    for (part, name, value, header) in cases {
        let body = json!({part: {name: value}});
        let rule =
            format!("must not contain a line break or another control character: the header {header} carries it");
        let answer = acme.post(&format!("{MEETER}/install"), &body).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (422, &*format!("{part}_invalid")), "{value:?}");
        assert_eq!(answer.json()["errors"], json!([{"pointer": format!("/{part}/{name}"), "detail": rule}]));
        assert!(!answer.text().contains("CANARY"), "{}", answer.text());
        let verdict = acme.post(&format!("{MEETER}/validate"), &body).await.ok();
        assert_eq!((&verdict["valid"], &verdict["errors"]), (&json!(false), &answer.json()["errors"]));
        let payload = graphql(&acme, "installIntegration", "acme_meter", &body).await;
        assert_eq!(payload["userErrors"][0]["message"], json!(rule));
        assert!(!payload["userErrors"].to_string().contains("CANARY"));
    }
    assert_eq!(acme.get(MEETER).await.ok()["status"], "available", "nothing was stored");
}

#[tokio::test]
async fn values_elsewhere_and_of_unknown_names_keep_their_line_breaks() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let body = json!({"params": {"note": "a\nb", "site": "a\tb"}, "secrets": {"in_body": "a\nb", "other": "a\nb"}});
    let installed = acme.post(&format!("{MEETER}/install"), &body).await.ok();
    assert_eq!(installed["integration"]["secret_names"], json!(["in_body", "other"]));
}
