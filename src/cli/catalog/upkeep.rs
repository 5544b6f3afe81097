//! How the shared catalog differs from what is built in, and changes to it without a file.

use std::sync::Arc;

use serde::Serialize;

use super::defaults::{Defaults, is_builtin};
use super::difference::{self, Difference};
use super::installed::Installed;
use super::{refuse_unknown, rows};
use crate::cli::operator;
use crate::cli::print::{count, print, print_json, sentence};
use crate::domain::event::Subject;
use crate::domain::{Action, Event, IntegrationId};
use crate::store::{CatalogRow, RowEdit, Store, now};

pub(super) const DIFF_HELP: &str = "\
Edited entries are told key by key, what is built in first. Entries of the operator's own, deprecated
ones, and those that are built in and not in the database are told too.

With --json: a list of name, kind (edited, own, absent), deprecated, changes (key, old, new)";

pub(super) const DELETE_HELP: &str = "\
Built-in entries cannot be deleted: deprecate them. With --force each account's installation goes in a
transaction of its own, with an event installation.purged in its audit log; killed half-way, run it again.

With --json: {\"deleted\": NAME, \"accounts\": how many had an installation that was deleted}";

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Edited,
    Own,
    Absent,
    /// It only is deprecated.
    Default,
}

#[derive(Serialize)]
struct Differing {
    name: String,
    kind: Kind,
    deprecated: bool,
    changes: Vec<Difference>,
}

pub(super) async fn diff(store: &Store, names: &[String], json: bool) -> Result<(), String> {
    let (rows, defaults) = (rows(store).await?, Defaults::load()?);
    let absent = defaults.names().filter(|name| rows.iter().all(|row| row.name != **name));
    let absent =
        absent.map(|name| Differing { name: name.into(), kind: Kind::Absent, deprecated: false, changes: vec![] });
    let mut differing: Vec<_> = rows.iter().filter_map(|row| Differing::of(row, &defaults)).chain(absent).collect();
    let known = |name: &String| rows.iter().any(|row| row.name == *name) || defaults.named(name).is_some();
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        refuse_unknown(&rows, std::slice::from_ref(unknown))?;
    }
    differing.retain(|one| names.is_empty() || names.contains(&one.name));
    differing.sort_by(|a, b| a.name.cmp(&b.name));
    match json {
        true => print_json(&differing),
        false => {
            print(&differing.iter().map(Differing::text).collect::<String>());
            Ok(())
        }
    }
}

impl Differing {
    fn of(row: &CatalogRow, defaults: &Defaults) -> Option<Self> {
        let default = defaults.of(row).filter(|_| row.modified_from_default);
        let changes = default.map(|default| difference::between(&default.definition, &row.definition));
        let changes = changes.unwrap_or_default();
        let kind = match (is_builtin(row), changes.is_empty()) {
            (false, _) => Kind::Own,
            (true, false) => Kind::Edited,
            (true, true) if !row.is_active => Kind::Default,
            (true, true) => return None,
        };
        Some(Self { name: row.name.clone(), kind, deprecated: !row.is_active, changes })
    }

    fn text(&self) -> String {
        let Self { name, kind, changes, .. } = self;
        let deprecated = if self.deprecated { ", deprecated" } else { "" };
        let changes: String = changes.iter().map(|change| format!("    {change}\n")).collect();
        match kind {
            Kind::Edited => format!("{name}: edited{deprecated}\n{changes}"),
            Kind::Own => format!("{name}: the operator's own{deprecated}\n"),
            Kind::Absent => format!("{name}: built in, and not in the database: the next start of a server adds it\n"),
            Kind::Default => format!("{name}: as built in{deprecated}\n"),
        }
    }
}

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
            "{} is not built in, so there is nothing to go back to: import a file, or `patchbay catalog delete` it",
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
    let changed = store.system().edit_catalog(edit).await.map_err(sentence)??;
    if json {
        return print_json(&changed);
    }
    changed.changed.iter().for_each(|name| print(&format!("{name} {done}\n")));
    changed.unchanged.iter().for_each(|name| print(&format!("{name} was so already\n")));
    Ok(())
}

fn edits(
    rows: &[CatalogRow],
    names: &[String],
    to: impl Fn(&CatalogRow) -> Result<CatalogRow, String>,
) -> Result<(Vec<RowEdit>, Changed), String> {
    refuse_unknown(rows, names)?;
    let (mut edits, mut told) = (Vec::new(), Changed { changed: Vec::new(), unchanged: Vec::new() });
    for row in rows.iter().filter(|row| names.contains(&row.name)) {
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

#[derive(Serialize)]
struct Deleted<'a> {
    deleted: &'a str,
    accounts: usize,
}

pub(super) async fn delete(store: &Store, name: &str, force: bool, json: bool) -> Result<(), String> {
    let rows = rows(store).await?;
    refuse_unknown(&rows, &[name.to_owned()])?;
    let Some(row) = rows.into_iter().find(|row| row.name == name && !is_builtin(row)) else {
        return Err(format!(
            "{name} is built in, and would be back with the next start: `patchbay catalog deprecate {name}` instead"
        ));
    };
    let id = IntegrationId(row.id);
    let installed = Installed::of(store, &[id]).await?;
    let accounts = installed.accounts(id);
    if !force && !accounts.is_empty() {
        return Err(format!(
            "{} of {name}: `patchbay catalog deprecate {name}` keeps it for them, --force deletes what they stored",
            match accounts.len() {
                1 => "1 account has an installation".to_owned(),
                many => format!("{many} accounts have an installation"),
            }
        ));
    }
    for account in accounts {
        let subject = Subject { id, name: name.to_owned() };
        let event = Event { integration: Some(subject), ..Event::new(&operator(), Action::Purged) };
        store.tenant(account.clone()).forget(id, event).await.map_err(sentence)?;
    }
    let row = Arc::new(row);
    let edit = move |rows: &[CatalogRow]| match rows.iter().any(|there| there.id == row.id) {
        true => (vec![RowEdit::Delete(row.id)], ()),
        false => (Vec::new(), ()),
    };
    store.system().edit_catalog(edit).await.map_err(sentence)?;
    match json {
        true => print_json(&Deleted { deleted: name, accounts: accounts.len() }),
        false => {
            let gone = count(accounts.len() as u64, "installation");
            print(&format!("{name} is deleted, and {gone} of it\n"));
            Ok(())
        }
    }
}
