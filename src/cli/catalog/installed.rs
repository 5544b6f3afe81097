//! Which accounts have an installation of an entry: asked account by account, as the wall between them wants it.

use std::collections::HashMap;

use crate::cli::bar::bar;
use crate::cli::print::sentence;
use crate::domain::{AccountId, IntegrationId};
use crate::store::{Need, Store};

/// Accounts that are asked for at once.
const PAGE: u64 = 200;

/// Accounts with an installation, by entry.
#[derive(Default)]
pub(super) struct Installed(HashMap<IntegrationId, Vec<AccountId>>);

impl Installed {
    /// Of these entries. Also what was uninstalled counts: its params and secrets are kept.
    pub(super) async fn of(store: &Store, ids: &[IntegrationId]) -> Result<Self, String> {
        let mut installed = Self::default();
        if ids.is_empty() {
            return Ok(installed);
        }
        let system = store.system();
        let accounts = system.count_accounts(&Need::Nothing).await.map_err(sentence)?;
        let bar = bar("looking for installations", "accounts", Some(accounts))?;
        let mut last = None;
        loop {
            let accounts = system.accounts_after(last.as_ref(), &Need::Nothing, PAGE).await.map_err(sentence)?;
            let Some(newest) = accounts.last() else { break };
            last = Some(newest.clone());
            for account in accounts {
                for row in store.tenant(account.clone()).state().await.map_err(sentence)?.among(ids) {
                    installed.0.entry(row.integration_id).or_default().push(account.clone());
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(installed)
    }

    /// The accounts that have an installation of this entry.
    pub(super) fn accounts(&self, id: IntegrationId) -> &[AccountId] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}
