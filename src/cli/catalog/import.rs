//! Files become entries of the shared catalog.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::defaults::{Defaults, is_builtin};
use super::installed::Installed;
use super::plan::{Action, Prunable, Step, Wanted, plan};
use super::validate::{Report, count_entries, read_and_check};
use super::{rows, validate};
use crate::catalog::{Finding, Set};
use crate::cli::operator;
use crate::cli::print::{count, print, print_json, sentence};
use crate::domain::IntegrationId;
use crate::store::Store;

pub(super) const HELP: &str = "\
An entry with the name of a built-in one edits that: upgrades leave it alone from then on, and
`patchbay catalog diff` shows how it differs. An entry that is deprecated stays so.

With --json: dry_run, entries (name, action: created, updated, unchanged, removed, kept; builtin,
deprecated, changes: key, old, new; installed_by), warnings. With mistakes in the files: as
`patchbay catalog validate --json`

Examples:
  patchbay catalog import acme.yaml
  patchbay catalog import our-entries/ --prune --dry-run";

/// How to import.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) dry_run: bool,
    pub(super) prune: bool,
}

#[derive(Serialize)]
struct Imported<'a> {
    dry_run: bool,
    entries: &'a [Step],
    warnings: &'a [Finding],
}

pub(super) async fn import(store: &Store, paths: &[PathBuf], wish: Wish, json: bool) -> Result<(), String> {
    let (batch, report) = read_and_check(paths, Set::Custom)?;
    if let Err(mistakes) = report.verdict() {
        match json {
            true => print_json(&report)?,
            false => report.tell(),
        }
        return Err(format!("{mistakes}: nothing is imported"));
    }
    let wanted = batch.entries.into_iter().map(|entry| Wanted { name: entry.name, definition: entry.definition });
    let steps = write(store, wanted.collect(), wish).await?;
    match json {
        true => print_json(&Imported { dry_run: wish.dry_run, entries: &steps, warnings: report.warnings() }),
        false => {
            report.tell();
            print(&told(&steps, &report, wish.dry_run))
        }
    }
}

async fn write(store: &Store, wanted: Vec<Wanted>, wish: Wish) -> Result<Vec<Step>, String> {
    let defaults = Defaults::load()?;
    let prunable = if wish.prune { prunable(store, &wanted).await? } else { Prunable::new() };
    if wish.dry_run {
        return Ok(plan(&rows(store).await?, &wanted, &defaults, &prunable).1);
    }
    let known = Arc::new((wanted, defaults, prunable));
    let edit = move |rows: &[_]| plan(rows, &known.0, &known.1, &known.2);
    store.system().edit_catalog(operator(), edit).await.map_err(sentence)
}

async fn prunable(store: &Store, wanted: &[Wanted]) -> Result<Prunable, String> {
    let rows = rows(store).await?;
    let names: HashSet<_> = wanted.iter().map(|entry| entry.name.as_str()).collect();
    let own = rows.iter().filter(|row| !is_builtin(row) && !names.contains(row.name.as_str()));
    let ids: Vec<_> = own.map(|row| IntegrationId(row.id)).collect();
    let installed = Installed::of(store, &ids).await?;
    Ok(ids.into_iter().map(|id| (id.0, installed.accounts(id).len())).collect())
}

fn told(steps: &[Step], report: &Report, dry_run: bool) -> String {
    let number = |action: Action| steps.iter().filter(|step| step.action == action).count();
    let lines: String = steps.iter().filter(|step| step.action != Action::Unchanged).map(line).collect();
    let [created, updated, unchanged, removed, kept] =
        [Action::Created, Action::Updated, Action::Unchanged, Action::Removed, Action::Kept].map(number);
    let in_files = validate::count_entries(created + updated + unchanged);
    let end = if dry_run { "Nothing was written: this was a dry run." } else { "Servers see it within two seconds." };
    let end = if created + updated + removed == 0 { "Nothing to change." } else { end };
    format!(
        "{lines}{in_files} in {}: {created} created, {updated} updated, {unchanged} unchanged; {} removed, {kept} kept. {end}\n",
        count(report.files() as u64, "file"),
        count_entries(removed),
    )
}

fn line(step: &Step) -> String {
    let Step { name, action, builtin, deprecated, changes, installed_by } = step;
    let notes = [(*builtin, "built in"), (*deprecated, "deprecated")].into_iter().filter(|(holds, _)| *holds);
    let notes = notes.map(|(_, note)| format!(" ({note})")).collect::<String>();
    let changes: String = changes.iter().map(|change| format!("    {change}\n")).collect();
    match action {
        Action::Created => format!("created   {name}{notes}\n"),
        Action::Updated => format!("updated   {name}{notes}\n{changes}"),
        Action::Unchanged => format!("unchanged {name}{notes}\n"),
        Action::Removed => format!("removed   {name}{notes}\n"),
        Action::Kept => {
            format!(
                "kept      {name}{notes}: not in the files, and installed by {}\n",
                count(*installed_by as u64, "account")
            )
        }
    }
}
