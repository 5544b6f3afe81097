//! Changes to entries of the shared catalog without a file.

use serde::Serialize;

use super::defaults::Defaults;
use super::refuse_unknown;
use crate::cli::operator;
use crate::cli::print::{print, print_json, sentence};
use crate::store::{CatalogRow, RowEdit, Store, now};

/// What a change of some rows came to.
#[derive(Serialize)]
struct Changed {
    changed: Vec<String>,
    unchanged: Vec<String>,
}

pub(super) async fn reset(store: &Store, names: Vec<String>, json: bool) -> Result<(), String> {
    let defaults = Defaults::load()?;
    let to_default = move |row: &CatalogRow| match defaults.of(row) {
        Some(default) => {
            let definition = default.definition.clone();
            Ok(defaults.settle(CatalogRow { definition, is_active: true, ..row.clone() }))
        }
        None => Err(format!(
            "{} is not built in with this version, so there is nothing to go back to: import a file, or `patchbay catalog delete` it",
            row.name
        )),
    };
    change(store, names, to_default, "is what is built in again", json).await
}

pub(super) async fn deprecate(store: &Store, names: Vec<String>, undo: bool, json: bool) -> Result<(), String> {
    let defaults = Defaults::load()?;
    let marked = move |row: &CatalogRow| match row.is_active == undo {
        true => Ok(row.clone()),
        false => Ok(defaults.settle(CatalogRow { is_active: undo, ..row.clone() })),
    };
    change(store, names, marked, if undo { "is offered again" } else { "is deprecated" }, json).await
}

/// Changes these rows, all or none.
async fn change(
    store: &Store,
    names: Vec<String>,
    to: impl Fn(&CatalogRow) -> Result<CatalogRow, String> + Send + Sync + 'static,
    done: &str,
    json: bool,
) -> Result<(), String> {
    let edit = move |rows: &[CatalogRow]| match edits(rows, &names, &to) {
        Ok((edits, changed)) => (edits, Ok(changed)),
        Err(refused) => (Vec::new(), Err(refused)),
    };
    let changed = store.system().edit_catalog(operator(), edit).await.map_err(sentence)??;
    if json {
        return print_json(&changed);
    }
    changed.changed.iter().try_for_each(|name| print(&format!("{name} {done}\n")))?;
    changed.unchanged.iter().try_for_each(|name| print(&format!("{name} was so already\n")))
}

fn edits(
    rows: &[CatalogRow],
    names: &[String],
    to: impl Fn(&CatalogRow) -> Result<CatalogRow, String>,
) -> Result<(Vec<RowEdit>, Changed), String> {
    refuse_unknown(rows, names)?;
    let (mut edits, mut told) = (Vec::new(), Changed { changed: Vec::new(), unchanged: Vec::new() });
    let mut meant: Vec<_> = rows.iter().filter(|row| names.contains(&row.name)).collect();
    meant.sort_by(|a, b| a.name.cmp(&b.name));
    for row in meant {
        let after = to(row)?;
        if after == *row {
            told.unchanged.push(row.name.clone());
        } else {
            told.changed.push(row.name.clone());
            edits.push(RowEdit::Write(CatalogRow { updated_at: now(), ..after }));
        }
    }
    Ok((edits, told))
}
