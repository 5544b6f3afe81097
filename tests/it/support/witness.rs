//! Watches every statement: one that touches a tenant table without its account column fails the test. Also counts them.

use std::sync::{Arc, Mutex};

use patchbay::store::StatementObserver;

/// Tables whose rows belong to accounts.
pub const TENANT: [&str; 7] = [
    "account_keys",
    "account_revisions",
    "audit_events",
    "idempotency_keys",
    "installation_secrets",
    "installations",
    "own_integrations",
];

/// What goes from account to account: it reads which there are, how old their log is and what keys they need, and counts.
const WALKS: [&str; 6] = [
    "select \"account_id\", \"id\" from \"audit_events\" where \"account_id\" > $1 order by",
    "select \"account_id\" from \"idempotency_keys\" where \"account_id\" > $1 and",
    "select \"account_id\" from \"account_revisions\" where \"account_id\" > $1 order by",
    "select distinct \"account_id\" from \"account_keys\" where \"account_id\" > $1 and",
    "select count(distinct \"account_id\") from \"account_keys\" where",
    "select \"provider\", \"kek_ref\", \"state\", count(*), min(\"created_at\") from \"account_keys\" group by",
];

#[derive(Clone, Default)]
pub struct Witness {
    broken: Arc<Mutex<Vec<String>>>,
    statements: Arc<Mutex<Vec<String>>>,
}

impl Witness {
    pub fn observer(&self) -> StatementObserver {
        let seen = self.clone();
        Arc::new(move |statement, _, _| {
            seen.statements.lock().expect("unpoisoned").push(statement.to_owned());
            if breaks_wall(statement) {
                seen.broken.lock().expect("unpoisoned").push(statement.to_owned());
            }
        })
    }

    /// Every statement so far.
    pub fn statements(&self) -> Vec<String> {
        self.statements.lock().expect("unpoisoned").clone()
    }

    pub fn assert_walled(&self) {
        let seen = self.broken.lock().expect("unpoisoned");
        assert!(seen.is_empty(), "statements on tenant tables without their account: {seen:#?}");
    }
}

/// An INSERT must name the column; anything else must compare it. A statement of several takes the account from its
/// first one.
fn breaks_wall(statement: &str) -> bool {
    let lower = statement.to_lowercase();
    let parts =
        lower.strip_suffix(") select \"account_id\" from \"turn\"").and_then(|s| s.strip_prefix("with \"turn\" as ("));
    if let Some((first, others)) = parts.and_then(|parts| parts.split_once("), \"row\" as (")) {
        let strays = |other: &str| !other.contains("select \"account_id\"") || !other.contains("from \"turn\"");
        return breaks_wall(first) || others.split("), \"").any(strays);
    }
    let is_schema = ["create ", "alter ", "drop ", "pragma "].iter().any(|word| lower.trim_start().starts_with(word));
    let touches = TENANT.iter().any(|table| lower.contains(&format!("\"{table}\"")));
    let words = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    if is_schema || !touches || WALKS.iter().any(|walk| words.starts_with(walk)) {
        return false;
    }
    let names = lower.contains("\"account_id\"");
    let compares = lower.contains("\"account_id\" = ");
    if lower.trim_start().starts_with("insert") { !names } else { !compares }
}

#[test]
fn the_witness_tells_good_from_bad() {
    for good in [
        "SELECT \"x\" FROM \"installations\" WHERE \"installations\".\"account_id\" = $1",
        "INSERT INTO \"installations\" (\"account_id\") VALUES ($1)",
        "SELECT * FROM \"integrations\"",
        "CREATE TABLE \"installations\" ()",
        "WITH \"turn\" AS (UPDATE \"account_revisions\" SET x = 1 WHERE \"account_id\" = $1), \"row\" AS (INSERT INTO \
         \"installations\" (\"account_id\") SELECT \"account_id\" FROM \"turn\") SELECT \"account_id\" FROM \"turn\"",
    ] {
        assert!(!breaks_wall(good), "{good}");
    }
    for bad in [
        "SELECT \"account_id\" FROM \"installations\"",
        "SELECT \"fields\" FROM \"audit_events\" WHERE \"account_id\" > $1",
        "DELETE FROM \"installation_secrets\" WHERE \"name\" = $1",
        "INSERT INTO \"account_keys\" (\"key_id\") VALUES ($1)",
        "WITH \"turn\" AS (UPDATE \"account_revisions\" SET x = 1), \"row\" AS (INSERT INTO \"installations\" \
         (\"account_id\") SELECT \"account_id\" FROM \"turn\") SELECT \"account_id\" FROM \"turn\"",
        "WITH \"turn\" AS (UPDATE \"account_revisions\" SET x = 1 WHERE \"account_id\" = $1), \"row\" AS (INSERT INTO \
         \"installations\" (\"account_id\") SELECT $2 FROM \"others\") SELECT \"account_id\" FROM \"turn\"",
    ] {
        assert!(breaks_wall(bad), "{bad}");
    }
}
