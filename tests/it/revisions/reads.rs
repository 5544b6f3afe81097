//! Lists, single integrations and 304s.

use futures_util::future::join_all;
use serde_json::json;

use super::{LIST, STRIPE, install, of_accounts, reads_rows, replicas};
use crate::support::World;

#[tokio::test]
async fn of_an_unchanged_account_the_revision_is_asked_and_on_sqlite_nothing() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, "stripe", json!({"a": 1})).await;
    acme.get(LIST).await.ok();
    let document = "{ integrations(first: 50) { totalCount nodes { name params } } }";
    let is_just_asked = |statements: &[String], what: &str| {
        let most = usize::from(world.database.is_postgres());
        assert_eq!((statements.len(), of_accounts(statements).len()), (most, most), "{what}: {statements:#?}");
        assert!(!statements.iter().any(|statement| reads_rows(&statement.to_lowercase())), "{what}: {statements:#?}");
    };
    for path in [LIST, STRIPE, "/api/v1/integrations?category=payments", "/api/v1/integrations?status=installed"] {
        let (answer, statements) = world.statements_of(acme.get(path)).await;
        answer.ok();
        is_just_asked(&statements, path);
    }
    let (answer, statements) = world.statements_of(acme.graphql(document, json!({}))).await;
    answer.data();
    is_just_asked(&statements, document);
}

#[tokio::test]
async fn a_304_is_decided_before_any_row_is_read_also_for_an_account_that_is_not_in_memory() {
    let (one, two) = replicas().await;
    install(&one.account("acme"), "stripe", json!({"a": 1})).await;
    let tag = one.account("acme").get(LIST).await.header("etag").expect("tag").to_owned();
    // The other replica has never heard of the account.
    let holder = two.account("acme").header("if-none-match", &tag);
    let (answer, statements) = two.statements_of(holder.get(LIST)).await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (304, Some(&*tag)));
    assert_eq!(statements.len(), 1, "{statements:#?}");
    assert!(!reads_rows(&of_accounts(&statements)[0]));
}

#[tokio::test]
async fn what_one_replica_writes_ends_the_answers_of_the_other_at_once() {
    let (one, two) = replicas().await;
    let (here, there) = (one.account("acme"), two.account("acme"));
    for round in 0..5 {
        let (writer, reader) = if round % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let tag = reader.get(LIST).await.header("etag").expect("tag").to_owned();
        let holder = reader.clone().header("if-none-match", &tag);
        assert_eq!(holder.get(LIST).await.status, 304, "round {round}");
        install(writer, "stripe", json!({ "round": round })).await;
        let listed = holder.get(LIST).await.ok();
        let stripe = listed["integrations"].as_array().expect("list").iter().find(|i| i["name"] == "stripe");
        assert_eq!(stripe.expect("stripe")["params"], json!({ "round": round }));
        assert_eq!(reader.get(STRIPE).await.ok()["params"], json!({ "round": round }));
        // Both give the same version the same name.
        assert_eq!(reader.get(LIST).await.header("etag"), writer.get(LIST).await.header("etag"), "round {round}");
    }
}

#[tokio::test]
async fn without_memory_for_accounts_the_answers_are_the_same() {
    let with = World::start().await;
    let without = World::builder().set(&[("database.account_cache_bytes", "0")]).beside(&with).await;
    let (a, b) = (with.account("acme"), without.account("acme"));
    for (at, name) in ["stripe", "slack", "github"].into_iter().enumerate() {
        install(if at % 2 == 0 { &a } else { &b }, name, json!({ "at": at })).await;
        for path in
            [LIST, STRIPE, "/api/v1/integrations?status=installed&include=schemas", "/api/v1/integrations?limit=7"]
        {
            let (one, two) = (a.get(path).await, b.get(path).await);
            assert_eq!((one.header("etag"), one.ok()), (two.header("etag"), two.ok()), "{path}");
        }
    }
    let (_, statements) = without.statements_of(b.get(LIST)).await;
    assert_eq!((statements.len(), reads_rows(&of_accounts(&statements)[0])), (1, true), "one statement all the same");
}

// On one thread all of them wait before the first is asked.
#[tokio::test]
async fn questions_at_once_share_statements_and_each_account_gets_its_own_answer() {
    let world = World::start().await;
    let clients: Vec<_> = (0..40).map(|n| world.account(&format!("account-{n}"))).collect();
    for (n, client) in clients.iter().enumerate() {
        install(client, "stripe", json!({ "n": n })).await;
    }
    let all = join_all(clients.iter().map(|client| client.get(STRIPE)));
    let (answers, statements) = world.statements_of(all).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.ok()["params"], json!({ "n": n }));
    }
    // Behind row-level security a statement is for one account.
    let most = if world.database.is_walled() { clients.len() } else { 3 };
    assert!(statements.len() <= most, "{} statements for {}", statements.len(), clients.len());
}

#[tokio::test]
async fn a_request_sees_its_own_write_and_a_failed_question_fails_that_request_alone() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, "stripe", json!({"a": 1})).await;
    let db = world.connect().await;
    use sea_orm::ConnectionTrait;
    db.execute_unprepared("ALTER TABLE account_revisions RENAME TO hidden_away").await.expect("renamed");
    for path in [LIST, STRIPE] {
        acme.get(path).await.assert_refused(500, "database_error", "Database error");
    }
    let tagged = acme.clone().header("if-none-match", "W/\"x\"");
    tagged.get(LIST).await.assert_refused(500, "database_error", "Database error");
    acme.post(&format!("{STRIPE}/install"), &json!({"params": {"a": 2}})).await.assert_refused(
        500,
        "database_error",
        "Database error",
    );
    db.execute_unprepared("ALTER TABLE hidden_away RENAME TO account_revisions").await.expect("renamed");
    assert_eq!(acme.get(STRIPE).await.ok()["params"], json!({"a": 1}));
    install(&acme, "stripe", json!({"a": 3})).await;
    assert_eq!(acme.get(STRIPE).await.ok()["params"], json!({"a": 3}));
}
