//! An account's rows at one revision, kept in memory while nothing changes them.
//!
//! Every change of an account's rows advances its revision in the same transaction, so rows that were read at a revision
//! are right for as long as the account is at that revision. A kept state is used only after the database was asked for
//! the revision (see `revisions`), or nothing was committed since it was (see `marks`): what another replica wrote is seen
//! by the next request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use super::TenantStore;
use super::installations::Row;
use super::keys::AccountKey;
use super::marks::Mark;
use crate::domain::{AccountId, Installation, IntegrationId};
use crate::error::Result;

/// What an account has at one revision. Immutable.
#[derive(Debug, Default)]
pub struct AccountState {
    revision: i64,
    /// Values sealed, whichever data key sealed them.
    seals: i64,
    /// The revision at which the account's own catalog entries last changed; 0 while it never had any.
    own_catalog: i64,
    /// Sorted by integration.
    installations: Vec<Arc<Installation>>,
    /// The active data key, wrapped; read at the first need.
    key: OnceLock<AccountKey>,
    /// The last mark of the file at which the revision was still this; 0 where none was.
    confirmed: AtomicU64,
}

impl AccountState {
    /// The account's revision; 0 before its first change.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// How many values were sealed for the account since data keys are counted.
    pub fn seals(&self) -> i64 {
        self.seals
    }

    /// The revision at which the account's own catalog entries last changed; 0 while it never had any.
    pub fn own_catalog(&self) -> i64 {
        self.own_catalog
    }

    /// The revision that a change of this state at this moment gives the account.
    ///
    /// Taken from the clock, in microseconds, and always larger than the last: numbers are never used twice, also not by
    /// a database that was restored from a copy or made anew, so that a client's ETag of before means nothing after.
    pub fn next_revision(&self, at: DateTime<Utc>) -> i64 {
        at.timestamp_micros().max(self.revision + 1)
    }

    /// Every installation the account ever made, sorted by integration.
    pub fn installations(&self) -> &[Arc<Installation>] {
        &self.installations
    }

    /// The account's installation of this entry.
    pub fn find(&self, id: IntegrationId) -> Option<&Arc<Installation>> {
        self.position(id).ok().map(|at| &self.installations[at])
    }

    /// The account's installations of these entries.
    pub fn among(&self, ids: &[IntegrationId]) -> impl Iterator<Item = &Arc<Installation>> {
        ids.iter().filter_map(|id| self.find(*id))
    }

    fn is_confirmed(&self, mark: Option<Mark>) -> bool {
        mark.is_some_and(|Mark(mark)| mark == self.confirmed.load(Ordering::Relaxed))
    }

    fn confirm(&self, mark: Option<Mark>) {
        if let Some(Mark(mark)) = mark {
            self.confirmed.store(mark, Ordering::Relaxed);
        }
    }

    pub(super) fn known_key(&self) -> &OnceLock<AccountKey> {
        &self.key
    }

    /// The state after this installation was written at its revision, with so many values sealed for it.
    pub fn with(&self, installation: Arc<Installation>, seals: i64) -> Self {
        let mut installations = self.installations.clone();
        let revision = installation.revision;
        match self.position(installation.integration_id) {
            Ok(at) => installations[at] = installation,
            Err(at) => installations.insert(at, installation),
        }
        let seals = self.seals + seals;
        let own_catalog = self.own_catalog;
        Self { revision, seals, own_catalog, installations, key: self.key.clone(), ..Self::default() }
    }

    fn position(&self, id: IntegrationId) -> std::result::Result<usize, usize> {
        self.installations.binary_search_by(|installation| installation.integration_id.cmp(&id))
    }
}

/// The states of the accounts that were asked for most, within a number of bytes.
pub(super) struct StateCache(Cache<AccountId, Arc<AccountState>, Bytes>);

impl StateCache {
    /// Room for about so many bytes; with 0 nothing is kept.
    pub(super) fn new(bytes: u64) -> Self {
        // An account with the installations of a common catalog; only the first sizing of the tables depends on it.
        const COMMON: u64 = 4_096;
        Self(Cache::with_weighter(usize::try_from(bytes / COMMON).unwrap_or(usize::MAX), bytes, Bytes))
    }

    pub(super) fn get(&self, account: &AccountId) -> Option<Arc<AccountState>> {
        self.0.get(account)
    }

    fn keep(&self, account: &AccountId, state: &Arc<AccountState>) {
        // A slow reader must not put back what a writer has just replaced.
        if self.0.peek(account).is_none_or(|kept| kept.revision < state.revision) {
            self.0.insert(account.clone(), state.clone());
        }
    }

    pub(super) fn forget(&self, account: &AccountId) {
        self.0.remove(account);
    }
}

/// Estimates what a state takes, to the order of things: the bound is for the operator's memory, not an account's.
#[derive(Clone)]
struct Bytes;

impl Weighter<AccountId, Arc<AccountState>> for Bytes {
    fn weight(&self, account: &AccountId, state: &Arc<AccountState>) -> u64 {
        const FIXED: usize = 512;
        let rows = state.installations.iter().map(|row| row_bytes(row)).sum::<usize>();
        (FIXED + account.as_str().len() + rows) as u64
    }
}

fn row_bytes(row: &Installation) -> usize {
    // The pointers to it, the counters of both shared values, and what the allocator adds.
    const POINTERS: usize = 96;
    let names = row.secret_names.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>();
    let counter = |name: &String| size_of::<(String, u64)>() + name.len();
    let counters = row.secret_counters.keys().map(counter).sum::<usize>();
    POINTERS + size_of::<Installation>() + names + counters + row.params.as_json().len()
}

/// The account's revision and all of its rows, in one statement: never the rows of another revision.
const STATE: &str = r#"SELECT "r"."revision", "i"."integration_id", "i"."params", "i"."secret_names",
    "i"."installed_at", "i"."revision", "i"."updated_at", "r"."seals", "r"."own_catalog", "i"."secret_counters"
FROM "account_revisions" AS "r" LEFT JOIN "installations" AS "i" ON "i"."account_id" = "r"."account_id"
WHERE "r"."account_id" = $1"#;

/// The same of SQLite, as one row: its driver hands every row from thread to thread, which costs more than the JSON.
const STATE_OF_SQLITE: &str = r#"SELECT "revision", (
    SELECT json_group_array(json_array(hex("integration_id"), "params", "secret_names", "installed_at", "revision",
        "updated_at", "secret_counters"))
    FROM "installations" WHERE "account_id" = "r"."account_id"
), "seals", "own_catalog" FROM "account_revisions" AS "r" WHERE "account_id" = $1"#;

impl TenantStore {
    /// What the account has now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn state(&self) -> Result<Arc<AccountState>> {
        match self.store.states.get(self.account()) {
            Some(kept) => self.brought_up_to_date(kept).await,
            None => self.read_state().await,
        }
    }

    /// What the account has, by someone who knows that it is at this revision now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn state_at(&self, revision: i64) -> Result<Arc<AccountState>> {
        match self.store.states.get(self.account()).filter(|kept| kept.revision == revision) {
            Some(kept) => Ok(kept),
            None => self.read_state().await,
        }
    }

    /// What the account had a moment ago: for a change, which is refused if the account has moved on since.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recent_state(&self) -> Result<Arc<AccountState>> {
        match self.store.states.get(self.account()) {
            Some(kept) => Ok(kept),
            None => self.read_state().await,
        }
    }

    /// A number that grows with every change of the account's rows; 0 before the first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn revision(&self) -> Result<i64> {
        match self.store.states.get(self.account()) {
            Some(kept) => self.revision_beside(&kept).await,
            None => self.store.revisions.of(self.account()).await,
        }
    }

    /// The kept state if it still stands, else the one that does.
    pub(super) async fn brought_up_to_date(&self, kept: Arc<AccountState>) -> Result<Arc<AccountState>> {
        let revision = self.revision_beside(&kept).await?;
        if revision == kept.revision { Ok(kept) } else { self.state_at(revision).await }
    }

    /// The account's revision: that of the kept state, without asking, if nothing was committed since it was confirmed.
    async fn revision_beside(&self, kept: &AccountState) -> Result<i64> {
        // Looked at before the question: what is committed after it makes another mark.
        let mark = self.store.marks.now();
        if kept.is_confirmed(mark) {
            return Ok(kept.revision);
        }
        let revision = self.store.revisions.of(self.account()).await?;
        if kept.revision == revision {
            kept.confirm(mark);
        }
        Ok(revision)
    }

    pub(super) fn keep_state(&self, state: &Arc<AccountState>) {
        self.store.states.keep(self.account(), state);
    }

    async fn read_state(&self) -> Result<Arc<AccountState>> {
        let mark = self.store.marks.now();
        let is_sqlite = self.store.read.get_database_backend() == DbBackend::Sqlite;
        let rows = self.query(&self.store.read, if is_sqlite { STATE_OF_SQLITE } else { STATE }, []).await?;
        let number =
            |at: usize| Ok::<i64, DbErr>(rows.first().map(|row| row.try_get_by_index(at)).transpose()?.unwrap_or(0));
        let (revision, [seals, own_catalog]) = (number(0)?, if is_sqlite { [2, 3] } else { [7, 8] });
        let (seals, own_catalog) = (number(seals)?, number(own_catalog)?);
        let mut installations = if is_sqlite { read_json(&rows)? } else { read_rows(&rows)? };
        installations.sort_unstable_by_key(|installation| installation.integration_id);
        // It may stand in the memory of what it was made from.
        installations.shrink_to_fit();
        let state = Arc::new(AccountState { revision, seals, own_catalog, installations, ..AccountState::default() });
        state.confirm(mark);
        self.keep_state(&state);
        Ok(state)
    }
}

fn read_rows(rows: &[QueryResult]) -> std::result::Result<Vec<Arc<Installation>>, DbErr> {
    rows.iter().filter_map(|row| read(row).map(|row| row.map(Arc::new)).transpose()).collect()
}

fn read_json(rows: &[QueryResult]) -> std::result::Result<Vec<Arc<Installation>>, DbErr> {
    // Those that hold JSON are texts in it, taken apart one row at a time: all at once they would leave holes in memory.
    type Columns = (Uuid, String, String, Option<DateTime<Utc>>, i64, DateTime<Utc>, String);
    let broken = |_| DbErr::Type("a column of installations is not what it should be".into());
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let columns: Vec<Columns> = serde_json::from_str(&row.try_get_by_index::<String>(1)?).map_err(broken)?;
    let read = |(integration_id, params, secret_names, installed_at, revision, updated_at, counters): Columns| {
        let params = serde_json::from_str(&params).map_err(broken)?;
        let secret_names = serde_json::from_str(&secret_names).map_err(broken)?;
        let secret_counters = serde_json::from_str(&counters).map_err(broken)?;
        let row = Row { integration_id, params, secret_names, secret_counters, installed_at, revision, updated_at };
        row.read().map(Arc::new)
    };
    columns.into_iter().map(read).collect()
}

/// `None` where the account has a revision and no row.
fn read(row: &QueryResult) -> std::result::Result<Option<Installation>, DbErr> {
    let Some(integration_id) = row.try_get_by_index(1)? else { return Ok(None) };
    let row = Row {
        integration_id,
        params: row.try_get_by_index(2)?,
        secret_names: row.try_get_by_index(3)?,
        installed_at: row.try_get_by_index(4)?,
        revision: row.try_get_by_index(5)?,
        updated_at: row.try_get_by_index(6)?,
        secret_counters: row.try_get_by_index(9)?,
    };
    row.read().map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn account(n: usize) -> AccountId {
        AccountId::parse(&format!("account-{n}")).expect("well-formed")
    }

    fn state(revision: i64, rows: usize) -> Arc<AccountState> {
        let at = DateTime::UNIX_EPOCH;
        let params = Map::from_iter([("text".to_owned(), Value::from("x".repeat(100)))]);
        let row = |n: usize| {
            let id = IntegrationId::of_builtin(&n.to_string());
            Arc::new(Installation { params: (&params).into(), revision, ..Installation::new(id, at) })
        };
        let mut installations: Vec<_> = (0..rows).map(row).collect();
        installations.sort_unstable_by_key(|row| row.integration_id);
        Arc::new(AccountState { revision, installations, ..AccountState::default() })
    }

    #[test]
    fn any_number_of_accounts_stays_within_the_bound() {
        const BYTES: u64 = 1_000_000;
        let cache = StateCache::new(BYTES);
        for n in 0..20_000 {
            cache.keep(&account(n), &state(1, n % 50));
            assert!(cache.0.weight() <= BYTES, "{}", cache.0.weight());
        }
        assert!(cache.0.weight() > BYTES / 2, "and it is used");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let cache = StateCache::new(0);
        cache.keep(&account(1), &state(1, 1));
        assert!(cache.get(&account(1)).is_none());
    }

    #[test]
    fn an_older_state_does_not_replace_a_newer_one() {
        let cache = StateCache::new(1_000_000);
        for revision in [2, 1, 3, 2] {
            cache.keep(&account(1), &state(revision, 1));
        }
        assert_eq!(cache.get(&account(1)).map(|kept| kept.revision()), Some(3));
    }

    #[test]
    fn a_revision_is_the_clock_and_never_goes_back_with_it() {
        let at = |micros| DateTime::from_timestamp_micros(micros).expect("a moment");
        assert_eq!(state(0, 0).next_revision(at(1_000)), 1_000);
        assert_eq!(state(5_000, 0).next_revision(at(1_000)), 5_001);
        assert_eq!(state(5_000, 0).next_revision(at(5_000)), 5_001);
    }

    #[test]
    fn a_change_replaces_its_row_or_adds_it_in_order() {
        let before = state(1, 20);
        let changed = Installation { revision: 2, ..Installation::clone(&before.installations()[7]) };
        let new =
            Installation { revision: 3, ..Installation::new(IntegrationId::of_builtin("new"), DateTime::UNIX_EPOCH) };
        let after = before.with(Arc::new(changed.clone()), 2).with(Arc::new(new.clone()), 1);
        assert_eq!((after.revision(), after.seals(), after.installations().len()), (3, 3, 21));
        assert_eq!(after.find(changed.integration_id).map(|row| row.revision), Some(2));
        assert_eq!(after.find(new.integration_id).map(|row| row.revision), Some(3));
        assert!(after.installations().is_sorted_by_key(|row| row.integration_id));
    }
}
