//! Destroying what is kept of an account.

use std::io::{IsTerminal, Write, stderr, stdin};

use serde::Serialize;

use super::unknown;
use crate::app;
use crate::cli::operator;
use crate::cli::print::{count, print, print_json, sentence};
use crate::config::Config;
use crate::domain::AccountId;
use crate::store::Shredded;

pub(super) const HELP: &str = "\
What is not destroyed:
  Backups of the database still hold the account's data keys, wrapped by a provider key: shredding
  is final when they expire, or when that provider key is retired and destroyed. Where each account
  has a provider key of its own, that is destroyed too, and shredding is final at once.
  The audit log is kept: it has names, never values.
  API keys for the account stay good: patchbay api-keys list --account ACCOUNT, and revoke.

With --json:
  account, data_keys_destroyed, secrets_deleted, installations_deleted,
  own_integrations_deleted
  provider_keys_destroyed   providers whose key for this account alone was destroyed
  backups_hold_keys         whether backups of the database may still be opened

Examples:
  patchbay account shred acme
  patchbay account shred acme --yes --json";

#[derive(Serialize)]
struct Report<'a> {
    account: &'a str,
    data_keys_destroyed: u64,
    secrets_deleted: u64,
    installations_deleted: u64,
    own_integrations_deleted: u64,
    provider_keys_destroyed: Vec<&'static str>,
    backups_hold_keys: bool,
}

pub(super) async fn shred(config: &Config, account: &AccountId, yes: bool, json: bool) -> Result<(), String> {
    let (store, keys) = app::open_keys(config).await?;
    if !keys.knows(account).await.map_err(sentence)? {
        return Err(unknown(account));
    }
    if !yes {
        confirm(account)?;
    }
    let (shredded, provider_keys_destroyed) = keys.shred(account, &operator()).await.map_err(sentence)?;
    store.close().await;
    let Shredded { keys, secrets, installations, entries } = shredded;
    let report = Report {
        account: account.as_str(),
        data_keys_destroyed: keys,
        secrets_deleted: secrets,
        installations_deleted: installations,
        own_integrations_deleted: entries,
        backups_hold_keys: provider_keys_destroyed.is_empty(),
        provider_keys_destroyed,
    };
    match json {
        true => print_json(&report),
        false => print(&report.text()),
    }
}

/// Has the account's name typed.
fn confirm(account: &AccountId) -> Result<(), String> {
    if !stdin().is_terminal() {
        return Err(format!("this cannot be undone: say --yes to destroy all that {account} stored"));
    }
    let mut typed = String::new();
    let _ =
        write!(stderr(), "This destroys all that {account} stored, and cannot be undone. Type the account's name: ");
    stdin().read_line(&mut typed).map_err(|e| e.to_string())?;
    match typed.trim() == account.as_str() {
        true => Ok(()),
        false => Err("that is not the account's name: nothing was changed".to_owned()),
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        let Self { account, data_keys_destroyed, secrets_deleted, installations_deleted, .. } = self;
        let entries = count(self.own_integrations_deleted, "own integration");
        let backups = match self.provider_keys_destroyed.as_slice() {
            [] => {
                "Backups of the database still hold its wrapped data keys: this is final when they expire, or when the \
                   provider key is retired and destroyed."
                    .to_owned()
            }
            names => format!("Its own key of {} was destroyed: no backup can be opened any more.", names.join(", ")),
        };
        format!(
            "Shredded {account}: {} destroyed, {}, {} and {entries} deleted.\nRunning servers drop the data keys from memory within \
             seconds.\n{backups}\nThe audit log is kept. API keys for the account stay good: `patchbay api-keys list \
             --account {account}`, `patchbay api-keys revoke ID`.\n",
            count(*data_keys_destroyed, "data key"),
            count(*secrets_deleted, "secret"),
            count(*installations_deleted, "installation"),
        )
    }
}
