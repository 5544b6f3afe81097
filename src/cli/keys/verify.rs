//! Opening every secret.

use std::ops::ControlFlow;

use serde::Serialize;
use uuid::Uuid;

use super::progress::{Progress, TOLD};
use super::refuse_unknown;
use super::runs::do_not;
use crate::cli::print::{count, print, print_json, sentence};
use crate::domain::AccountId;
use crate::error::Result as Done;
use crate::service::{Broken, KeyKeeper, Pace};

pub(super) const HELP: &str = "\
With --json:
  outcome         finished; stopped: by a signal; gave_up: a key service or the database failed
  error           why it gave up, else null
  accounts        accounts that were looked at
  opened, broken  secrets that open, and that do not
  broken_secrets  the first 20 of those: account, integration, connection, name, cause

Examples:
  patchbay keys verify
  patchbay keys verify --account acme --json";

#[derive(Default, Serialize)]
struct Report {
    outcome: &'static str,
    error: Option<String>,
    accounts: u64,
    opened: u64,
    broken: u64,
    broken_secrets: Vec<BrokenSecret>,
}

#[derive(Serialize)]
struct BrokenSecret {
    account: String,
    integration: Uuid,
    connection: String,
    name: String,
    cause: String,
}

pub(super) async fn run(keys: &KeyKeeper, account: Option<AccountId>, json: bool) -> Result<(), String> {
    if let Some(account) = &account {
        refuse_unknown(keys, account).await?;
    }
    keys.require().await?;
    let progress = Progress::start("verifying")?;
    let mut report = Report::default();
    let done = match account {
        Some(account) => report.look_at(keys, account).await,
        None => look_at_all(keys, &mut report, &progress).await,
    };
    progress.end();
    report.error = done.err().map(sentence);
    report.outcome = match &report.error {
        Some(_) => "gave_up",
        None if progress.is_stopped() => "stopped",
        None => "finished",
    };
    match json {
        true => print_json(&report)?,
        false => print(&report.text())?,
    }
    report.verdict()
}

async fn look_at_all(keys: &KeyKeeper, report: &mut Report, progress: &Progress) -> Done<()> {
    progress.begin(keys.count_accounts().await?);
    keys.for_every_account(async |account| {
        report.look_at(keys, account).await?;
        progress.reach(report.accounts);
        Ok(if progress.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .await
}

impl Report {
    async fn look_at(&mut self, keys: &KeyKeeper, account: AccountId) -> Done<()> {
        let verified = keys.verify(&account).await?;
        self.accounts += 1;
        self.opened += verified.opened;
        self.broken += verified.broken.len() as u64;
        let room = TOLD - self.broken_secrets.len();
        self.broken_secrets
            .extend(verified.broken.into_iter().take(room).map(|broken| BrokenSecret::of(&account, broken)));
        Ok(())
    }

    fn text(&self) -> String {
        let lines = self.broken_secrets.iter().map(|broken| {
            let BrokenSecret { account, integration, connection, name, cause } = broken;
            format!("{account}  {integration}  {connection}  {name}: {cause}\n")
        });
        let more = self.broken - self.broken_secrets.len() as u64;
        let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
        let (opened, accounts) = (count(self.opened, "secret"), count(self.accounts, "account"));
        lines.collect::<String>() + &more + &format!("{opened} of {accounts} opened, {} not\n", self.broken)
    }

    fn verdict(&self) -> Result<(), String> {
        match (self.outcome, &self.error) {
            (_, Some(error)) => Err(format!("gave up: {error}")),
            ("stopped", None) => Err("stopped before the end".to_owned()),
            _ if self.broken > 0 => Err(format!("{} not open", do_not(self.broken))),
            _ => Ok(()),
        }
    }
}

impl BrokenSecret {
    fn of(account: &AccountId, Broken { integration, connection, name, cause }: Broken) -> Self {
        Self { account: account.to_string(), integration, connection, name, cause }
    }
}
