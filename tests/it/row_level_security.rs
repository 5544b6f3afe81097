//! The second wall: PostgreSQL itself keeps accounts apart when a statement of ours does not.
//!
//! These look at it as Patchbay's own role. With `TEST_ROW_LEVEL_SECURITY=1` the whole suite runs behind it.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, Statement,
    TransactionTrait,
};
use serde_json::json;

use crate::support::{Process, TENANT, TestDatabase, World, has_server, skip};

const STRIPE: &str = "/api/v1/integrations/stripe";

/// A walled world where two accounts have something in every tenant table.
async fn walled() -> World {
    let server = std::env::var("TEST_DATABASE_URL").expect("asked before");
    let world = World::builder().on(TestDatabase::schema(&server, true).await).await;
    furnish(&world).await;
    world
}

async fn furnish(world: &World) {
    for account in ["acme", "globex"] {
        let body = json!({"params": {"whose": account}, "secrets": {"api_key": format!("sk_test_CANARY_{account}")}});
        let first = world.account(account).header("idempotency-key", "first");
        first.post(&format!("{STRIPE}/install"), &body).await.ok();
        let own = json!({"name": "own", "display_name": "Own", "description": "Own.", "category": "ai",
                         "auth": [{"kind": "none"}]});
        assert_eq!(world.account(account).post("/api/v1/integrations", &own).await.status.as_u16(), 201);
    }
}

/// One connection of Patchbay's own role.
async fn plain(url: String) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_postgres_opts(|postgres| postgres.statement_cache_capacity(0).extra_float_digits(None));
    Database::connect(options).await.expect("connected")
}

/// A transaction for the rows of this account.
async fn of(db: &DatabaseConnection, whose: &str) -> DatabaseTransaction {
    let transaction = db.begin().await.expect("begun");
    let set = format!("SELECT set_config('app.account_id', '{whose}', true)");
    transaction.execute_unprepared(&set).await.expect("set");
    transaction
}

/// Whose rows a statement sees that forgot its account.
async fn seen(db: &impl ConnectionTrait, table: &str) -> Result<BTreeSet<String>, DbErr> {
    let all = Statement::from_string(db.get_database_backend(), format!("SELECT account_id FROM {table}"));
    db.query_all_raw(all).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

async fn texts(world: &World, sql: &str) -> BTreeSet<String> {
    let db = world.connect().await;
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect(sql);
    rows.iter().map(|row| row.try_get_by_index(0).expect("text")).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_statement_that_forgot_its_account_meets_no_row_of_another() {
    if !has_server() {
        return;
    }
    let world = walled().await;
    let db = plain(world.database.url()).await;
    for table in TENANT {
        assert_eq!(seen(&world.connect().await, table).await.expect("seen"), set(&["acme", "globex"]), "{table}");
        for account in ["acme", "globex"] {
            let t = of(&db, account).await;
            assert_eq!(seen(&t, table).await.expect("seen"), set(&[account]), "{table}");
        }
        let t = of(&db, "nobody").await;
        assert_eq!(seen(&t, table).await.expect("seen"), set(&[]), "{table}");
        for change in ["UPDATE {} SET account_id = account_id", "DELETE FROM {}"] {
            let changed = t.execute_unprepared(&change.replace("{}", table)).await.expect("changed");
            assert_eq!(changed.rows_affected(), 0, "{change} {table}");
        }
    }
}

#[tokio::test]
async fn a_row_of_another_account_cannot_be_written() {
    if !has_server() {
        return;
    }
    let world = walled().await;
    let db = plain(world.database.url()).await;
    for table in TENANT {
        let given_away = format!("UPDATE {table} SET account_id = 'globex2'");
        let copied = format!(
            "INSERT INTO {table} SELECT (jsonb_populate_record({table}, '{{\"account_id\": \"globex2\"}}')).* FROM {table}"
        );
        for statement in [given_away, copied] {
            let t = of(&db, "acme").await;
            let refused = t.execute_unprepared(&statement).await.expect_err(&statement).to_string();
            assert!(refused.contains("violates row-level security policy"), "{statement}: {refused}");
        }
    }
}

#[tokio::test]
async fn who_says_no_account_is_refused_at_first_and_sees_nothing_later() {
    if !has_server() {
        return;
    }
    let world = walled().await;
    for table in TENANT {
        let db = plain(world.database.url()).await;
        let refused = seen(&db, table).await.expect_err(table).to_string();
        assert!(refused.contains("unrecognized configuration parameter"), "{table}: {refused}");
        let t = of(&db, "acme").await;
        assert_eq!(seen(&t, table).await.expect("seen"), set(&["acme"]), "{table}");
        t.commit().await.expect("committed");
        // The same connection, after the transaction.
        assert_eq!(seen(&db, table).await.expect("seen"), set(&[]), "{table}");
    }
}

#[tokio::test]
async fn who_goes_from_account_to_account_reads_accounts_their_keys_their_log_and_their_repeats_and_nothing_else() {
    if !has_server() {
        return;
    }
    let world = walled().await;
    let db = plain(world.database.url()).await;
    let t = of(&db, "*walk").await;
    for table in TENANT {
        let is_walked = ["account_keys", "account_revisions", "audit_events", "idempotency_keys"].contains(&table);
        let expected = if is_walked { set(&["acme", "globex"]) } else { set(&[]) };
        assert_eq!(seen(&t, table).await.expect("seen"), expected, "{table}");
        let erased = t.execute_unprepared(&format!("DELETE FROM {table}")).await.expect("nothing to do");
        assert_eq!(erased.rows_affected(), 0, "{table}");
    }
}

/// Tables with an account of their own and without the wall.
const UNWALLED: &str = "
    SELECT t.relname::text FROM pg_class t
    JOIN pg_attribute owner ON owner.attrelid = t.oid AND owner.attname = 'account_id'
    WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p')
      AND NOT (t.relrowsecurity AND t.relforcerowsecurity AND EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = 'patchbay_account'))";

#[tokio::test]
async fn every_tenant_table_is_walled_as_long_as_the_setting_says_so_and_one_without_is_found() {
    if !has_server() {
        return;
    }
    let world = walled().await;
    let with = async |setting: &str| {
        World::builder().set(&[("database.row_level_security", setting)]).beside(&world).await;
    };
    assert_eq!(texts(&world, UNWALLED).await, set(&[]));
    // Half of it gone is as good as all of it.
    for broken in ["DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY"] {
        world.sql(&format!("ALTER TABLE installations {broken}")).await;
        with("true").await;
        assert_eq!(texts(&world, UNWALLED).await, set(&[]), "{broken}");
    }
    world.sql("DROP POLICY patchbay_account ON account_keys").await;
    world.sql("CREATE POLICY patchbay_of_another_version ON audit_events USING (true)").await;
    with("true").await;
    assert_eq!(texts(&world, UNWALLED).await, set(&[]));
    let policies = "SELECT p.polname::text FROM pg_policy p JOIN pg_class t ON t.oid = p.polrelid
        WHERE t.relnamespace = current_schema()::regnamespace";
    assert_eq!(texts(&world, policies).await, set(&["patchbay_account", "patchbay_migration", "patchbay_walk"]));
    world.sql("CREATE TABLE newcomers (account_id text PRIMARY KEY)").await;
    assert_eq!(texts(&world, UNWALLED).await, set(&["newcomers"]));
    with("false").await;
    assert_eq!(texts(&world, UNWALLED).await, set(&[&TENANT[..], &["newcomers"]].concat()));
    assert_eq!(texts(&world, policies).await, set(&[]));
    // Who still says whose rows it wants is served all the same.
    assert_eq!(world.account("acme").get(STRIPE).await.ok()["params"]["whose"], "acme");
}

/// The role that owns the tables both serves and migrates here, and the policies are for the owner, too.
#[tokio::test]
async fn a_step_of_the_schema_changes_the_rows_of_every_account_behind_the_wall() {
    if !has_server() {
        return;
    }
    let world = walled().await;
    for statement in [
        // Whatever records a step changes rows as that step could.
        "CREATE FUNCTION rewrite() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN UPDATE account_revisions SET revision = 7; RETURN NEW; END'",
        "CREATE TRIGGER rewrites AFTER INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION rewrite()",
        // A step that is to be taken again.
        "CREATE INDEX installations_account_revision ON installations (account_id, revision)",
        "DELETE FROM schema_migrations WHERE version LIKE '%writes'",
    ] {
        world.sql(statement).await;
    }
    World::builder().beside(&world).await;
    assert_eq!(texts(&world, "SELECT account_id || ' ' || revision FROM account_revisions").await, {
        set(&["acme 7", "globex 7"])
    });
}

#[tokio::test]
async fn the_role_that_serves_need_not_own_the_tables() {
    if !has_server() {
        return;
    }
    let server = std::env::var("TEST_DATABASE_URL").expect("asked before");
    let database = TestDatabase::schema(&server, true).await;
    let (url, owner) = (database.url(), database.admin_url());
    let granted =
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO patchbay_app";
    let (_, schema) = owner.rsplit_once("%3D").expect("a search path");
    let admin = Database::connect(&owner).await.expect("connected");
    admin.execute_unprepared(&granted.replace("{}", schema)).await.expect("granted");
    let world = World::builder().set(&[("database.migration_url", &owner)]).on(database).await;
    furnish(&world).await;
    assert_eq!(texts(&world, UNWALLED).await, set(&[]));
    for account in ["acme", "globex"] {
        assert_eq!(world.account(account).get(STRIPE).await.ok()["params"]["whose"], account);
    }
    let off = ["migrate", "--database-url", &url, "--set", "database.row_level_security=false"];
    let refused = Process::run(&off);
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && complaint.contains("name that role in database.migration_url"), "{complaint}");
    assert_eq!(texts(&world, UNWALLED).await, set(&[]));
    let owner = [("PATCHBAY_DATABASE__MIGRATION_URL", &*owner)];
    assert!(Process::run_with(&off, &owner).status.success());
    assert_eq!(texts(&world, UNWALLED).await, set(&TENANT));
}

#[test]
fn where_it_would_do_nothing_the_start_is_refused_with_a_way_out() {
    let refused = |arguments: &[&str]| {
        let setting = ["--listen", "127.0.0.1:0", "--set", "database.row_level_security=true"];
        let output = Process::run(&[&setting, arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let folder = tempfile::tempdir().expect("folder");
    let complaint = refused(&["--data-dir", &folder.path().display().to_string()]);
    assert!(complaint.contains("SQLite has none: turn it off"), "{complaint}");
    if has_server() {
        let complaint = refused(&["--database-url", &std::env::var("TEST_DATABASE_URL").expect("URL")]);
        assert!(complaint.contains("NOSUPERUSER NOBYPASSRLS"), "{complaint}");
    }
}

/// The pooler hands the same few server connections to everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_two_accounts_at_once_never_see_each_other() {
    let (Ok(pooler), Ok(server)) = (std::env::var("TEST_POOLER_URL"), std::env::var("TEST_DATABASE_URL")) else {
        skip("TEST_POOLER_URL names no pooler; scripts/test starts one");
        return;
    };
    let database = TestDatabase::whole(&server, true).await.behind(&pooler);
    let url = database.url();
    let world = World::builder().set(&[("database.account_cache_bytes", "0")]).on(database).await;
    furnish(&world).await;
    let asked = (0..200).map(|n| {
        let account = ["acme", "globex"][n % 2];
        let client = world.account(account);
        async move {
            assert_eq!(client.get(STRIPE).await.ok()["params"]["whose"], account);
            if n % 10 < 2 {
                let note = json!({"params": {"n": n, "whose": account}});
                client.post(&format!("{STRIPE}/install"), &note).await.ok();
            }
        }
    });
    let forgotten = (0..8).map(|n| {
        let (account, url) = (["acme", "globex"][n % 2], url.clone());
        async move {
            let db = plain(url).await;
            for _ in 0..50 {
                let t = of(&db, account).await;
                // Unnamed, in a single message: for a pooler that knows nothing of prepared statements.
                let others = "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM installations
                    WHERE account_id <> current_setting('app.account_id')), 'a leak'; END $$";
                t.execute_unprepared(others).await.expect("no leak");
                let own = "DO $$ BEGIN ASSERT EXISTS (SELECT FROM installations), 'nothing seen'; END $$";
                t.execute_unprepared(own).await.expect("something to see");
                t.commit().await.expect("committed");
            }
        }
    });
    tokio::join!(join_all(asked), join_all(forgotten));
}
