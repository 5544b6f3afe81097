//! The one writer of an SQLite file commits many changes together, and each stands for itself.

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::{World, skip};

const INSTALL: &str = "/api/v1/integrations/stripe/install";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installs_of_many_accounts_at_once_share_commits_and_all_are_there() {
    const ACCOUNTS: usize = 48;
    let world = World::with(&[("database.sqlite_synchronous", "full")]).await;
    if world.database.is_postgres() {
        skip("PostgreSQL groups its own commits");
        return;
    }
    let clients: Vec<_> = (0..ACCOUNTS).map(|n| world.account(&format!("account-{n}"))).collect();
    let body = |n: usize| json!({"params": {"n": n}, "secrets": {"api_key": format!("sk_CANARY_{n}")}});
    // With their first secret accounts get a key each, outside of the writer.
    join_all(clients.iter().enumerate().map(|(n, client)| async move { client.post(INSTALL, &body(n)).await.ok() }))
        .await;
    let all =
        join_all(clients.iter().enumerate().map(|(n, client)| async move { client.post(INSTALL, &body(n)).await }));
    let (answers, statements) = world.statements_of(all).await;
    answers.iter().for_each(|answer| assert_eq!(answer.ok()["changed"], true));
    let commits = statements.iter().filter(|sql| sql.starts_with("INSERT INTO \"installations\"")).count();
    assert!((1..ACCOUNTS / 2).contains(&commits), "{commits} commits for {ACCOUNTS} installs");
    for (n, client) in clients.iter().enumerate() {
        assert_eq!(client.get("/api/v1/integrations/stripe").await.ok()["params"], json!({ "n": n }));
        assert_eq!(world.open_secrets_of(&format!("account-{n}")).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_the_database_refuses_fails_alone_and_not_those_beside_it() {
    let world = World::start().await;
    if world.database.is_postgres() {
        skip("PostgreSQL groups its own commits");
        return;
    }
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON installations WHEN NEW.account_id LIKE 'bad-%' \
                  BEGIN SELECT RAISE(ABORT, 'refused by a test'); END";
    world.connect().await.execute_unprepared(refuse).await.expect("trigger");
    let name = |n: usize| if n % 8 == 3 { format!("bad-{n}") } else { format!("good-{n}") };
    let clients: Vec<_> = (0..48).map(|n| (n, world.account(&name(n)))).collect();
    let answers = join_all(
        clients.iter().map(|(n, client)| async move { client.post(INSTALL, &json!({"params": {"n": n}})).await }),
    )
    .await;
    for ((n, client), answer) in clients.iter().zip(answers) {
        if n % 8 == 3 {
            answer.assert_refused(500, "database_error", "Database error");
            assert_eq!(client.get("/api/v1/integrations/stripe").await.ok()["params"], json!({}));
        } else {
            assert_eq!(answer.ok()["integration"]["params"], json!({ "n": n }));
            assert_eq!(client.get("/api/v1/integrations/stripe").await.ok()["params"], json!({ "n": n }));
        }
    }
}
