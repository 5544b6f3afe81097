//! What is in the shared catalog.

use serde::Serialize;
use serde_json::Value;

use super::defaults::is_builtin;
use super::rows;
use crate::catalog;
use crate::cli::print::{print, print_json};
use crate::domain::text::printable;
use crate::store::{CatalogRow, Store};

#[derive(Serialize)]
struct Listed {
    name: String,
    display_name: String,
    category: String,
    /// `active` or `deprecated`.
    state: &'static str,
    /// It came with the binary.
    builtin: bool,
    /// It is built in, and an operator edited it.
    modified: bool,
    definition: Value,
}

pub(super) async fn list(store: &Store, json: bool) -> Result<(), String> {
    show(rows(store).await?.into_iter().map(Listed::from).collect(), json)
}

/// Those that came with the binary.
pub(super) fn builtin(json: bool) -> Result<(), String> {
    let entries = catalog::builtin().map_err(|faults| faults.join("\n"))?;
    let listed = |definition: Value| Listed::new(true, "active", false, definition);
    show(entries.into_iter().map(|(_, definition)| listed(definition)).collect(), json)
}

fn show(mut entries: Vec<Listed>, json: bool) -> Result<(), String> {
    entries.sort_by(|a, b| (&a.category, &a.name).cmp(&(&b.category, &b.name)));
    if json {
        return print_json(&entries);
    }
    print(&entries.iter().map(Listed::line).collect::<String>())
}

impl Listed {
    fn new(builtin: bool, state: &'static str, modified: bool, definition: Value) -> Self {
        let text = |key: &str| definition[key].as_str().unwrap_or_default().to_owned();
        let (name, display_name, category) = (text("name"), text("display_name"), text("category"));
        Self { name, display_name, category, state, builtin, modified, definition }
    }

    fn line(&self) -> String {
        let Self { name, category, .. } = self;
        let display_name = printable(&self.display_name);
        let marks = [(!self.builtin, "own"), (self.modified, "edited"), (self.state != "active", "deprecated")];
        let marks: Vec<_> = marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark).collect();
        format!("{category:<16} {name:<20} {:<18} {display_name}\n", marks.join(","))
    }
}

impl From<CatalogRow> for Listed {
    fn from(row: CatalogRow) -> Self {
        let (builtin, state) = (is_builtin(&row), if row.is_active { "active" } else { "deprecated" });
        // The column is the name that counts.
        Self { name: row.name, ..Self::new(builtin, state, builtin && row.modified_from_default, row.definition) }
    }
}
