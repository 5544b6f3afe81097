//! Each statement of each change fails in turn: what a client asked for is done as a whole, or nothing of it is; and what it
//! asks again with the same key is done once.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::strait::{Cut, Strait};
use crate::support::{Answer, Client, REPLAYED, TestDatabase, World, has_row_level_security, has_server};

const STRIPE: &str = "/api/v1/integrations/stripe";
/// Every table that a change of an account writes.
const TABLES: [&str; 6] =
    ["account_keys", "account_revisions", "installations", "installation_secrets", "audit_events", "idempotency_keys"];

/// A change, from what it finds to what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    FirstInstall,
    InstallAnew,
    Update,
    UpdateAndRemove,
    Uninstall,
    Purge,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::FirstInstall, Self::InstallAnew, Self::Update, Self::UpdateAndRemove, Self::Uninstall, Self::Purge];

    /// Brings the account to where the step begins.
    async fn prepare(self, client: &Client) {
        let installed = json!({"params": {"n": 1}, "secrets": {"api_key": "sk_test_CANARY_1", "kept": "CANARY_2"}});
        match self {
            Self::FirstInstall => {}
            Self::InstallAnew => {
                client.post(&format!("{STRIPE}/install"), &installed).await.ok();
                client.post(&format!("{STRIPE}/uninstall"), &json!({})).await.ok();
            }
            _ => drop(client.post(&format!("{STRIPE}/install"), &installed).await.ok()),
        }
    }

    async fn ask(self, client: &Client) -> Answer {
        let (path, body) = match self {
            Self::FirstInstall | Self::InstallAnew | Self::Update => {
                ("install", json!({"params": {"n": 2}, "secrets": {"api_key": "sk_test_CANARY_3", "more": "CANARY_4"}}))
            }
            Self::UpdateAndRemove => {
                ("install", json!({"params": {"n": 2}, "secrets": {"api_key": "sk_test_CANARY_3", "kept": null}}))
            }
            Self::Uninstall => ("uninstall", json!({})),
            Self::Purge => ("purge", json!({})),
        };
        let client = client.clone().header("idempotency-key", "the-only-one");
        client.post(&format!("{STRIPE}/{path}"), &body).await
    }

    /// The tables that it writes, so that a failure there is one of the step.
    fn writes(self) -> &'static [&'static str] {
        match self {
            Self::FirstInstall => &TABLES,
            Self::InstallAnew | Self::Update | Self::UpdateAndRemove | Self::Purge => &TABLES[1..],
            Self::Uninstall => &["account_revisions", "installations", "audit_events", "idempotency_keys"],
        }
    }
}

/// What the account has, as the database and the opened secrets tell it: but for the times, and for a data key that is
/// there and unused.
async fn held(world: &World, account: &str) -> Value {
    let db = world.connect().await;
    let count = async |table: &str| {
        let sql = format!("SELECT count(*) AS n FROM {table} WHERE account_id = '{account}'");
        let statement = Statement::from_string(db.get_database_backend(), sql);
        db.query_one_raw(statement).await.expect("asked").expect("a row").try_get::<i64>("", "n").expect("a number")
    };
    let events = count("audit_events").await;
    let revisions = count("account_revisions").await;
    let shown = world.account(account).get(STRIPE).await.ok();
    let secrets: BTreeMap<_, _> =
        world.open_secrets_of(account).await.into_iter().map(|((_, name), value)| (name, value)).collect();
    json!({
        "events": events, "revisions": revisions, "secrets": secrets,
        "shown": [shown["status"], shown["params"], shown["secret_names"]],
    })
}

/// How a statement fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It alone, after its rows were written.
    Statement,
    /// The database ends the transaction with it, as SQLite does when its disk is full.
    Transaction,
    /// At the end of the transaction.
    Commit,
}

impl Kind {
    fn all(world: &World) -> [Self; 2] {
        [Self::Statement, if world.database.is_postgres() { Self::Commit } else { Self::Transaction }]
    }

    /// Triggers that have every statement fail that writes this table.
    fn triggers(self, world: &World, table: &str) -> Vec<String> {
        let on_sqlite = |how: &str| {
            ["INSERT", "UPDATE", "DELETE"]
                .map(|what| {
                    format!(
                        "CREATE TRIGGER refuse_{what} AFTER {what} ON {table} \
                         BEGIN SELECT RAISE({how}, 'refused by a test'); END"
                    )
                })
                .to_vec()
        };
        let on_postgres = |constraint: &str, when: &str| {
            vec![
                "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$"
                    .to_owned(),
                format!(
                    "CREATE {constraint} TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON {table} {when} \
                     FOR EACH ROW EXECUTE FUNCTION refuse()"
                ),
            ]
        };
        match self {
            Self::Commit => on_postgres("CONSTRAINT", "DEFERRABLE INITIALLY DEFERRED"),
            Self::Transaction => on_sqlite("ROLLBACK"),
            Self::Statement if world.database.is_postgres() => on_postgres("", ""),
            Self::Statement => on_sqlite("ABORT"),
        }
    }
}

fn allow(world: &World, table: &str) -> Vec<String> {
    if world.database.is_postgres() {
        return vec![format!("DROP TRIGGER refuse ON {table}")];
    }
    ["INSERT", "UPDATE", "DELETE"].map(|what| format!("DROP TRIGGER refuse_{what}")).to_vec()
}

async fn run(world: &World, statements: Vec<String>) {
    for statement in statements {
        world.sql(&statement).await;
    }
}

/// A world whose PostgreSQL lies behind a strait.
async fn behind_strait(settings: &[(&str, &str)]) -> (World, Strait) {
    let server = std::env::var("TEST_DATABASE_URL").expect("a server");
    let address = server.split(['@', '/']).find(|part| part.contains(':') && !part.ends_with(':')).expect("an address");
    let strait = Strait::before(address).await;
    let database = TestDatabase::whole(&server, has_row_level_security()).await;
    let reached = database.by_way_of(&server.replace(address, &strait.address));
    let world = World::builder().set(&[("database.url", &*reached)]).set(settings).on(database).await;
    (world, strait)
}

#[tokio::test]
async fn a_statement_that_fails_is_a_500_and_leaves_everything_as_it_was() {
    let world = World::start().await;
    for step in Step::ALL {
        for table in TABLES {
            for kind in Kind::all(&world) {
                let place = format!("{step:?}, {table}, {kind:?}");
                let account = place.replace(", ", "-").to_lowercase();
                let client = world.account(&account);
                step.prepare(&client).await;
                let before = held(&world, &account).await;
                run(&world, kind.triggers(&world, table)).await;
                let answer = step.ask(&client).await;
                run(&world, allow(&world, table)).await;
                if step.writes().contains(&table) {
                    answer.assert_refused(500, "database_error", "Database error");
                    assert_eq!(held(&world, &account).await, before, "{place}");
                    let again = step.ask(&client).await;
                    assert_eq!((again.status.as_u16(), again.header(REPLAYED)), (200, None), "{place}");
                } else {
                    answer.ok();
                }
                let after = held(&world, &account).await;
                assert_ne!(after, before, "{place}");
                assert_eq!(after["events"].as_i64(), before["events"].as_i64().map(|n| n + 1), "{place}");
                assert_eq!(step.ask(&client).await.header(REPLAYED), Some("true"), "{place}");
                assert_eq!(held(&world, &account).await, after, "{place}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_any_statement_leaves_all_of_a_change_or_nothing() {
    if !has_server() {
        return;
    }
    let (world, strait) = behind_strait(&[("database.max_connections", "4"), ("limits.rate", "false")]).await;
    for step in Step::ALL {
        let (before, after) = undisturbed(&world, step).await;
        for cut in [Cut::Before, Cut::After] {
            let mut nth = 1;
            loop {
                let place = format!("{step:?}, cut {cut:?} statement {nth}");
                let account = place.replace([' ', ','], "-").to_lowercase();
                let client = world.account(&account);
                step.prepare(&client).await;
                strait.cut(nth, cut);
                let answer = step.ask(&client).await;
                let was_cut = strait.was_cut();
                if answer.status != 200 {
                    answer.assert_refused(503, "database_unavailable", "Database unavailable");
                    assert!(answer.header("retry-after").is_some(), "{place}");
                }
                let found = held(&world, &account).await;
                assert!(found == after || (found == before && answer.status != 200), "{place}: {found:#}");
                let again = step.ask(&client).await;
                let (is_done, was_done) = (again.status == 200, again.header(REPLAYED).is_some());
                assert_eq!((is_done, was_done), (true, found == after), "{place}: {}", again.text());
                assert_eq!(held(&world, &account).await, after, "{place}");
                if !was_cut {
                    assert!(nth > 1, "{step:?} asks the database nothing");
                    break;
                }
                nth += 1;
                assert!(nth < 50, "{step:?} never ends");
            }
        }
    }
}

/// What an account has before a step and after it, when nothing fails.
async fn undisturbed(world: &World, step: Step) -> (Value, Value) {
    let account = format!("{step:?}-undisturbed").to_lowercase();
    let client = world.account(&account);
    step.prepare(&client).await;
    let before = held(world, &account).await;
    step.ask(&client).await.ok();
    let after = held(world, &account).await;
    assert_ne!(before, after, "{step:?}");
    (before, after)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_away_within_the_second_and_back_when_it_answers() {
    if !has_server() {
        return;
    }
    let (world, strait) = behind_strait(&[("database.silence_ms", "800")]).await;
    let acme = world.account("acme");
    Step::Update.prepare(&acme).await;
    let slack = std::time::Duration::from_secs(2);
    strait.hold();
    let asked = std::time::Instant::now();
    for step in [Step::Update, Step::UpdateAndRemove, Step::Purge] {
        step.ask(&acme).await.assert_refused(503, "database_unavailable", "Database unavailable");
    }
    assert_eq!(world.nobody().get("/readyz").await.status, 503);
    assert_eq!(world.nobody().get("/healthz").await.status, 200);
    assert!(asked.elapsed() < slack, "all of it took {:?}", asked.elapsed());
    strait.release();
    crate::support::eventually("it is as before", slack, async || acme.get(STRIPE).await.status == 200).await;
    Step::UpdateAndRemove.ask(&acme).await.ok();
    assert_eq!(acme.get(STRIPE).await.ok()["params"], json!({"n": 2}));
}
