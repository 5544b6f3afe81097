//! Each code that a top-level error can have.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use super::{INSTALL, acme, assert_field_failed, assert_refused, errors, install};
use crate::support::{Answer, World, eventually};

#[tokio::test]
async fn the_shape_of_errors() {
    let (world, acme) = acme().await;
    let mut shapes = Vec::new();
    for answer in [
        world.nobody().graphql("{ integrations { totalCount } }", json!({})).await,
        world.account("No Such").graphql("{ __typename }", json!({})).await,
        acme.graphql("{ integrations(first: 201) { totalCount } }", json!({})).await,
        acme.graphql("{ integrations(first: \"1\") { totalCount } }", json!({})).await,
        acme.graphql("{ integrations(status: GONE) { totalCount } }", json!({})).await,
        acme.graphql("{ integration(by: {}) { id } }", json!({})).await,
        acme.graphql("{ integration(by: {nickname: \"x\"}) { id } }", json!({})).await,
        acme.graphql("query($id: ID!) { node(id: $id) { id } }", json!({})).await,
        acme.graphql("{ integration(by: {name: \"stripe\"}) {", json!({})).await,
        acme.graphql("{ integration(by: {name: \"stripe\"}) { nam } }", json!({})).await,
        acme.graphql("{ integrations(frist: 1) { nodes } }", json!({})).await,
        acme.graphql("query A { __typename } query B { __typename }", json!({})).await,
        acme.graphql(&"{ a ".repeat(201), json!({})).await,
        acme.graphql(
            &format!("{{ {} }}", (0..31).map(|i| format!("a{i}: __typename ")).collect::<String>()),
            json!({}),
        )
        .await,
    ] {
        errors(&answer);
        let mut shape = answer.json();
        for error in shape["errors"].as_array_mut().expect("errors") {
            error["extensions"]["requestId"] = json!("[id]");
        }
        shapes.push(shape);
    }
    insta::assert_json_snapshot!(shapes);
}

#[tokio::test]
async fn secrets_that_cannot_be_sealed_are_refused_and_nothing_is_stored() {
    let world = World::builder().without_keys().start().await;
    let acme = world.account("acme");
    let input = json!({"input": {"integration": {"name": "stripe"}, "params": {"a": 1}, "secrets": {"api_key": "sk_test_CANARY_1"}}});
    let answer = acme.graphql(INSTALL, input).await;
    assert_field_failed(&answer, "installIntegration", "SECRETS_UNAVAILABLE");
    let error = &answer.json()["errors"][0];
    assert_eq!(error["message"], "Secret encryption service unavailable");
    assert!(error["extensions"]["retryAfter"].as_u64() > Some(0), "{error}");
    assert_eq!(answer.json()["data"], json!({"installIntegration": null}));
    super::assert_quotes_nothing(&answer);
    let query = "{ integration(by: {name: \"stripe\"}) { status params secretNames } }";
    let nothing = json!({"status": "AVAILABLE", "params": {}, "secretNames": []});
    assert_eq!(acme.graphql(query, json!({})).await.data()["integration"], nothing);
    let without = install(&acme, "stripe", json!({"params": {"a": 1}, "secrets": {"api_key": null}})).await;
    assert_eq!(without["integration"]["status"], "INSTALLED", "no key is needed where nothing is sealed");
}

#[tokio::test]
async fn a_failing_database_is_told_without_its_words() {
    let (world, acme) = acme().await;
    let database = world.connect().await;
    database.execute_unprepared("ALTER TABLE installations RENAME TO elsewhere").await.expect("renamed");
    for (field, answer) in [
        ("integrations", acme.graphql("{ integrations { totalCount } }", json!({})).await),
        ("integration", acme.graphql("{ integration(by: {name: \"stripe\"}) { id } }", json!({})).await),
        ("installIntegration", acme.graphql(INSTALL, json!({"input": {"integration": {"name": "stripe"}}})).await),
    ] {
        assert_field_failed(&answer, field, "DATABASE_ERROR");
        let errors = errors(&answer);
        assert_eq!((errors.len(), &errors[0]["message"]), (1, &json!("Database error")));
        assert_eq!(errors[0]["extensions"].as_object().expect("an object").len(), 2, "{}", errors[0]);
    }
    let both = acme
        .graphql("{ a: integration(by: {name: \"stripe\"}) { id } b: nativeTools { totalCount } }", json!({}))
        .await;
    assert_eq!(both.json()["data"], json!({"a": null, "b": {"totalCount": 0}}), "the rest is answered");
}

#[tokio::test]
async fn a_database_that_is_away_is_told_with_when_to_come_back() {
    let (world, acme) = acme().await;
    world.app.store().close().await;
    let answer = acme.graphql("{ integrations { totalCount } }", json!({})).await;
    assert_field_failed(&answer, "integrations", "DATABASE_ERROR");
    assert!(answer.json()["errors"][0]["extensions"]["retryAfter"].as_u64() > Some(0), "{}", answer.text());
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let world = World::with(&[("server.request_timeout_ms", "150")]).await;
    let database = world.connect().await;
    let lock = if world.database.is_postgres() {
        let lock = database.begin().await.expect("begun");
        lock.execute_unprepared("LOCK TABLE account_revisions IN ACCESS EXCLUSIVE MODE").await.expect("locked");
        lock
    } else {
        let lock = database.begin().await.expect("begun");
        lock.execute_unprepared("UPDATE integrations SET name = name").await.expect("locked");
        lock
    };
    let answer = world.account("acme").graphql(INSTALL, json!({"input": {"integration": {"name": "stripe"}}})).await;
    assert_refused(&answer, 504, "TIMEOUT");
    lock.rollback().await.expect("released");
}

#[tokio::test]
async fn a_server_with_too_much_to_do_says_so() {
    let world = World::with(&[("server.max_unfinished_bodies", "1")]).await;
    let acme = world.account("acme").header("content-type", "application/json");
    let endless = stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let slow = acme.clone();
    let slow = tokio::spawn(async move { slow.send(Method::POST, "/graphql", Body::from_stream(endless)).await });
    let mut refused: Option<Answer> = None;
    eventually("the only place is taken", Duration::from_secs(5), async || {
        let answer = acme.send(Method::POST, "/graphql", Body::from("{\"query\": \"{ __typename }\"}")).await;
        let is_refused = answer.status == 503;
        refused = Some(answer);
        is_refused
    })
    .await;
    let refused = refused.expect("an answer");
    assert_refused(&refused, 503, "RATE_LIMITED");
    assert!(refused.header("retry-after").is_some());
    assert!(refused.json()["errors"][0]["extensions"]["retryAfter"].as_u64() > Some(0));
    slow.abort();
}

#[tokio::test]
async fn user_errors_are_not_top_level_errors() {
    let (_world, acme) = acme().await;
    let payload = install(&acme, "nobody", json!({})).await;
    assert_ne!(payload["userErrors"], json!([]));
    let data = acme.graphql("{ integration(by: {name: \"nobody\"}) { id } }", json!({})).await.data();
    assert_eq!(data["integration"], Value::Null);
}
