//! Rotating data keys, and wrapping them anew.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::progress::{Failure, Progress};
use super::refuse_unknown;
use crate::cli::operator;
use crate::cli::print::{count, print, print_json, sentence, short, tell};
use crate::domain::AccountId;
use crate::error::Result as Done;
use crate::service::{KeyKeeper, Pace, Tally};

pub(super) const ROTATE_HELP: &str = "\
With --json:
  outcome         finished; failed: some accounts were not done; stopped: by a signal;
                  gave_up: too many failed in a row, or the database did
  error           why it gave up, else null
  begun_at        when the rotation of all accounts was begun, null with --account
  resumed         whether an earlier run began it
  accounts        accounts that were worked on; failed: those of them that were not done
  new_keys        data keys that were made
  resealed        secrets that were sealed anew
  broken          secrets that do not open, and stayed as they are
  destroyed_keys  old data keys that nothing is sealed under any more
  failures        the first 20 accounts that failed: account, cause
Exits with 0 when all was done.

Examples:
  patchbay keys rotate
  patchbay keys rotate --account acme --account globex
  patchbay keys rotate --json 2>/dev/null";

pub(super) const REWRAP_HELP: &str = "\
With --json:
  outcome, error, accounts, failed, failures   as `patchbay keys rotate` has them
  provider_key    the current provider key, which wraps all data keys now
  rewrapped_keys  data keys that were wrapped with another one
Exits with 0 when all was done.";

pub(super) const BIND_HELP: &str = "\
With --json:
  outcome, error, accounts, failed, failures   as `patchbay keys rotate` has them
  bound   secrets that were bound to a counter
  broken  secrets that do not open, and stayed as they are
Exits with 0 when all was done and nothing is broken.";

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Finished,
    Failed,
    Stopped,
    GaveUp,
}

/// What every run tells.
#[derive(Serialize)]
struct Report {
    outcome: Outcome,
    error: Option<String>,
    accounts: u64,
    failed: u64,
    failures: Vec<Failure>,
}

#[derive(Serialize)]
struct Rotated {
    #[serde(flatten)]
    report: Report,
    begun_at: Option<DateTime<Utc>>,
    resumed: bool,
    new_keys: u64,
    resealed: u64,
    broken: u64,
    destroyed_keys: u64,
}

#[derive(Serialize)]
struct Rewrapped<'a> {
    #[serde(flatten)]
    report: Report,
    provider_key: &'a str,
    rewrapped_keys: u64,
}

pub(super) async fn rotate(keys: &KeyKeeper, accounts: Vec<AccountId>, anew: bool, json: bool) -> Result<(), String> {
    for account in &accounts {
        refuse_unknown(keys, account).await?;
    }
    keys.require().await?;
    let progress = Progress::start("rotating")?;
    let (mut begun_at, mut resumed) = (None, false);
    let done = if accounts.is_empty() {
        let (begun, is_resumed) = keys.begin_rotation(anew).await.map_err(sentence)?;
        if is_resumed {
            tell(&format!("Continuing the rotation begun at {}", short(begun)));
        }
        (begun_at, resumed) = (Some(begun), is_resumed);
        keys.rotate_all(begun, &operator(), &progress).await
    } else {
        keys.rotate_some(accounts, &operator(), &progress).await
    };
    let (report, tally) = report(done, &progress);
    let Tally { keys: new_keys, resealed, broken, ended: destroyed_keys, .. } = tally;
    let rotated = Rotated { report, begun_at, resumed, new_keys, resealed, broken, destroyed_keys };
    if json {
        print_json(&rotated)?;
    } else {
        print(&format!(
            "{} made for {}: {} sealed anew, {} destroyed\n",
            count(new_keys, "data key"),
            count(rotated.report.accounts, "account"),
            count(resealed, "secret"),
            count(destroyed_keys, "old data key"),
        ))?;
    }
    rotated.report.verdict("keys rotate")?;
    refuse_broken(broken)
}

pub(super) async fn rewrap(keys: &KeyKeeper, json: bool) -> Result<(), String> {
    keys.require().await?;
    let progress = Progress::start("rewrapping")?;
    let current = keys.current_kek_ref().await.map_err(sentence)?;
    let (report, tally) = report(keys.rewrap_all(&current, &operator(), &progress).await, &progress);
    let rewrapped = Rewrapped { report, provider_key: &current, rewrapped_keys: tally.keys };
    if json {
        print_json(&rewrapped)?;
    } else {
        print(&format!(
            "{} of {} wrapped with {current}\n",
            count(tally.keys, "data key"),
            count(tally.accounts, "account")
        ))?;
    }
    rewrapped.report.verdict("keys rewrap")
}

#[derive(Serialize)]
struct Bound {
    #[serde(flatten)]
    report: Report,
    bound: u64,
    broken: u64,
}

pub(super) async fn bind(keys: &KeyKeeper, json: bool) -> Result<(), String> {
    keys.require().await?;
    let progress = Progress::start("binding")?;
    keys.enable_counters().await.map_err(sentence)?;
    let (report, tally) = report(keys.bind_all(&progress).await, &progress);
    let bound = Bound { report, bound: tally.resealed, broken: tally.broken };
    match json {
        true => print_json(&bound)?,
        false => print(&format!(
            "{} of {} bound to a counter\n",
            count(bound.bound, "secret"),
            count(tally.accounts, "account")
        ))?,
    }
    bound.report.verdict("keys bind")?;
    refuse_broken(bound.broken)
}

fn refuse_broken(broken: u64) -> Result<(), String> {
    match broken {
        0 => Ok(()),
        _ => Err(format!("{} not open, and stayed as they are: `patchbay keys verify` names them", do_not(broken))),
    }
}

fn report(done: Done<Tally>, progress: &Progress) -> (Report, Tally) {
    let (tally, failures) = progress.end();
    let error = done.err().map(sentence);
    let outcome = match &error {
        Some(_) => Outcome::GaveUp,
        None if progress.is_stopped() => Outcome::Stopped,
        None if tally.failed > 0 => Outcome::Failed,
        None => Outcome::Finished,
    };
    (Report { outcome, error, accounts: tally.accounts, failed: tally.failed, failures }, tally)
}

impl Report {
    /// A sentence for the operator when not all was done.
    fn verdict(&self, command: &str) -> Result<(), String> {
        let again = format!("run `patchbay {command}` again to go on");
        match (self.outcome, &self.error) {
            (Outcome::Finished, _) => Ok(()),
            (Outcome::Failed, _) => Err(format!("{} failed: {again}", count(self.failed, "account"))),
            (Outcome::Stopped, _) => Err(format!("stopped before the end: {again}")),
            (Outcome::GaveUp, error) => Err(format!("gave up: {}; {again}", error.as_deref().unwrap_or_default())),
        }
    }
}

/// `1 secret does`, `2 secrets do`.
pub(super) fn do_not(secrets: u64) -> String {
    format!("{} {}", count(secrets, "secret"), if secrets == 1 { "does" } else { "do" })
}
