//! Catalog entries of an account's own: the same vocabulary and rules as the shared catalog, seen by their account alone.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Utc;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::installation::json_len;
use super::repeats::{Asked, Content, Done, Subject};
use super::snapshot::{self, Listed, Snapshot};
use super::validation::run_blocking;
use super::{TenantServices, View, memory};
use crate::catalog::{self, Set};
use crate::domain::limits::{MAX_OWN_CATALOG_BYTES, OWN_DEFINITION_BYTES, OWN_ENTRIES};
use crate::domain::{
    AccountId, Action, Entry, EntryState, Event, IdempotencyKey, Integration, IntegrationId, Operation, Reference,
    Scope,
};
use crate::error::{DefinitionProblem, Error, Result};
use crate::store::{AccountState, CatalogRow, OwnChange, Receipt, TenantStore};

/// The memory that a kept catalog takes per shared or custom entry: pointers, indexes and search texts.
const BYTES_PER_ENTRY: u64 = 2 * 1024;
/// The number of catalogs that the cache makes room for at first.
const EXPECTED_CATALOGS: usize = 32;

/// The catalogs of accounts with entries of their own, as they were last seen.
pub(super) struct OwnCatalogs(Cache<AccountId, Arc<OwnCatalog>, ByMemory>);

struct OwnCatalog {
    shared: Arc<Snapshot>,
    revision: i64,
    own: Vec<Arc<Listed>>,
    merged: Arc<Snapshot>,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<AccountId, Arc<OwnCatalog>> for ByMemory {
    fn weight(&self, _: &AccountId, catalog: &Arc<OwnCatalog>) -> u64 {
        let own: usize = catalog.own.iter().map(|listed| memory::entry_bytes(&listed.entry)).sum();
        own as u64 + catalog.merged.len() as u64 * BYTES_PER_ENTRY
    }
}

impl OwnCatalogs {
    /// With room for about this many bytes; 0 keeps none.
    pub(super) fn new(bytes: u64) -> Self {
        Self(Cache::with_weighter(EXPECTED_CATALOGS, bytes, ByMemory))
    }

    /// The shared catalog with the account's own entries in it, as of this state.
    pub(super) async fn of(
        &self,
        tenant: &TenantStore,
        shared: &Arc<Snapshot>,
        state: &AccountState,
    ) -> Result<Arc<Snapshot>> {
        let revision = state.own_catalog();
        let kept = self.0.get(tenant.account());
        if let Some(kept) = kept.as_ref().filter(|kept| kept.revision == revision && Arc::ptr_eq(&kept.shared, shared))
        {
            return Ok(kept.merged.clone());
        }
        let own = match &kept {
            Some(kept) if kept.revision == revision => kept.own.clone(),
            Some(kept) => reload(tenant, &kept.own).await?,
            None => listed(tenant.own_entries().await?, tenant.account()).collect(),
        };
        let merged = Arc::new(shared.merged_with(&own));
        let catalog = OwnCatalog { shared: shared.clone(), revision, own, merged: merged.clone() };
        self.0.insert(tenant.account().clone(), Arc::new(catalog));
        Ok(merged)
    }
}

/// The account's own entries. Those that did not change since are kept, and their definitions not read.
async fn reload(tenant: &TenantStore, kept: &[Arc<Listed>]) -> Result<Vec<Arc<Listed>>> {
    let kept: HashMap<_, _> =
        kept.iter().map(|listed| ((listed.entry.id.0, listed.entry.updated_at), listed)).collect();
    let (mut own, mut changed) = (Vec::new(), Vec::new());
    for version in tenant.own_versions().await? {
        match kept.get(&version) {
            Some(listed) => own.push(Arc::clone(listed)),
            None => changed.push(version.0),
        }
    }
    if !changed.is_empty() {
        own.extend(listed(tenant.own_entries_among(&changed).await?, tenant.account()));
    }
    Ok(own)
}

fn listed(rows: Vec<CatalogRow>, account: &AccountId) -> impl Iterator<Item = Arc<Listed>> {
    rows.into_iter().filter_map(|row| own_entry(row, account)).map(|entry| Arc::new(Listed::new(entry)))
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
    /// [`Error::TooManyEntries`]; [`Error::OwnCatalogFull`]; with a key [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the database.
    pub async fn create_entry(
        &self,
        definition: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Done<Integration>> {
        let write = |_: &str| serde_json::to_vec(&definition);
        let asked = self.asked_of_entry(key, Operation::CreateIntegration, None, write).await?;
        if let Some(earlier) = asked.earlier() {
            return self.entry_of(earlier).await;
        }
        let (name, definition) = self.check_definition(definition, None)?;
        let id = IntegrationId(Uuid::now_v7());
        let event = Event::new(self.call(), Action::IntegrationCreated).of_named(id, &name);
        let change = OwnChange::Create { id, name, definition, most: OWN_ENTRIES, max_bytes: MAX_OWN_CATALOG_BYTES };
        self.change_own(change, id, event, &asked).await?;
        self.integration(&Reference::Id(id)).await.map(Done::now)
    }

    /// Replaces the definition of an entry of the account's own, and offers it again if it was deprecated. Stored params
    /// and secrets are left as they are. While something is stored, what its requests are made of (hosts, base URL,
    /// placements, defaults) changes with the scope `installations:write` alone.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`]; [`Error::NotOwn`]; [`Error::DefinitionInvalid`];
    /// [`Error::OwnCatalogFull`]; with a key [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the database.
    pub async fn update_entry(
        &self,
        reference: &Reference,
        definition: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Done<Integration>> {
        let write = |reference: &str| serde_json::to_vec(&(reference, &definition));
        let asked = self.asked_of_entry(key, Operation::UpdateIntegration, Some(reference), write).await?;
        if let Some(earlier) = asked.earlier() {
            return self.entry_of(earlier).await;
        }
        let entry = self.own_entry(reference).await?;
        let (_, definition) = self.check_definition(definition, Some(&entry.name))?;
        let event = self.event_of(Action::IntegrationUpdated, &entry);
        let may_change_requests = self.has_scope(Scope::InstallationsWrite);
        let max_bytes = MAX_OWN_CATALOG_BYTES;
        let change = OwnChange::Replace { id: entry.id, definition, may_change_requests, max_bytes };
        self.change_own(change, entry.id, event, &asked).await?;
        self.integration(&Reference::Id(entry.id)).await.map(Done::now)
    }

    /// Lets nobody install an entry of the account's own anew. What is installed goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOwn`]; with a key [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the
    /// database.
    pub async fn deprecate_entry(
        &self,
        reference: &Reference,
        key: Option<IdempotencyKey>,
    ) -> Result<Done<Integration>> {
        let write = serde_json::to_vec::<str>;
        let asked = self.asked_of_entry(key, Operation::DeprecateIntegration, Some(reference), write).await?;
        if let Some(earlier) = asked.earlier() {
            return self.entry_of(earlier).await;
        }
        let entry = self.own_entry(reference).await?;
        let event = self.event_of(Action::IntegrationDeprecated, &entry);
        self.change_own(OwnChange::Deprecate { id: entry.id }, entry.id, event, &asked).await?;
        self.integration(&Reference::Id(entry.id)).await.map(Done::now)
    }

    /// Deletes an entry of the account's own; its name is not used again. With `force` also while it is installed, and
    /// with all that was stored for it. With `force`, and where anything is stored, it needs the scope `secrets:purge`.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`]; [`Error::NotOwn`]; [`Error::Installed`]; with a key
    /// [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the database.
    pub async fn delete_entry(
        &self,
        reference: &Reference,
        force: bool,
        key: Option<IdempotencyKey>,
    ) -> Result<Done<IntegrationId>> {
        let write = |reference: &str| serde_json::to_vec(&(reference, force));
        let asked = self.asked_of_entry(key, Operation::DeleteIntegration, Some(reference), write).await?;
        if let Some(earlier) = asked.earlier() {
            return Ok(Done::before(IntegrationId(earlier.subject)));
        }
        let entry = self.own_entry(reference).await?;
        let event = self.event_of(Action::IntegrationDeleted, &entry);
        let change = OwnChange::Delete { id: entry.id, force, may_purge: self.has_scope(Scope::SecretsPurge) };
        self.change_own(change, entry.id, event, &asked).await?;
        Ok(Done::now(entry.id))
    }

    async fn asked_of_entry(
        &self,
        key: Option<IdempotencyKey>,
        operation: Operation,
        reference: Option<&Reference>,
        write: impl Fn(&str) -> serde_json::Result<Vec<u8>>,
    ) -> Result<Asked> {
        let subject = reference.map_or(Subject::New, Subject::Integration);
        self.asked(key, operation, Content { subject, write, has_secrets: false }).await
    }

    async fn change_own(&self, change: OwnChange, id: IntegrationId, event: Event, asked: &Asked) -> Result<()> {
        let on_record = asked.on_record(id.0, true, None);
        let event = self.admit_event(event);
        match on_record.as_ref().unwrap_or(&self.tenant).change_own(change, event).await? {
            true => Ok(()),
            false => asked.record_unchanged(id.0).await,
        }
    }

    /// What came of a request that was made before: the integration as it stands now.
    async fn entry_of(&self, earlier: &Receipt) -> Result<Done<Integration>> {
        self.integration(&Reference::Id(IntegrationId(earlier.subject))).await.map(Done::before)
    }

    /// An entry as it is written in the vocabulary of the catalog files.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn definition(&self, reference: &Reference) -> Result<Map<String, Value>> {
        let entry = self.view().await?.find(reference)?;
        let row = match entry.is_custom {
            true => self.tenant.own_entries_among(&[entry.id.0]).await?.pop(),
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

    /// The name in the definition, if nothing is wrong, and the definition; `kept` is the name that it must have.
    ///
    fn check_definition(&self, definition: Map<String, Value>, kept: Option<&str>) -> Result<(String, Value)> {
        let definition = Value::Object(definition);
        if json_len(&definition) > OWN_DEFINITION_BYTES {
            let message = format!("is larger than {OWN_DEFINITION_BYTES} bytes");
            return Err(Error::DefinitionInvalid(vec![DefinitionProblem { pointer: String::new(), message }]));
        }
        let checked = run_blocking(|| catalog::check(&definition, Set::Custom, Utc::now().date_naive()));
        let mut problems = checked.problems.map(DefinitionProblem::from);
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
        match problems.is_empty() {
            true => Ok((name, definition)),
            false => {
                let summary = |message| DefinitionProblem { pointer: String::new(), message };
                Err(Error::DefinitionInvalid(problems.into_vec(summary)))
            }
        }
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
