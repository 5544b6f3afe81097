//! The schema rules that keep distributed databases open (Citus, CockroachDB, YugabyteDB), read from the catalog of a
//! migrated database and from the sources: a tenant table can be sharded by account, and nothing that correctness needs
//! lives in the database alone. That every statement names its account is watched in every test (`support::witness`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::architecture::code;
use crate::support::{TENANT, TestDatabase, World, has_server};

/// Tables that belong to no account. A new table is entered here or in [`TENANT`], never in neither.
const SHARED: [&str; 7] =
    ["api_keys", "catalog_revisions", "integrations", "key_checks", "key_marks", "schema_migrations", "servers"];

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

#[test]
fn the_guide_to_distributing_leaves_no_table_out() {
    let guide = fs::read_to_string("docs/operations.md").expect("the guide");
    let named = |becomes: &str| {
        let ends = format!("| {becomes}");
        let row = guide.lines().find(|line| line.contains(&ends)).expect(becomes).split('|').nth(1).expect("a cell");
        row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(named("distributed by `account_id`"), set(&TENANT));
    assert_eq!(&named("reference tables") | &named("stays local"), set(&SHARED));
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

/// What happens to a row when another goes is said of a whole key, account and all: it may go with it, or be in the way.
const FOREIGN_WITH_OTHER_ACTIONS: &str = "
    SELECT k.conname::text FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
    WHERE n.nspname = current_schema() AND k.contype = 'f'
      AND (k.confdeltype NOT IN ('a', 'r', 'c') OR k.confupdtype NOT IN ('a', 'r'))";

/// Tables that are sharded by the account lie together only where it has one type.
const TYPES_OF_ACCOUNT: &str = "
    SELECT DISTINCT format_type(a.atttypid, a.atttypmod) || ' ' || coalesce(o.collname::text, '')
    FROM pg_attribute a
    JOIN pg_class t ON t.oid = a.attrelid AND t.relkind IN ('r', 'p')
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
    LEFT JOIN pg_collation o ON o.oid = a.attcollation
    WHERE a.attname = 'account_id'";

const WITHOUT_NAMED_ACCOUNT_CHECK: &str = "
    SELECT t.relname::text FROM pg_class t
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
    JOIN pg_attribute owner ON owner.attrelid = t.oid AND owner.attname = 'account_id'
    WHERE t.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'c'
          AND pg_get_constraintdef(k.oid) LIKE '%account_id%<>%''''%')";

const EXOTIC: &str = r"
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
    UNION ALL SELECT 'identity ' || column_name::text FROM information_schema.columns
      WHERE table_schema = current_schema() AND is_identity = 'YES'
    -- A default that is worked out: what is new is made by us.
    UNION ALL SELECT 'default ' || a.attname::text FROM pg_attrdef d
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
      JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND (pg_get_expr(d.adbin, d.adrelid) ~ '[a-z_]\(' OR a.attgenerated <> '')
    UNION ALL SELECT 'rule ' || r.rulename::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND r.rulename <> '_RETURN'
    -- Every table has a type of its own.
    UNION ALL SELECT 'type ' || y.typname::text FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
      LEFT JOIN pg_class c ON c.oid = y.typrelid
      WHERE n.nspname = current_schema() AND (y.typtype IN ('d', 'e', 'r') OR c.relkind = 'c')
    UNION ALL SELECT 'index ' || c.relname::text || ' by ' || m.amname::text FROM pg_class c JOIN pg_am m ON m.oid = c.relam
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'i' AND m.amname <> 'btree'
    UNION ALL SELECT 'unlogged ' || c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relpersistence <> 'p'
    UNION ALL SELECT 'parted or inheriting ' || c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema()
        AND (c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid))";

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
        (FOREIGN_WITH_OTHER_ACTIONS, "foreign keys that change rows"),
        (WITHOUT_NAMED_ACCOUNT_CHECK, "tenant tables that would take the empty account"),
    ] {
        assert_eq!(texts(&db, sql).await, set(&[]), "{claim}");
    }
    assert_eq!(texts(&db, TYPES_OF_ACCOUNT).await.len(), 1, "types of account_id");
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
    // A whole database, because an extension belongs to one.
    let server = std::env::var("TEST_DATABASE_URL").expect("asked before");
    let world = World::builder().on(TestDatabase::whole(&server, false).await).await;
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
    assert_eq!(texts(&db, TYPES_OF_ACCOUNT).await.len(), 2);
    let exotic = texts(&db, EXOTIC).await;
    assert_eq!(exotic, set(&["default id", "function stamp", "sequence bad_id_seq", "trigger stamped"]));
}

#[tokio::test]
async fn each_thing_that_a_distributed_database_lacks_is_found() {
    if !has_server() {
        return;
    }
    let server = std::env::var("TEST_DATABASE_URL").expect("asked before");
    let world = World::builder().on(TestDatabase::whole(&server, false).await).await;
    let db = world.connect().await;
    let mut known = BTreeSet::new();
    for (statement, found) in [
        ("CREATE TABLE a (x int GENERATED ALWAYS AS IDENTITY)", &["identity x", "sequence a_x_seq"][..]),
        ("CREATE TABLE b (y uuid DEFAULT gen_random_uuid())", &["default y"]),
        ("CREATE TABLE c (z int, zz int GENERATED ALWAYS AS (z + 1) STORED)", &["default zz"]),
        ("CREATE TABLE d (x int UNIQUE DEFERRABLE)", &["constraint d_x_key"]),
        ("CREATE TABLE e (x int, EXCLUDE (x WITH =))", &["constraint e_x_excl"]),
        ("CREATE RULE r AS ON DELETE TO d DO INSTEAD NOTHING", &["rule r"]),
        ("CREATE TYPE mood AS ENUM ('good')", &["type mood"]),
        ("CREATE DOMAIN short AS text", &["type short"]),
        ("CREATE TYPE pair AS (x int, y int)", &["type pair"]),
        ("CREATE INDEX h ON d USING hash (x)", &["index h by hash"]),
        ("CREATE UNLOGGED TABLE f (x int)", &["unlogged f"]),
        ("CREATE TABLE g (x int) PARTITION BY LIST (x)", &["parted or inheriting g"]),
        ("CREATE TABLE i () INHERITS (d)", &["parted or inheriting i"]),
        ("CREATE VIEW v AS SELECT 1", &["view v"]),
        ("CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", &["function p"]),
        ("CREATE EXTENSION pgrowlocks", &["extension pgrowlocks", "function pgrowlocks"]),
    ] {
        world.sql(statement).await;
        known.extend(set(found));
        assert_eq!(texts(&db, EXOTIC).await, known, "{statement}");
    }
    let taken = "ALTER TABLE installation_secrets ADD CONSTRAINT taken \
                 FOREIGN KEY (account_id, integration_id, connection) REFERENCES installations ON DELETE SET NULL";
    world.sql(taken).await;
    assert_eq!(texts(&db, FOREIGN_WITH_OTHER_ACTIONS).await, set(&["taken"]));
}

/// What no source may ask of a database, since it belongs to one session or one server, or is not there at all.
const NEVER_ASKED: [&str; 17] = [
    "LISTEN ",
    "NOTIFY ",
    "pg_notify",
    "LOCK TABLE",
    "pg_advisory_lock",
    "pg_try_advisory_lock",
    "pg_advisory_unlock",
    "DEFERRABLE",
    "EXCLUDE USING",
    "CREATE TRIGGER",
    "CREATE FUNCTION",
    "CREATE PROCEDURE",
    "CREATE EXTENSION",
    "CREATE SEQUENCE",
    "nextval(",
    "SERIAL",
    "auto_increment",
];

/// What no step may do: the binary before it still runs, and uses what is there.
const NEVER_UNDONE: [&str; 6] =
    ["drop_table", "drop_column", "rename_table", "rename_column", "modify_column", "RENAME"];

fn found_in(code: &str, words: &[&'static str]) -> Vec<&'static str> {
    words.iter().filter(|word| code.contains(**word)).copied().collect()
}

/// The code of every file below a folder of this crate.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("folder").map(|entry| entry.expect("entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), code(&fs::read_to_string(&path).expect("text"))));
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

#[test]
fn no_source_asks_for_what_a_distributed_database_lacks() {
    for (path, code) in ["src/store", "migration/src"].into_iter().flat_map(sources) {
        assert_eq!(found_in(&code, &NEVER_ASKED), [""; 0], "{path}");
    }
    let bad = "let sql = \"LOCK TABLE x; SELECT pg_advisory_lock(1)\"; Table::create().col(big_integer(\"id\").auto_increment())";
    assert_eq!(found_in(bad, &NEVER_ASKED), ["LOCK TABLE", "pg_advisory_lock", "auto_increment"]);
}

#[test]
fn every_step_only_adds_so_that_the_binary_before_it_goes_on() {
    for (path, code) in sources("migration/src") {
        assert_eq!(found_in(&code, &NEVER_UNDONE), [""; 0], "{path}");
    }
    let bad =
        "Table::alter().table(\"installations\").rename_column(\"params\", \"values\").drop_column(\"connection\")";
    assert_eq!(found_in(bad, &NEVER_UNDONE), ["drop_column", "rename_column"]);
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
