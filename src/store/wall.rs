//! Row-level security of PostgreSQL: a second wall between accounts, behind the one in `scope`.
//!
//! Each transaction on a tenant table says first whose rows it is for, for itself alone: what a session sets stays on its
//! connection, and a pooler hands that to somebody else. The policies of the tables compare it with every row, so that a
//! statement which forgot its account sees no other's; one that says nothing sees none, or fails.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityName, QueryResult, Statement};

use super::scope;
use crate::domain::AccountId;
use crate::error::{Error, Result};

/// What a transaction sets. Each policy compares it.
pub(super) const SETTING: &str = "app.account_id";
/// Set by what goes from account to account: it reads which accounts there are, their audit log, their wrapped data keys and
/// the records of their requests, and nothing else. No account has such an id.
pub(super) const WALK: &str = "*walk";
/// Set by the steps of the schema, on connections of their own: they may read and write every row.
pub(super) const MIGRATION: &str = "*migration";

/// How the names of the policies begin. One that is changed takes another name, or older databases would keep it as it was.
const OURS: &str = "patchbay_";

/// Begins a transaction that is for the rows of this account, or for one of the two purposes above.
///
/// One round trip, so the id is written out: a statement with a parameter would be another. Its grammar has no quote.
pub(super) fn begin(whose: &str) -> String {
    format!("BEGIN; {}", setting(whose))
}

/// Turns a transaction to the rows of this account.
#[expect(clippy::disallowed_methods, reason = "says whose rows they are")]
pub(super) async fn turn_to(t: &impl ConnectionTrait, whose: &AccountId) -> std::result::Result<(), DbErr> {
    t.execute_unprepared(&setting(whose.as_str())).await.map(drop)
}

fn setting(whose: &str) -> String {
    format!("SELECT set_config('{SETTING}', '{whose}', true)")
}

/// Refuses a role that no policy applies to.
pub(super) async fn check_role(db: &impl ConnectionTrait) -> Result<()> {
    const ROLE: &str =
        "SELECT current_user::text FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)";
    let Some(role) = ask(db, ROLE).await?.first().map(|row| row.try_get_by_index::<String>(0)).transpose()? else {
        return Ok(());
    };
    Err(Error::DatabaseUnfit {
        cause: format!(
            "database.row_level_security is on, and the role {role} of database.url passes it by. Connect as a role that \
             is neither superuser nor BYPASSRLS, or take that from it: ALTER ROLE \"{role}\" NOSUPERUSER NOBYPASSRLS"
        ),
    })
}

/// Whether the tables are walled as they are to be.
pub(super) async fn stands(db: &impl ConnectionTrait, is_wanted: bool) -> Result<bool> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(true);
    }
    let found = found(db).await?;
    Ok(scope::tenant_tables().iter().all(|table| found.iter().any(|found| found.fits(table, is_wanted))))
}

/// Walls the tables, or takes the wall down; each table at once, and without keeping one while it waits for another.
pub(super) async fn build(db: &impl ConnectionTrait, is_wanted: bool) -> Result<()> {
    let found = found(db).await?;
    for table in found.iter().filter(|found| !found.fits(&found.name, is_wanted)) {
        alter(db, &table.altered(is_wanted)).await.map_err(|error| Error::DatabaseUnfit {
            cause: format!(
                "row-level security of {}: {error}. Only the owner of a table can change it: name that role in \
                 database.migration_url",
                table.name
            ),
        })?;
    }
    match is_wanted {
        true => tracing::info!("row-level security is on"),
        false => tracing::warn!("row-level security was on, and is off now"),
    }
    Ok(())
}

/// A table as it is.
struct Table {
    name: String,
    is_forced: bool,
    policies: Vec<String>,
}

impl Table {
    fn fits(&self, name: &str, is_wanted: bool) -> bool {
        let wanted = policies(name).into_iter().map(|(policy, _)| policy).filter(|_| is_wanted);
        self.name == name && self.is_forced == is_wanted && self.policies.iter().map(String::as_str).eq(wanted)
    }

    /// Several statements, which PostgreSQL runs as one transaction.
    fn altered(&self, is_wanted: bool) -> String {
        let name = &self.name;
        let dropped = self.policies.iter().map(|policy| format!(r#"DROP POLICY "{policy}" ON "{name}"; "#));
        let made = policies(name).into_iter().filter(|_| is_wanted);
        let made = made.map(|(policy, rule)| format!(r#"CREATE POLICY "{policy}" ON "{name}" {rule}; "#));
        let rows = dropped.chain(made).collect::<String>();
        // Forced: it is for the owner, too.
        let (enable, force) = if is_wanted { ("ENABLE", "FORCE") } else { ("DISABLE", "NO FORCE") };
        format!(r#"{rows}ALTER TABLE "{name}" {enable} ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY"#)
    }
}

/// The policies of a table in the order of their names, and what each says. A row must satisfy one of them.
fn policies(table: &str) -> Vec<(&'static str, String)> {
    let rule = |rows: &str| format!("USING ({rows}) WITH CHECK ({rows})");
    let mut policies = vec![
        ("patchbay_account", rule(&format!(r#""account_id" = current_setting('{SETTING}')"#))),
        ("patchbay_migration", rule(&format!("current_setting('{SETTING}') = '{MIGRATION}'"))),
    ];
    if walked().contains(&table) {
        policies.push(("patchbay_walk", format!("FOR SELECT USING (current_setting('{SETTING}') = '{WALK}')")));
    }
    policies
}

/// The tables that are read from account to account.
fn walked() -> [&'static str; 4] {
    use ::entity::{account_key, account_revision, audit_event, idempotency_key};
    [
        account_key::Entity.table_name(),
        account_revision::Entity.table_name(),
        audit_event::Entity.table_name(),
        idempotency_key::Entity.table_name(),
    ]
}

async fn found(db: &impl ConnectionTrait) -> Result<Vec<Table>> {
    let names = scope::tenant_tables().into_iter().map(|table| format!("'{table}'")).collect::<Vec<_>>().join(", ");
    let tables = format!(
        r#"SELECT "relname"::text, "relrowsecurity" AND "relforcerowsecurity", ARRAY(
            SELECT "polname"::text FROM "pg_policy" WHERE "polrelid" = "c"."oid" AND starts_with("polname", '{OURS}')
            ORDER BY "polname"
        ) FROM "pg_class" AS "c" WHERE "relnamespace" = to_regnamespace(current_schema()) AND "relname" IN ({names})"#
    );
    let read = |row: &QueryResult| {
        let (name, is_forced) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok::<_, DbErr>(Table { name, is_forced, policies: row.try_get_by_index(2)? })
    };
    Ok(ask(db, &tables).await?.iter().map(read).collect::<std::result::Result<_, _>>()?)
}

#[expect(clippy::disallowed_methods, reason = "asks of roles and tables, not of their rows")]
async fn ask(db: &impl ConnectionTrait, sql: &str) -> std::result::Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await
}

#[expect(clippy::disallowed_methods, reason = "changes tables, not their rows")]
async fn alter(db: &impl ConnectionTrait, sql: &str) -> std::result::Result<(), DbErr> {
    db.execute_unprepared(sql).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_ends_with_the_transaction_and_no_account_is_one_of_the_purposes() {
        assert_eq!(begin("acme"), "BEGIN; SELECT set_config('app.account_id', 'acme', true)");
        for purpose in [WALK, MIGRATION] {
            assert_eq!(AccountId::stored(purpose), None, "{purpose}");
        }
        for broken in ["a'b", "'", "a\\", "a\0"] {
            assert_eq!(AccountId::stored(broken), None, "{broken:?}");
        }
    }
}
