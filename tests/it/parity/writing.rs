//! Questions that change something: one account per way, with the same history.

use serde_json::json;

use super::{Filter, Page, Question, asking, moments};
use crate::support::World;

fn history() -> Vec<Question> {
    use Question::{Install, List, Show, Uninstall};
    vec![
        Uninstall("stripe"),
        Install("stripe", None, None),
        Install("stripe", None, None),
        Install("stripe", Some(json!({})), None),
        Install("stripe", None, Some(json!({}))),
        Install("stripe", Some(json!({"api_version": "2025-09-30.clover", "own": [1, {"a": null}]})), None),
        Install(
            "c5c44806-6981-5408-a812-edbd36c0eef2",
            None,
            Some(json!({"api_key": "sk_CANARY", "b": 1, "a": [true]})),
        ),
        Show("stripe"),
        Install("stripe", None, Some(json!({"b": null, "never_there": null}))),
        Install("stripe", Some(json!({"api_version": 7})), Some(json!({"api_key": "CANARY_wrong_form"}))),
        Install("stripe", Some(json!({"api_version": "x"})), Some(json!({"c": 1}))),
        Install("stripe", None, Some(json!({"not a name": "CANARY"}))),
        Install("stripe", None, Some(json!({"api_key": 5, "webhook_secret": "CANARY"}))),
        Show("stripe"),
        Uninstall("C5C44806-6981-5408-A812-EDBD36C0EEF2"),
        Uninstall("stripe"),
        Show("stripe"),
        Install("stripe", None, None),
        Install("nobody_has_this", Some(json!({"a": 1})), Some(json!({"b": "CANARY"}))),
        Install("STRIPE", None, None),
        Uninstall("nobody_has_this"),
        Uninstall("00000000-0000-4000-8000-000000000000"),
        Install("slack", None, Some(json!({"bot_token": "xoxb-CANARY"}))),
        Install("shopify", Some(json!({"shop_domain": "a.myshopify.com"})), None),
        Install("postgres", Some(json!({"port": "5432"})), None),
        List(Filter { status: Some("installed"), ..Filter::default() }, Page::default()),
        List(Filter::default(), Page::default()),
    ]
}

#[tokio::test]
async fn the_same_history_ends_in_the_same_state_whichever_way_it_was_told() {
    let world = World::start().await;
    for question in history() {
        let rest = moments(asking::rest(&world, "via-rest", &question).await, false);
        let graphql = moments(asking::graphql(&world, "via-graphql", &question).await, false);
        let service = moments(asking::service(&world, "via-service", &question).await, false);
        assert_eq!(rest, graphql, "{question:?}");
        assert_eq!(rest, service, "{question:?}");
    }
    let sealed = world.open_secrets_of("via-rest").await;
    assert_eq!(sealed, world.open_secrets_of("via-graphql").await);
    assert_eq!(sealed, world.open_secrets_of("via-service").await);
    assert_eq!(sealed.len(), 3, "api_key and a of stripe, bot_token of slack");
}
