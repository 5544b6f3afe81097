//! How the shared catalog differs from what is built in.

use serde::Serialize;

use super::defaults::{Defaults, is_builtin};
use super::difference::{self, Difference};
use super::{refuse_unknown, rows};
use crate::cli::print::{print, print_json};
use crate::store::{CatalogRow, Store};

pub(super) const HELP: &str = "\
Edited entries are told key by key, what is built in first. Entries of the operator's own,
deprecated ones, and those that are built in and not in the database are told too.

With --json: a list of name, kind (edited, own, absent), deprecated, changes (key, old, new)";

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
        false => print(&differing.iter().map(Differing::text).collect::<String>()),
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
