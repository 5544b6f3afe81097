//! What can be done, once, for both transports. Knows no status code, header or GraphQL type.

mod api_keys;
mod audit_budget;
mod catalog;
mod changes;
mod cursor;
mod events;
mod installation;
mod keys;
mod listing;
mod memory;
mod own_entries;
mod reading;
mod repeats;
mod search;
mod snapshot;
mod startup;
mod turns;
mod under_way;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

pub use api_keys::{ApiKeyPage, ApiKeyPolicy, ApiKeys, MadeKey, Pepper, RightsObserver};
pub use audit_budget::AuditObserver;
pub use changes::{Changes, Subscription};
pub use events::EventPage;
pub use installation::{Outcome, Verdict};
pub use keys::{
    Binding, Blocked, Broken, KeyKeeper, KeyPolicy, KeyStatus, Pace, ProviderStatus, Resealing, Tally, Verified,
};
pub use listing::Listing;
pub use reading::Opened;
pub use repeats::Done;
pub use snapshot::Snapshot;
pub use startup::compare_keys;

pub use crate::catalog::ENTRY_SCHEMA;

use crate::domain::limits::InstallLimits;
use crate::domain::{AccountId, Call, Event, Principal, api_key};
use crate::error::{Result, StartError};
use crate::store::{Store, TenantStore};
use crate::tokens::Tokens;
use audit_budget::AuditBudget;
use catalog::View;
use own_entries::OwnCatalogs;
use repeats::Name;
use snapshot::CatalogCache;
use turns::Turns;
use under_way::UnderWay;

/// What a running server works with. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    keys: KeyKeeper,
    tokens: Tokens,
    catalog: CatalogCache,
    own_catalogs: OwnCatalogs,
    changes: Changes,
    turns: Turns,
    /// Requests with a key.
    running: UnderWay<Name>,
    limits: InstallLimits,
    audit_budget: AuditBudget,
    read_back: bool,
    api_keys: ApiKeys,
}

/// Settings of the services.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSettings {
    /// Sizes of an install.
    pub limits: InstallLimits,
    /// Most bytes of events of one account and day that keep their names, on one replica; 0 is no limit.
    pub audit_max_bytes_per_day: u64,
    /// Whether stored secrets may be read back at all.
    pub read_back: bool,
    /// Memory for the merged catalogs of accounts with custom integrations, about, in bytes; 0 keeps none.
    pub own_catalog_cache_bytes: u64,
    /// Most open subscriptions of one account.
    pub max_subscriptions_per_account: usize,
    /// How often a subscribed account's change counter is read.
    pub subscription_poll: Duration,
}

/// Everything one account can do. Made per request; every method acts for its account alone, and sees one revision of the
/// catalog.
#[derive(Clone)]
pub struct TenantServices {
    services: Services,
    tenant: TenantStore,
    catalog: Arc<Snapshot>,
    call: Call,
}

impl Services {
    /// Brings keys and catalog in order, then serves.
    ///
    /// # Errors
    /// A sentence for the operator: the database fails, or the keys at hand are not the ones it was sealed with.
    pub async fn start(
        store: Store,
        keys: KeyKeeper,
        api_keys: ApiKeys,
        tokens: Tokens,
        settings: ServiceSettings,
    ) -> std::result::Result<Self, StartError> {
        keys.check().await?;
        if !keys.load_signals().await.map_err(startup::sentence)?.binds_secrets {
            tracing::info!(
                "secrets are not bound to counters: run `patchbay keys bind` once every server runs this release"
            );
        }
        startup::load_catalog(&store).await?;
        let catalog = CatalogCache::load(&store).await.map_err(startup::sentence)?;
        let changes = Changes::new(settings.max_subscriptions_per_account, settings.subscription_poll);
        let ServiceSettings { limits, audit_max_bytes_per_day, read_back, .. } = settings;
        let inner = Inner {
            store,
            keys,
            tokens,
            catalog,
            own_catalogs: OwnCatalogs::new(settings.own_catalog_cache_bytes),
            changes,
            turns: Turns::default(),
            running: UnderWay::default(),
            limits,
            audit_budget: AuditBudget::new(audit_max_bytes_per_day),
            read_back,
            api_keys,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the account can do, on behalf of the one who asks.
    pub fn tenant(&self, account: AccountId, call: Call) -> TenantServices {
        let tenant = self.inner.store.tenant(account);
        TenantServices { tenant, catalog: self.catalog(), services: self.clone(), call }
    }

    /// Who holds this credential.
    ///
    /// # Errors
    /// [`Unauthenticated`](crate::error::Error::Unauthenticated); those of the database, and of [`Tokens::verify`].
    pub async fn authenticate(&self, credential: &str) -> Result<Arc<Principal>> {
        match credential.starts_with(api_key::PREFIX) {
            true => self.api_keys().authenticate(credential).await,
            false => self.inner.tokens.verify(credential).await,
        }
    }

    /// Keeps the keys fresh that tokens are checked with; never ends.
    pub async fn follow_identity_providers(&self) {
        self.inner.tokens.follow().await;
    }

    /// Whether what was authenticated once still stands; asked again and again by what outlives a request.
    ///
    /// # Errors
    /// [`Unauthenticated`](crate::error::Error::Unauthenticated) when it expired or was revoked since; those of the database.
    pub async fn check_standing(&self, principal: &Principal) -> Result<()> {
        principal.check_time(Utc::now())?;
        self.api_keys().check_standing(principal).await
    }

    /// Calls the observer for each event that loses its names to `audit.max_bytes_per_day`.
    pub fn observe_audit(&self, observer: AuditObserver) {
        self.inner.audit_budget.observe(observer);
    }

    /// The API keys.
    pub fn api_keys(&self) -> &ApiKeys {
        &self.inner.api_keys
    }

    /// The catalog as it stands.
    pub fn catalog(&self) -> Arc<Snapshot> {
        self.inner.catalog.current()
    }

    /// Reads the catalog again if its revision changed, for instance through another replica.
    ///
    /// # Errors
    /// Those of the database; the catalog in force stays.
    pub async fn refresh_catalog(&self) -> Result<()> {
        self.inner.catalog.refresh(&self.inner.store).await
    }

    /// Whether requests can be served.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn check(&self) -> Result<()> {
        self.inner.store.check().await
    }

    /// Whether changes can be stored.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_writable(&self) -> Result<bool> {
        self.inner.store.is_writable().await
    }

    /// Whether secrets can be stored.
    pub fn can_seal(&self) -> bool {
        self.inner.keys.is_usable()
    }

    /// The data keys.
    pub fn keys(&self) -> &KeyKeeper {
        &self.inner.keys
    }

    /// Deletes the records of requests with a key that are older than a day; how many there were. Several replicas may do it
    /// at once.
    ///
    /// # Errors
    /// Those of the database; what was deleted until then stays deleted.
    pub async fn erase_old_receipts(&self) -> Result<u64> {
        self.inner.store.system().erase_old_receipts().await
    }

    /// Ends all subscriptions.
    pub fn close_subscriptions(&self) {
        self.inner.changes.close();
    }
}

impl TenantServices {
    /// Whose they are.
    pub fn account(&self) -> &AccountId {
        self.tenant.account()
    }

    /// The same for a later request: with the catalog as it stands now.
    pub fn anew(&self) -> Self {
        Self { catalog: self.services.catalog(), ..self.clone() }
    }

    /// On whose behalf they act.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The event as it is to be written: without names when the account's log is over its daily size.
    fn admit_event(&self, event: Event) -> Event {
        self.inner().audit_budget.admit(self.account(), event)
    }

    fn inner(&self) -> &Inner {
        &self.services.inner
    }
}
