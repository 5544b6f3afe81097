//! Entries as files that can be imported again.

use std::fs;
use std::path::Path;

use super::defaults::is_builtin;
use super::{refuse_unknown, rows};
use crate::catalog::{Syntax, write};
use crate::cli::print::{print, tell};
use crate::store::{CatalogRow, Store};

pub(super) const HELP: &str = "\
To standard output: one entry as it is, several as a JSON list or as YAML documents.

Examples:
  patchbay catalog export stripe > stripe.json
  patchbay catalog export --changed --format yaml --out our-entries";

/// What to export, and how.
pub(super) struct Wish {
    /// All when empty.
    pub(super) names: Vec<String>,
    /// Only what is edited or the operator's own.
    pub(super) changed: bool,
    pub(super) syntax: Syntax,
}

pub(super) async fn export(store: &Store, wish: &Wish, out: Option<&Path>) -> Result<(), String> {
    let Wish { names, changed, syntax } = wish;
    let rows = rows(store).await?;
    refuse_unknown(&rows, names)?;
    let is_wanted = |row: &&CatalogRow| {
        (names.is_empty() || names.contains(&row.name)) && (!*changed || row.modified_from_default || !is_builtin(row))
    };
    let rows: Vec<_> = rows.iter().filter(is_wanted).collect();
    match out {
        Some(folder) => write_files(&rows, *syntax, folder),
        None => print(&text(&rows, *syntax)),
    }
}

/// One text that a single file may hold.
fn text(rows: &[&CatalogRow], syntax: Syntax) -> String {
    let entries: Vec<_> = rows.iter().map(|row| write(&row.definition, syntax)).collect();
    match (syntax, entries.as_slice()) {
        (_, [entry]) => entry.clone(),
        (Syntax::Json, entries) => {
            let items: Vec<_> = entries.iter().map(|entry| entry.trim_end()).collect();
            format!("[{}]\n", items.join(",\n"))
        }
        (Syntax::Yaml, entries) => entries.join("---\n"),
    }
}

fn write_files(rows: &[&CatalogRow], syntax: Syntax, folder: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let ending = if syntax == Syntax::Json { "json" } else { "yaml" };
    for row in rows {
        // A name has no character that means anything to a file system.
        let path = folder.join(format!("{}.{ending}", row.name));
        fs::write(&path, write(&row.definition, syntax)).map_err(|error| failed(&path, error))?;
    }
    tell(&format!("{} written to {}", super::validate::count_entries(rows.len()), folder.display()));
    Ok(())
}
