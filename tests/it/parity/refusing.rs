//! Refusals: the same reason in the same words.

use serde_json::json;

use super::{Filter, Page, Question, asking, refused};
use crate::support::World;

#[tokio::test]
async fn a_missing_or_malformed_account_is_refused_in_the_same_words() {
    let world = World::start().await;
    for (client, code, message) in [
        (world.nobody(), "ACCOUNT_REQUIRED", "Missing X-Account-ID header"),
        (world.account("Not An Account"), "ACCOUNT_INVALID", "Invalid X-Account-ID header"),
        (world.account("acme").header("x-account-id", "acme"), "ACCOUNT_INVALID", "Invalid X-Account-ID header"),
    ] {
        let rest = client.get("/api/v1/integrations/stripe").await;
        rest.assert_refused(400, &code.to_lowercase(), message);
        let graphql = client.graphql("{ integration(by: {name: \"stripe\"}) { name } }", json!({})).await;
        assert_eq!(graphql.graphql_code(), code);
        assert_eq!(graphql.json()["errors"][0]["message"], message);
    }
}

#[tokio::test]
async fn bad_pages_are_refused_everywhere() {
    let world = World::start().await;
    let page = |limit: i64, cursor: Option<&str>| {
        Question::List(Filter::default(), Page { limit: Some(limit), cursor: cursor.map(str::to_owned) })
    };
    for question in [page(0, None), page(201, None), page(-1, None), page(5, Some("")), page(5, Some("bm9ib2R5"))] {
        for answer in [asking::rest(&world, "acme", &question).await, asking::graphql(&world, "acme", &question).await]
        {
            assert_eq!(answer["refused"], "bad_user_input", "{question:?}: {answer}");
        }
    }
    // Filters are part of the list that a cursor belongs to.
    let first = asking::rest(&world, "acme", &page(5, None)).await;
    let cursor = first["next_cursor"].as_str().expect("more").to_owned();
    let filter = Filter { status: Some("available"), ..Filter::default() };
    let other = Question::List(filter, Page { limit: Some(5), cursor: Some(cursor) });
    let answers = [
        asking::rest(&world, "acme", &other).await,
        asking::graphql(&world, "acme", &other).await,
        asking::service(&world, "acme", &other).await,
    ];
    assert_eq!(answers[0]["refused"], "bad_user_input");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn without_keys_a_secret_is_refused_in_the_same_words_and_everything_else_works() {
    let world = World::builder().without_keys().start().await;
    let secret = Question::Install("stripe", Some(json!({"a": 1})), Some(json!({"api_key": "sk_CANARY"})));
    let expected = refused("secrets_unavailable", "Secret encryption service unavailable");
    assert_eq!(asking::rest(&world, "acme", &secret).await, expected);
    assert_eq!(asking::graphql(&world, "acme", &secret).await, expected);
    assert_eq!(asking::service(&world, "acme", &secret).await, expected);
    for question in [
        Question::Install("stripe", Some(json!({"a": 1})), None),
        Question::Install("stripe", None, Some(json!({"api_key": null}))),
        Question::Uninstall("stripe"),
        Question::List(Filter::default(), Page::default()),
    ] {
        let answers = [
            asking::rest(&world, "acme", &question).await,
            asking::graphql(&world, "acme", &question).await,
            asking::service(&world, "acme", &question).await,
        ];
        assert!(answers.iter().all(|answer| answer.get("refused").is_none()), "{question:?}: {answers:?}");
    }
}

#[tokio::test]
async fn values_too_large_or_too_deep_are_refused_alike() {
    let world = World::start().await;
    let mut deep = json!(1);
    for _ in 0..64 {
        deep = json!([deep]);
    }
    for question in [
        Question::Install("stripe", Some(json!({"deep": deep})), None),
        Question::Install("stripe", None, Some(json!({"deep": deep}))),
        Question::Install("stripe", Some(json!({"nul": "a\0b"})), None),
        Question::Install("stripe", Some(json!({"large": "x".repeat(70_000)})), None),
        Question::Install("stripe", None, Some(json!({"large": "x".repeat(70_000)}))),
        Question::Install("stripe", None, Some((0..65).map(|i| (format!("s{i}"), json!(i))).collect())),
    ] {
        let rest = asking::rest(&world, "acme", &question).await;
        let shown = &format!("{question:?}")[..60];
        assert!(rest.get("refused").or(rest.get("problems")).is_some(), "{shown}: {rest}");
        assert_eq!(rest, asking::graphql(&world, "acme", &question).await, "{shown}");
        assert_eq!(rest, asking::service(&world, "acme", &question).await, "{shown}");
    }
    assert_eq!(world.secrets_of("acme").await, vec![]);
}
