//! Going through all accounts, several at a time. A run that was stopped goes on with what is still to be done.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream;

use super::{KeyKeeper, Resealing};
use crate::domain::{AccountId, Action, Call, Event, FieldNames};
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
    /// A new data key in place of one that was made before this moment, and everything sealed anew.
    Renew(DateTime<Utc>, &'a Call),
    Reseal,
    /// The provider key that is current.
    Rewrap(&'a str),
    /// A counter for each value that has none.
    Bind,
}

/// Told of a run's progress, and asked whether it is to go on.
pub trait Pace: Sync {
    /// So many accounts are to be worked on.
    fn begin(&self, accounts: u64);
    /// One more was, and so much has been done.
    fn advance(&self, tally: &Tally);
    /// An account failed, with the cause.
    fn fail(&self, account: &AccountId, cause: &str);

    /// Whether the run is to end with the accounts that are being worked on.
    fn is_stopped(&self) -> bool {
        false
    }
}

impl KeyKeeper {
    /// When the rotation of all accounts was begun that has not ended yet; or notes that one begins now. The second value
    /// tells whether it goes on. `anew` gives up on an earlier one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_rotation(&self, anew: bool) -> Result<(DateTime<Utc>, bool)> {
        let now = store::now();
        let begun = self.store.system().begin_rotation(now, anew).await?;
        Ok((begun, begun != now))
    }

    /// Gives every account a new data key whose own was made before the rotation was begun, and seals everything anew.
    ///
    /// # Errors
    /// Those of the database; [`Error::SecretsUnavailable`] when many accounts fail in a row.
    pub async fn rotate_all(&self, begun: DateTime<Utc>, call: &Call, pace: &impl Pace) -> Result<Tally> {
        let mut tally = Tally::default();
        self.each(&Need::Rotation(begun), Step::Renew(begun, call), pace, &mut tally).await?;
        self.tell_of_drops(&tally).await?;
        if tally.failed == 0 && !pace.is_stopped() {
            self.store.system().end_rotation(begun).await?;
        }
        Ok(tally)
    }

    /// Gives these accounts a new data key and seals everything anew.
    ///
    /// # Errors
    /// Those of [`rotate_all`](Self::rotate_all).
    pub async fn rotate_some(&self, accounts: Vec<AccountId>, call: &Call, pace: &impl Pace) -> Result<Tally> {
        let (mut tally, mut failed_in_a_row) = (Tally::default(), 0);
        pace.begin(accounts.len() as u64);
        self.work_on(accounts, Step::Renew(store::now(), call), pace, &mut tally, &mut failed_in_a_row).await?;
        self.tell_of_drops(&tally).await?;
        Ok(tally)
    }

    /// Seals anew what old generations sealed, in all accounts that have any.
    ///
    /// # Errors
    /// Those of the database; [`Error::SecretsUnavailable`] when many accounts fail in a row.
    pub(super) async fn reseal_all(&self, pace: &impl Pace) -> Result<Tally> {
        let mut tally = Tally::default();
        self.each(&Need::Resealing, Step::Reseal, pace, &mut tally).await?;
        self.tell_of_drops(&tally).await?;
        Ok(tally)
    }

    /// Wraps every data key with this provider key, which is the current one.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when many accounts fail in a row; those of the database.
    pub async fn rewrap_all(&self, current: &str, call: &Call, pace: &impl Pace) -> Result<Tally> {
        let mut tally = Tally::default();
        self.each(&Need::Rewrapping(current.to_owned()), Step::Rewrap(current), pace, &mut tally).await?;
        if tally.keys > 0 {
            let event = Event::new(call, Action::ProviderKeyRewrapped).naming(FieldNames::of_provider_key(current));
            self.store.tenant(AccountId::operator()).record(event).await?;
        }
        Ok(tally)
    }

    /// Binds every secret of all accounts to a counter.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when many accounts fail in a row; those of the database.
    pub async fn bind_all(&self, pace: &impl Pace) -> Result<Tally> {
        let mut tally = Tally::default();
        self.each(&Need::Nothing, Step::Bind, pace, &mut tally).await?;
        Ok(tally)
    }

    /// Every account that ever changed anything, handed to `work` one after the other until that breaks off.
    ///
    /// # Errors
    /// Those of the database, and of the work.
    pub async fn for_every_account(
        &self,
        mut work: impl AsyncFnMut(AccountId) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut last = None;
        loop {
            let accounts = self.store.system().accounts_after(last.as_ref(), &Need::Nothing, PAGE).await?;
            let Some(furthest) = accounts.last().cloned() else { return Ok(()) };
            last = Some(furthest);
            for account in accounts {
                if work(account).await?.is_break() {
                    return Ok(());
                }
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
            Step::Renew(before, call) => {
                let keys = u64::from(self.rotate(account, before, call).await?);
                self.reseal(account).await.map(|done| Tally::of(keys, done))
            }
            Step::Reseal => self.reseal(account).await.map(|done| Tally::of(0, done)),
            Step::Rewrap(current) => {
                let keys = self.rewrap(account, current).await?;
                Ok(Tally { keys, ..Tally::default() })
            }
            Step::Bind => {
                let done = self.bind(account).await?;
                Ok(Tally { resealed: done.bound, broken: done.broken, ..Tally::default() })
            }
        }
    }

    async fn each(&self, need: &Need, step: Step<'_>, pace: &impl Pace, tally: &mut Tally) -> Result<()> {
        let system = self.store.system();
        pace.begin(system.count_accounts(need).await?);
        let (mut last, mut failed_in_a_row) = (None, 0);
        while !pace.is_stopped() {
            let accounts = system.accounts_after(last.as_ref(), need, PAGE).await?;
            let Some(furthest) = accounts.last().cloned() else { break };
            last = Some(furthest);
            self.work_on(accounts, step, pace, tally, &mut failed_in_a_row).await?;
        }
        Ok(())
    }

    async fn work_on(
        &self,
        accounts: Vec<AccountId>,
        step: Step<'_>,
        pace: &impl Pace,
        tally: &mut Tally,
        failed_in_a_row: &mut u64,
    ) -> Result<()> {
        // Asked before each account is begun: the iterator is lazy, and so many are under way at once.
        let wanted = accounts.into_iter().take_while(|_| !pace.is_stopped());
        let work = wanted.map(|account| async move {
            let outcome = self.step(step, &account).await;
            (account, outcome)
        });
        let mut done = stream::iter(work).buffer_unordered(AT_ONCE);
        while let Some((account, outcome)) = done.next().await {
            tally.accounts += 1;
            match outcome {
                Ok(more) => {
                    *failed_in_a_row = 0;
                    tally.add(&more);
                }
                Err(error @ Error::SecretsUnavailable { .. }) => {
                    *failed_in_a_row += 1;
                    tally.failed += 1;
                    pace.fail(&account, error.cause().unwrap_or_default());
                    if *failed_in_a_row == PATIENCE {
                        pace.advance(tally);
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            pace.advance(tally);
        }
        Ok(())
    }

    /// Has every replica drop data keys that are not active any more, if there are any.
    async fn tell_of_drops(&self, tally: &Tally) -> Result<()> {
        match tally.keys + tally.ended {
            0 => Ok(()),
            _ => self.store.system().drop_keys().await,
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
