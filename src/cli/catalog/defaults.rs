//! What is built in, to compare rows with.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalog::builtin;
use crate::domain::IntegrationId;
use crate::store::CatalogRow;

/// The entries that came with this binary, by name.
pub(super) struct Defaults(BTreeMap<String, Default>);

/// One of them.
pub(super) struct Default {
    pub(super) definition: Value,
    pub(super) revision: i32,
}

impl Defaults {
    pub(super) fn load() -> Result<Self, String> {
        let entries = builtin().map_err(|faults| faults.join("\n"))?;
        let entries = entries.into_iter();
        Ok(Self(
            entries.map(|(file, definition)| (file.name, Default { definition, revision: file.revision })).collect(),
        ))
    }

    /// What a row would be if nobody had edited it; none for an entry of the operator's own.
    pub(super) fn of(&self, row: &CatalogRow) -> Option<&Default> {
        if is_builtin(row) { self.0.get(&row.name) } else { None }
    }

    pub(super) fn named(&self, name: &str) -> Option<&Default> {
        self.0.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The row with what else it says about itself put right: whether it differs from what is built in.
    pub(super) fn settle(&self, row: CatalogRow) -> CatalogRow {
        match self.of(&row) {
            Some(default) if row.is_active && row.definition == default.definition => {
                CatalogRow { modified_from_default: false, default_revision: default.revision, ..row }
            }
            _ => CatalogRow { modified_from_default: is_builtin(&row), ..row },
        }
    }
}

/// Also of another version: the id tells.
pub(super) fn is_builtin(row: &CatalogRow) -> bool {
    row.id == IntegrationId::of_builtin(&row.name).0
}
