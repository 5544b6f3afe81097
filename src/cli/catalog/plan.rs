//! What an import makes of the shared catalog. Pure: worked out from the rows that are there, as often as need be.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::defaults::{Defaults, is_builtin};
use super::difference::{self, Difference};
use crate::domain::IntegrationId;
use crate::store::{CatalogRow, RowEdit, now};

/// An entry of the files.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) definition: Value,
}

/// What becomes of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Created,
    Updated,
    Unchanged,
    Removed,
    /// Not in the files, and installed.
    Kept,
}

/// What becomes of one entry, and why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) action: Action,
    /// It is an entry that came with the binary.
    pub(super) builtin: bool,
    /// It is not offered any more, which an import leaves as it is.
    pub(super) deprecated: bool,
    pub(super) changes: Vec<Difference>,
    /// Accounts that keep an entry from being removed.
    pub(super) installed_by: usize,
}

/// The entries of the operator's own that may be removed, with the number of accounts that have them installed.
pub(super) type Prunable = HashMap<Uuid, usize>;

/// What is to be written, and what is told of it.
pub(super) fn plan(
    rows: &[CatalogRow],
    wanted: &[Wanted],
    defaults: &Defaults,
    prunable: &Prunable,
) -> (Vec<RowEdit>, Vec<Step>) {
    let (mut edits, mut steps) = (Vec::new(), Vec::new());
    let by_name: HashMap<_, _> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
    for entry in wanted {
        let before = by_name.get(entry.name.as_str()).copied();
        let after = match before {
            Some(row) => CatalogRow { definition: entry.definition.clone(), updated_at: now(), ..row.clone() },
            None => new_row(entry, defaults),
        };
        let step = step(before, &after);
        if step.action != Action::Unchanged {
            edits.push(RowEdit::Write(defaults.settle(after)));
        }
        steps.push(step);
    }
    for (row, installed_by) in unwanted(rows, wanted, prunable) {
        let action = if installed_by == 0 { Action::Removed } else { Action::Kept };
        steps.push(Step { action, installed_by, changes: Vec::new(), ..step(Some(row), row) });
        if action == Action::Removed {
            edits.push(RowEdit::Delete(row.id));
        }
    }
    (edits, steps)
}

/// The operator's own entries that are not in the files. One that was made after installations were looked for is left
/// alone.
fn unwanted<'a>(rows: &'a [CatalogRow], wanted: &[Wanted], prunable: &Prunable) -> Vec<(&'a CatalogRow, usize)> {
    let names: HashSet<_> = wanted.iter().map(|entry| entry.name.as_str()).collect();
    let own = rows.iter().filter(|row| !is_builtin(row) && !names.contains(row.name.as_str()));
    let mut unwanted: Vec<_> = own.filter_map(|row| Some((row, *prunable.get(&row.id)?))).collect();
    unwanted.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    unwanted
}

fn new_row(entry: &Wanted, defaults: &Defaults) -> CatalogRow {
    let default = defaults.named(&entry.name);
    let now = now();
    CatalogRow {
        id: default.map_or_else(Uuid::now_v7, |_| IntegrationId::of_builtin(&entry.name).0),
        name: entry.name.clone(),
        definition: entry.definition.clone(),
        is_active: true,
        default_revision: default.map_or(0, |default| default.revision),
        modified_from_default: false,
        created_at: now,
        updated_at: now,
    }
}

fn step(before: Option<&CatalogRow>, after: &CatalogRow) -> Step {
    let changes = before.map(|row| difference::between(&row.definition, &after.definition));
    let action = match &changes {
        None => Action::Created,
        Some(changes) if changes.is_empty() => Action::Unchanged,
        Some(_) => Action::Updated,
    };
    Step {
        name: after.name.clone(),
        action,
        builtin: is_builtin(after),
        deprecated: !after.is_active,
        changes: changes.unwrap_or_default(),
        installed_by: 0,
    }
}
