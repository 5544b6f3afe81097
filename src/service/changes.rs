//! Telling subscribers what changed, right with several replicas.
//!
//! Truth is the account's change counter in the database. A change made by this process wakes its subscribers at once;
//! one made elsewhere is seen when the counter is read next. Nothing is queued: a slow subscriber reads the rows that
//! changed since its own position, each in its latest state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::TenantServices;
use crate::domain::{AccountId, Integration, Reference};
use crate::error::{Error, Result};

/// The subscribers of this process, by account.
pub struct Changes {
    accounts: Arc<Mutex<HashMap<AccountId, Account>>>,
    closed: watch::Sender<bool>,
    most_per_account: usize,
    poll: Duration,
}

struct Account {
    wake: watch::Sender<()>,
    subscribers: usize,
}

/// One subscriber's position.
pub struct Subscription {
    tenant: TenantServices,
    position: i64,
    wake: watch::Receiver<()>,
    closed: watch::Receiver<bool>,
    next_poll: Instant,
    poll: Duration,
    _place: Place,
}

/// Counts the subscriber as long as it lives.
struct Place {
    accounts: Arc<Mutex<HashMap<AccountId, Account>>>,
    account: AccountId,
}

impl Changes {
    pub(super) fn new(most_per_account: usize, poll: Duration) -> Self {
        Self { accounts: Arc::default(), closed: watch::Sender::new(false), most_per_account, poll }
    }

    /// Wakes the account's subscribers of this process.
    pub(super) fn notify(&self, account: &AccountId) {
        if let Some(account) = lock(&self.accounts).get(account) {
            account.wake.send_replace(());
        }
    }

    /// Ends all subscriptions, now and from now on.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn enter(&self, account: &AccountId) -> Result<(Place, watch::Receiver<()>)> {
        let mut accounts = lock(&self.accounts);
        let entry =
            accounts.entry(account.clone()).or_insert_with(|| Account { wake: watch::Sender::new(()), subscribers: 0 });
        if entry.subscribers >= self.most_per_account {
            let most = self.most_per_account;
            return Err(Error::bad_input(format!(
                "The account has {most} subscriptions open already: close one first"
            )));
        }
        entry.subscribers += 1;
        let place = Place { accounts: self.accounts.clone(), account: account.clone() };
        Ok((place, entry.wake.subscribe()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut accounts = lock(&self.accounts);
        if let Some(entry) = accounts.get_mut(&self.account) {
            entry.subscribers -= 1;
            if entry.subscribers == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

impl TenantServices {
    /// Follows the account's changes from now on.
    ///
    /// # Errors
    /// [`Error::BadInput`] when the account has too many subscriptions open already, and those of the database.
    pub async fn subscribe(&self) -> Result<Subscription> {
        let changes = &self.inner().changes;
        let (place, wake) = changes.enter(self.account())?;
        Ok(Subscription {
            position: self.tenant.revision().await?,
            tenant: self.clone(),
            wake,
            closed: changes.closed.subscribe(),
            next_poll: Instant::now() + changes.poll,
            poll: changes.poll,
            _place: place,
        })
    }
}

impl Subscription {
    /// Waits for the next changes; `None` when the server is stopping.
    ///
    /// # Errors
    /// Those of the database; the position stays, so that asking again loses nothing.
    pub async fn next(&mut self) -> Result<Option<Vec<Integration>>> {
        loop {
            if *self.closed.borrow() {
                return Ok(None);
            }
            tokio::select! {
                _ = self.closed.changed() => return Ok(None),
                _ = self.wake.changed() => {}
                () = time::sleep_until(self.next_poll) => {}
            }
            self.next_poll = Instant::now() + self.poll;
            let changed = self.changed().await?;
            if !changed.is_empty() {
                return Ok(Some(changed));
            }
        }
    }

    async fn changed(&mut self) -> Result<Vec<Integration>> {
        // One row; the installations are read only when it moved.
        let revision = self.tenant.tenant.revision().await?;
        if revision <= self.position {
            return Ok(Vec::new());
        }
        let installations = self.tenant.tenant.changes_since(self.position).await?;
        // A subscription outlives many revisions of the catalog.
        let catalog = self.tenant.anew().view().await?.catalog;
        // Not everything that moves the account on is a change of an installation.
        self.position = installations.last().map_or(revision, |last| last.revision.max(revision));
        let integrations = installations.into_iter().filter_map(|installation| {
            let entry = catalog.find(&Reference::Id(installation.integration_id))?;
            Some(Integration::new(entry, Some(installation)))
        });
        Ok(integrations.collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The map is left whole by every panic that could happen while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
