//! Catalog entries of an account's own: the same vocabulary and rules as the shared catalog, seen by their account alone.

use std::sync::Arc;

use chrono::Utc;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::installation::json_len;
use super::snapshot::{self, Snapshot};
use super::{TenantServices, View};
use crate::catalog::{self, Set};
use crate::domain::limits::{OWN_DEFINITION_BYTES, OWN_ENTRIES};
use crate::domain::{AccountId, Action, Entry, EntryState, Event, Integration, IntegrationId, Reference};
use crate::error::{DefinitionProblem, Error, Result};
use crate::store::{AccountState, CatalogRow, OwnChange, TenantStore};

/// Accounts whose catalogs are kept: each is a list of pointers as long as the shared catalog.
const KEPT: usize = 64;

/// The catalogs of accounts with entries of their own, as they were last seen.
pub(super) struct OwnCatalogs(Cache<AccountId, Arc<OwnCatalog>>);

struct OwnCatalog {
    shared: Arc<Snapshot>,
    revision: i64,
    merged: Arc<Snapshot>,
}

impl Default for OwnCatalogs {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl OwnCatalogs {
    /// The shared catalog with the account's own entries in it, as of this state.
    pub(super) async fn of(
        &self,
        tenant: &TenantStore,
        shared: &Arc<Snapshot>,
        state: &AccountState,
    ) -> Result<Arc<Snapshot>> {
        let revision = state.own_catalog();
        let fits = |kept: &Arc<OwnCatalog>| kept.revision == revision && Arc::ptr_eq(&kept.shared, shared);
        if let Some(kept) = self.0.get(tenant.account()).filter(fits) {
            return Ok(kept.merged.clone());
        }
        let entries = tenant.own_entries().await?.into_iter().filter_map(|row| own_entry(row, tenant.account()));
        let merged = Arc::new(shared.with(entries.collect()));
        let own = OwnCatalog { shared: shared.clone(), revision, merged: merged.clone() };
        self.0.insert(tenant.account().clone(), Arc::new(own));
        Ok(merged)
    }
}

fn own_entry(row: CatalogRow, account: &AccountId) -> Option<Entry> {
    let id = row.id;
    let entry = snapshot::entry(row).inspect_err(|cause| tracing::error!(%account, %id, cause, "own entry left out"));
    Some(Entry { is_custom: true, ..entry.ok()? })
}

impl TenantServices {
    /// Adds an entry of the account's own.
    ///
    /// # Errors
    /// [`Error::DefinitionInvalid`] with everything that is wrong with it; [`Error::NameTaken`];
    /// [`Error::TooManyEntries`]; those of the database.
    pub async fn create_entry(&self, definition: Map<String, Value>) -> Result<Integration> {
        let definition = Value::Object(definition);
        let name = self.check_definition(&definition, None)?;
        let id = IntegrationId(Uuid::now_v7());
        let event = Event::new(self.call(), Action::IntegrationCreated).of_named(id, &name);
        let change = OwnChange::Create { id, name, definition, most: OWN_ENTRIES };
        self.tenant.change_own(change, event).await?;
        self.integration(&Reference::Id(id)).await
    }

    /// Replaces the definition of an entry of the account's own, and offers it again if it was deprecated. Stored params
    /// and secrets are left as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOwn`]; [`Error::DefinitionInvalid`]; those of the database.
    pub async fn update_entry(&self, reference: &Reference, definition: Map<String, Value>) -> Result<Integration> {
        let (entry, definition) = (self.own_entry(reference).await?, Value::Object(definition));
        self.check_definition(&definition, Some(&entry.name))?;
        let change = OwnChange::Replace { id: entry.id, definition };
        self.tenant.change_own(change, self.event_of(Action::IntegrationUpdated, &entry)).await?;
        self.integration(&Reference::Id(entry.id)).await
    }

    /// Lets nobody install an entry of the account's own anew. What is installed goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOwn`]; those of the database.
    pub async fn deprecate_entry(&self, reference: &Reference) -> Result<Integration> {
        let entry = self.own_entry(reference).await?;
        let event = self.event_of(Action::IntegrationDeprecated, &entry);
        self.tenant.change_own(OwnChange::Deprecate { id: entry.id }, event).await?;
        self.integration(&Reference::Id(entry.id)).await
    }

    /// Deletes an entry of the account's own; its name is not used again. With `force` also while it is installed, and
    /// with all that was stored for it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOwn`]; [`Error::Installed`]; those of the database.
    pub async fn delete_entry(&self, reference: &Reference, force: bool) -> Result<IntegrationId> {
        let entry = self.own_entry(reference).await?;
        let event = self.event_of(Action::IntegrationDeleted, &entry);
        self.tenant.change_own(OwnChange::Delete { id: entry.id, force }, event).await?;
        Ok(entry.id)
    }

    /// An entry as it is written in the vocabulary of the catalog files.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn definition(&self, reference: &Reference) -> Result<Map<String, Value>> {
        let entry = self.view().await?.find(reference)?;
        let row = match entry.is_custom {
            true => self.tenant.own_entries().await?.into_iter().find(|row| row.id == entry.id.0),
            false => self.inner().store.system().catalog_entry(entry.id).await?,
        };
        match row.ok_or(Error::NotFound)?.definition {
            Value::Object(definition) => Ok(definition),
            _ => Err(Error::Internal { cause: "a definition is not an object".into() }),
        }
    }

    async fn own_entry(&self, reference: &Reference) -> Result<Arc<Entry>> {
        let entry = self.view().await?.find(reference)?;
        if entry.is_custom { Ok(entry) } else { Err(Error::NotOwn) }
    }

    fn event_of(&self, action: Action, entry: &Entry) -> Event {
        Event::new(self.call(), action).of(entry)
    }

    /// The name in it, if nothing is wrong; `kept` is the name that it must have.
    fn check_definition(&self, definition: &Value, kept: Option<&str>) -> Result<String> {
        if json_len(definition) > OWN_DEFINITION_BYTES {
            let message = format!("is larger than {OWN_DEFINITION_BYTES} bytes");
            return Err(Error::DefinitionInvalid(vec![DefinitionProblem { pointer: String::new(), message }]));
        }
        let checked = catalog::check(definition, Set::Custom, Utc::now().date_naive());
        let mut problems: Vec<_> = checked.problems.into_iter().map(DefinitionProblem::from).collect();
        let name = checked.file.name;
        let at_name = |message: &str| DefinitionProblem { pointer: "/name".into(), message: message.into() };
        match kept {
            Some(kept) if !name.is_empty() && kept != name => {
                problems.push(at_name("cannot be changed: delete the entry, and create another"));
            }
            None if self.catalog.find(&Reference::Name(name.clone())).is_some() => {
                problems.push(at_name("is a name of the shared catalog: choose another"));
            }
            _ => {}
        }
        if problems.is_empty() { Ok(name) } else { Err(Error::DefinitionInvalid(problems)) }
    }
}

impl From<catalog::Problem> for DefinitionProblem {
    fn from(problem: catalog::Problem) -> Self {
        Self { pointer: problem.pointer, message: problem.message }
    }
}

impl View {
    /// The entry that is meant.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) fn find(&self, reference: &Reference) -> Result<Arc<Entry>> {
        self.catalog.find(reference).ok_or(Error::NotFound)
    }

    /// Refuses what is not to be installed anew.
    ///
    /// # Errors
    /// [`Error::Deprecated`].
    pub(super) fn check_offered(entry: &Entry, is_installed: bool) -> Result<()> {
        match entry.state {
            EntryState::Deprecated if !is_installed => Err(Error::Deprecated),
            _ => Ok(()),
        }
    }
}
