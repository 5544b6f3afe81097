//! The schema rules that keep distributed databases open, read from the catalog of a migrated database: a tenant table
//! can be sharded by account, and nothing that correctness needs lives in the database alone.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::support::{World, has_server};

/// Tables whose rows belong to accounts.
const TENANT: [&str; 7] = [
    "account_keys",
    "account_revisions",
    "audit_events",
    "idempotency_keys",
    "installation_secrets",
    "installations",
    "own_integrations",
];
/// Tables that belong to no account. A new table is entered here or above, never in neither.
const SHARED: [&str; 6] =
    ["api_keys", "catalog_revisions", "integrations", "key_checks", "key_marks", "schema_migrations"];

async fn texts(db: &DatabaseConnection, sql: &str) -> BTreeSet<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect(sql);
    rows.iter().map(|row| row.try_get_by_index::<String>(0).expect("text")).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn every_table_is_known_to_belong_to_accounts_or_to_nobody() {
    let world = World::start().await;
    let db = world.connect().await;
    let (tables, owned) = if world.database.is_postgres() {
        (
            texts(&db, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()")
                .await,
            texts(
                &db,
                "SELECT table_name::text FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND column_name = 'account_id' AND is_nullable = 'NO'",
            )
            .await,
        )
    } else {
        (
            texts(&db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").await,
            texts(
                &db,
                "SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c ON true \
                 WHERE t.type = 'table' AND c.name = 'account_id' AND c.\"notnull\" = 1",
            )
            .await,
        )
    };
    assert_eq!(tables, set(&[&TENANT[..], &SHARED[..]].concat()));
    assert_eq!(owned, set(&TENANT), "tables with an account that is never null");
}

#[tokio::test]
async fn the_account_comes_first_in_every_key_of_a_tenant_table_of_sqlite() {
    let world = World::start().await;
    if world.database.is_postgres() {
        return;
    }
    let db = world.connect().await;
    let tenant = TENANT.map(|table| format!("'{table}'")).join(", ");
    let first_in_key = texts(
        &db,
        &format!("SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c ON true WHERE t.name IN ({tenant}) AND c.pk = 1 AND c.name = 'account_id'"),
    )
    .await;
    assert_eq!(first_in_key, set(&TENANT));
    let foreign = texts(
        &db,
        &format!("SELECT t.name || ': ' || f.\"from\" FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f ON true WHERE t.name IN ({tenant}) AND f.seq = 0 AND (f.\"from\" <> 'account_id' OR f.\"to\" <> 'account_id')"),
    )
    .await;
    assert_eq!(foreign, set(&[]), "foreign keys that leave the account");
    let objects = texts(&db, "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')").await;
    assert_eq!(objects, set(&[]));
}

/// Name of the index and its first column, for every index that keeps something unique in a table with an account.
const UNIQUE_NOT_BY_ACCOUNT: &str = "
    SELECT c.relname::text || ' on ' || t.relname::text
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
    JOIN pg_attribute owner ON owner.attrelid = t.oid AND owner.attname = 'account_id'
    WHERE (i.indisunique OR i.indisprimary) AND i.indkey[0] <> owner.attnum";

const WITHOUT_PRIMARY_KEY: &str = "
    SELECT t.relname::text FROM pg_class t
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
    WHERE t.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)";

const FOREIGN_NOT_BY_ACCOUNT: &str = "
    SELECT k.conname::text || ' on ' || t.relname::text
    FROM pg_constraint k
    JOIN pg_class t ON t.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
    LEFT JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attnum = k.conkey[1]
    LEFT JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attnum = k.confkey[1]
    WHERE k.contype = 'f'
      AND (here.attname IS DISTINCT FROM 'account_id' OR there.attname IS DISTINCT FROM 'account_id')";

const WITHOUT_NAMED_ACCOUNT_CHECK: &str = "
    SELECT t.relname::text FROM pg_class t
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
    JOIN pg_attribute owner ON owner.attrelid = t.oid AND owner.attname = 'account_id'
    WHERE t.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'c'
          AND pg_get_constraintdef(k.oid) LIKE '%account_id%<>%''''%')";

const EXOTIC: &str = "
    SELECT 'sequence ' || c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relkind = 'S'
    UNION ALL SELECT 'view ' || c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relkind IN ('v', 'm', 'f')
    UNION ALL SELECT 'trigger ' || g.tgname::text FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND NOT g.tgisinternal
    UNION ALL SELECT 'function ' || p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = current_schema()
    UNION ALL SELECT 'constraint ' || k.conname::text FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
      WHERE n.nspname = current_schema() AND (k.contype = 'x' OR k.condeferrable)
    UNION ALL SELECT 'extension ' || e.extname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
      WHERE n.nspname = current_schema()
    UNION ALL SELECT 'default ' || column_name::text FROM information_schema.columns
      WHERE table_schema = current_schema() AND (column_default LIKE '%nextval%' OR is_identity = 'YES')";

#[tokio::test]
async fn the_account_comes_first_in_every_key_of_a_tenant_table() {
    if !has_server() {
        return;
    }
    let world = World::start().await;
    let db = world.connect().await;
    for (sql, claim) in [
        (UNIQUE_NOT_BY_ACCOUNT, "unique indexes that do not start with the account"),
        (WITHOUT_PRIMARY_KEY, "tables without a primary key"),
        (FOREIGN_NOT_BY_ACCOUNT, "foreign keys that leave the account"),
        (WITHOUT_NAMED_ACCOUNT_CHECK, "tenant tables that would take the empty account"),
    ] {
        assert_eq!(texts(&db, sql).await, set(&[]), "{claim}");
    }
}

#[tokio::test]
async fn nothing_lives_in_the_database_that_a_distributed_one_lacks() {
    if !has_server() {
        return;
    }
    let world = World::start().await;
    assert_eq!(texts(&world.connect().await, EXOTIC).await, set(&[]));
}

/// The questions can find something: each sees a table that breaks its rule.
#[tokio::test]
async fn a_table_that_breaks_the_rules_is_found() {
    if !has_server() {
        return;
    }
    let world = World::start().await;
    for statement in [
        "CREATE TABLE bad (id bigserial PRIMARY KEY, account_id text, name text UNIQUE REFERENCES integrations (name))",
        "CREATE TABLE worse (account_id text)",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER stamped BEFORE INSERT ON bad FOR EACH ROW EXECUTE FUNCTION stamp()",
    ] {
        world.sql(statement).await;
    }
    let db = world.connect().await;
    assert_eq!(texts(&db, UNIQUE_NOT_BY_ACCOUNT).await, set(&["bad_name_key on bad", "bad_pkey on bad"]));
    assert_eq!(texts(&db, WITHOUT_PRIMARY_KEY).await, set(&["worse"]));
    assert_eq!(texts(&db, FOREIGN_NOT_BY_ACCOUNT).await, set(&["bad_name_fkey on bad"]));
    assert_eq!(texts(&db, WITHOUT_NAMED_ACCOUNT_CHECK).await, set(&["bad", "worse"]));
    let exotic = texts(&db, EXOTIC).await;
    assert_eq!(exotic, set(&["default id", "function stamp", "sequence bad_id_seq", "trigger stamped"]));
}

#[tokio::test]
async fn an_sqlite_file_holds_no_statistics_which_would_age() {
    let world = World::start().await;
    if world.database.is_postgres() {
        return;
    }
    world.account("acme").post("/api/v1/integrations/stripe/install", &serde_json::json!({})).await.ok();
    world.app.store().close().await;
    let db = world.connect().await;
    assert_eq!(texts(&db, "SELECT tbl FROM sqlite_stat1").await, set(&[]));
}
