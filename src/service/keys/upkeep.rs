//! What a running server does for the keys by itself.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::runs::{Pace, Tally};
use super::servers::Announcements;
use super::{KeyKeeper, startup};
use crate::domain::AccountId;
use crate::error::Result;
use crate::store::KeySignals;

/// How often old generations are looked for that something is sealed under still.
const SWEEP: Duration = Duration::from_secs(3_600);

impl KeyKeeper {
    /// Drops data keys from memory that another process retired or destroyed, lets go of keys whose time is up, announces the
    /// provider keys of this server, and seals again what old generations sealed. Never ends.
    pub async fn follow(&self, every: Duration) {
        // A sweep may take long, and a server that does not announce itself counts as gone.
        tokio::join!(self.keep_up(every), self.keep_sweeping(every));
    }

    async fn keep_up(&self, every: Duration) {
        let mut seen = None;
        let mut announcements = Announcements::default();
        loop {
            self.vault.forget_expired();
            match self.follow_signals(seen).await {
                Ok(signals) => {
                    seen = Some(signals.drops);
                    self.keep_announced(signals.reloads, &mut announcements).await;
                }
                Err(error) => tracing::warn!(cause = error.cause(), "reading which data keys were retired"),
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn keep_sweeping(&self, every: Duration) {
        let mut swept: Option<Instant> = None;
        loop {
            if self.vault.is_usable() && swept.is_none_or(|last| last.elapsed() > SWEEP) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Checks the keys of key services every so often. Never ends.
    pub async fn follow_services(&self, every: Duration) {
        let services = self.vault.services();
        join_all(services.map(|provider| startup::follow_keys(&self.store, &self.vault, provider, every))).await;
    }

    async fn follow_signals(&self, seen: Option<i64>) -> Result<KeySignals> {
        let signals = self.load_signals().await?;
        if seen.is_some_and(|seen| seen != signals.drops) {
            let accounts: HashSet<_> = self.vault.kept().into_iter().map(|(account, _)| account).collect();
            for account in accounts {
                let keys = self.store.tenant(account.clone()).keys().await?;
                let active: Vec<_> = keys.iter().filter(|key| key.is_active).map(|key| key.key_id).collect();
                self.vault.forget(&account, &active);
            }
        }
        Ok(signals)
    }

    async fn sweep(&self) {
        match self.reseal_all(&Quiet).await {
            Ok(Tally { resealed: 0, ended: 0, .. }) => {}
            Ok(tally) => tracing::info!(accounts = tally.accounts, resealed = tally.resealed, "sealed anew"),
            Err(error) => tracing::warn!(cause = error.cause(), "sealing anew what old data keys sealed"),
        }
    }
}

/// Nobody watches; what fails is in the log.
struct Quiet;

impl Pace for Quiet {
    fn begin(&self, _: u64) {}

    fn advance(&self, _: &Tally) {}

    fn fail(&self, account: &AccountId, cause: &str) {
        tracing::warn!(%account, cause, "sealing anew what old data keys sealed");
    }
}
