//! How far a run is, told on standard error: a bar where somebody is watching, a line now and then elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::bar::bar;
use crate::cli::print::tell;
use crate::cli::signals;
use crate::domain::AccountId;
use crate::service::{Pace, Tally};

/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);
/// Failures that are told one by one; the others are counted.
pub(super) const TOLD: usize = 20;

/// Watches a run, and remembers what came of it.
pub(super) struct Progress {
    what: &'static str,
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    seen: Mutex<Seen>,
}

struct Seen {
    tally: Tally,
    failures: Vec<Failure>,
    told_at: Instant,
}

/// An account that something could not be done for.
#[derive(Clone, Serialize)]
pub(super) struct Failure {
    account: String,
    cause: String,
}

impl Progress {
    /// From now on the first signal stops the run where it is good to stop.
    pub(super) fn start(what: &'static str) -> Result<Self, String> {
        let bar = bar(what, "accounts, {per_sec}, {eta} left", None)?;
        let seen = Seen { tally: Tally::default(), failures: Vec::new(), told_at: Instant::now() };
        Ok(Self { what, bar, stop: signals::stop_flag()?, seen: Mutex::new(seen) })
    }

    /// So many accounts are done.
    pub(super) fn reach(&self, accounts: u64) {
        self.bar.set_position(accounts);
        let mut seen = self.seen();
        if self.bar.is_hidden() && seen.told_at.elapsed() >= EVERY {
            seen.told_at = Instant::now();
            tell(&format!("{}: {accounts} of {} accounts", self.what, self.bar.length().unwrap_or(0)));
        }
    }

    /// Takes the bar away; what was done, and the first failures.
    pub(super) fn end(&self) -> (Tally, Vec<Failure>) {
        self.bar.finish_and_clear();
        let seen = self.seen();
        (seen.tally, seen.failures.clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for Progress {
    fn begin(&self, accounts: u64) {
        self.bar.set_length(accounts);
    }

    fn advance(&self, tally: &Tally) {
        self.seen().tally = *tally;
        self.reach(tally.accounts);
    }

    fn fail(&self, account: &AccountId, cause: &str) {
        let mut seen = self.seen();
        if seen.failures.len() < TOLD {
            self.bar.suspend(|| tell(&format!("{account}: {cause}")));
            seen.failures.push(Failure { account: account.to_string(), cause: cause.to_owned() });
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
