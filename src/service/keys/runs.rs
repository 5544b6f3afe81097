//! Going through all accounts, several at a time. A run that was stopped goes on with what is still to be done.

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream;

use super::{KeyKeeper, Resealing};
use crate::domain::{AccountId, Call};
use crate::error::{Error, Result};
use crate::store::{self, Need};

/// Accounts that are worked on at once.
const AT_ONCE: usize = 8;
/// Accounts whose names are in memory at once.
const PAGE: u64 = 512;
/// So many failures in a row are not the fault of single accounts: the run gives up.
const PATIENCE: u64 = 10;

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accounts that were worked on.
    pub accounts: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// Data keys that were made, or wrapped anew.
    pub keys: u64,
    /// Values that were sealed anew.
    pub resealed: u64,
    /// Values that do not open.
    pub broken: u64,
    /// Generations that were destroyed.
    pub ended: u64,
}

/// What is done with an account.
#[derive(Clone, Copy)]
enum Step<'a> {
    Renew(&'a Call),
    Reseal,
    /// The provider key that is current.
    Rewrap(&'a str),
}

/// Told of a run's progress.
pub trait Pace: Sync {
    /// So many accounts are to be worked on.
    fn begin(&self, accounts: u64);
    /// One more was, and so much has been done.
    fn advance(&self, tally: &Tally);
    /// An account failed, with the cause.
    fn fail(&self, account: &AccountId, cause: &str);
}

impl KeyKeeper {
    /// Gives every account a new data key and seals everything anew; goes on with a run that was stopped. Returns when that
    /// was begun.
    ///
    /// # Errors
    /// Those of the database; [`Error::SecretsUnavailable`] when many accounts fail in a row.
    pub async fn rotate_all(&self, call: &Call, pace: &impl Pace) -> Result<(DateTime<Utc>, Tally)> {
        let begun = self.store.system().begin_rotation(store::now()).await?;
        let mut tally = Tally::default();
        self.each(&Need::Rotation(begun), Step::Renew(call), pace, &mut tally).await?;
        self.reseal_all(pace, &mut tally).await?;
        if tally.failed == 0 {
            self.store.system().end_rotation().await?;
        }
        Ok((begun, tally))
    }

    /// Seals anew what old generations sealed, in all accounts that have any.
    ///
    /// # Errors
    /// Those of the database; [`Error::SecretsUnavailable`] when many accounts fail in a row.
    pub async fn reseal_all(&self, pace: &impl Pace, tally: &mut Tally) -> Result<()> {
        self.each(&Need::Resealing, Step::Reseal, pace, tally).await?;
        match tally.keys + tally.ended {
            0 => Ok(()),
            _ => self.store.system().drop_keys().await,
        }
    }

    /// Wraps every data key with the current provider key.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the provider does not tell which is current, or many accounts fail in a row;
    /// those of the database.
    pub async fn rewrap_all(&self, pace: &impl Pace) -> Result<(String, Tally)> {
        let current = self.current_kek_ref().await?;
        let mut tally = Tally::default();
        self.each(&Need::Rewrapping(current.clone()), Step::Rewrap(&current), pace, &mut tally).await?;
        Ok((current, tally))
    }

    /// Every account that ever changed anything, handed to `work` one after the other.
    ///
    /// # Errors
    /// Those of the database, and of the work.
    pub async fn for_every_account(&self, mut work: impl AsyncFnMut(AccountId) -> Result<()>) -> Result<()> {
        let mut last = None;
        loop {
            let accounts = self.store.system().accounts_after(last.as_ref(), &Need::Nothing, PAGE).await?;
            let Some(furthest) = accounts.last().cloned() else { return Ok(()) };
            last = Some(furthest);
            for account in accounts {
                work(account).await?;
            }
        }
    }

    /// How many accounts ever changed anything.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_accounts(&self) -> Result<u64> {
        self.store.system().count_accounts(&Need::Nothing).await
    }

    async fn step(&self, step: Step<'_>, account: &AccountId) -> Result<Tally> {
        match step {
            Step::Renew(call) => {
                let keys = u64::from(self.rotate(account, call).await?);
                self.reseal(account).await.map(|done| Tally::of(keys, done))
            }
            Step::Reseal => self.reseal(account).await.map(|done| Tally::of(0, done)),
            Step::Rewrap(current) => {
                let keys = self.rewrap(account, current).await?;
                Ok(Tally { keys, ..Tally::default() })
            }
        }
    }

    async fn each(&self, need: &Need, step: Step<'_>, pace: &impl Pace, tally: &mut Tally) -> Result<()> {
        let system = self.store.system();
        pace.begin(system.count_accounts(need).await?);
        let (mut last, mut failed_in_a_row) = (None, 0);
        loop {
            let accounts = system.accounts_after(last.as_ref(), need, PAGE).await?;
            let Some(furthest) = accounts.last().cloned() else { return Ok(()) };
            last = Some(furthest);
            let work = accounts.into_iter().map(|account| async move {
                let outcome = self.step(step, &account).await;
                (account, outcome)
            });
            let mut done = stream::iter(work).buffer_unordered(AT_ONCE);
            while let Some((account, outcome)) = done.next().await {
                tally.accounts += 1;
                match outcome {
                    Ok(more) => {
                        failed_in_a_row = 0;
                        tally.add(&more);
                    }
                    Err(error @ Error::SecretsUnavailable { .. }) => {
                        failed_in_a_row += 1;
                        tally.failed += 1;
                        pace.fail(&account, error.cause().unwrap_or_default());
                        if failed_in_a_row == PATIENCE {
                            return Err(error);
                        }
                    }
                    Err(error) => return Err(error),
                }
                pace.advance(tally);
            }
        }
    }
}

impl Tally {
    fn of(keys: u64, Resealing { resealed, broken, ended }: Resealing) -> Self {
        Self { keys, resealed, broken, ended, ..Self::default() }
    }

    fn add(&mut self, more: &Self) {
        self.keys += more.keys;
        self.resealed += more.resealed;
        self.broken += more.broken;
        self.ended += more.ended;
    }
}
