//! Servers that run at the same time: each announces the provider keys that it knows, and commands that would take a key
//! away from one of them ask first.

use std::time::{Duration, Instant};

use super::{KeyKeeper, startup};
use crate::error::{Error, Result};
use crate::store::RunningServer;
use crate::vault::{KeyCheck, LOCAL, Reloaded};

/// How often a server looks for provider keys that it does not know.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// How often a server writes its row while nothing changes. Well below the age at which the row expires.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long a command waits until every server has read its key ring again. Servers look for such requests once a second.
const RELOAD_WAIT: Duration = Duration::from_secs(5);
const RELOAD_POLL: Duration = Duration::from_millis(200);

/// What a running server has announced so far.
#[derive(Default)]
pub(super) struct Announcements {
    reloads: Option<i64>,
    looked: Option<Instant>,
    announced: Option<(Instant, RunningServer)>,
}

/// Running servers that stand in the way of a change of provider keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// How many of them.
    pub servers: usize,
}

impl KeyKeeper {
    /// Reads the key ring file again, and tells the log the outcome. The keys in use stay when the file cannot be used.
    pub async fn reload_ring(&self) {
        let reloaded = match startup::recorded(&self.store).await {
            Ok(recorded) => self.vault.reload(&recorded).await,
            Err(error) => Err(startup::sentence(error).into()),
        };
        match reloaded {
            Ok(Reloaded::Changed) => self.look_for_keys().await,
            Ok(Reloaded::Unchanged) => tracing::info!("the key ring file holds the keys in use"),
            Ok(Reloaded::Nothing) => {
                tracing::info!("there is no key ring file: keys.keyring is read at the start alone")
            }
            Err(cause) => tracing::error!(cause, "the key ring cannot be read again: the keys in use stay"),
        }
    }

    /// What a running server does about provider keys each time its turn comes.
    pub(super) async fn keep_announced(&self, reloads: i64, done: &mut Announcements) {
        if done.reloads.replace(reloads).is_some_and(|last| last != reloads) {
            self.reload_ring().await;
        } else if done.looked.is_none_or(|last| last.elapsed() >= LOOK_INTERVAL) {
            self.look_for_keys().await;
            done.looked = Some(Instant::now());
        }
        let server = self.announcement().await;
        let is_due = done.announced.as_ref().is_none_or(|(at, last)| at.elapsed() >= HEARTBEAT || *last != server);
        if is_due {
            self.announce(&server).await;
            done.announced = Some((Instant::now(), server));
        }
    }

    async fn announce(&self, server: &RunningServer) {
        let has_left = self.has_left.lock().await;
        if *has_left {
            return;
        }
        if let Err(error) = self.store.system().announce_server(server).await {
            tracing::warn!(cause = error.cause(), "announcing the provider keys of this server");
        }
    }

    /// Removes the row of this server, and prevents further announcements. Waits for an announcement under way: the database
    /// could execute a cancelled one after the removal.
    pub async fn leave(&self) {
        *self.has_left.lock().await = true;
        if let Err(error) = self.store.system().forget_server(self.id).await {
            tracing::warn!(cause = error.cause(), "forgetting the provider keys of this server");
        }
    }

    /// Compares the provider keys on record with those that this process knows, reads the key ring again when one is
    /// unknown, records a new primary key, and counts the data keys that cannot be opened.
    async fn look_for_keys(&self) {
        let looked = async {
            let mut recorded = startup::recorded(&self.store).await?;
            if self.find_unknown(&recorded).is_some() {
                if let Err(cause) = self.vault.reload(&recorded).await {
                    tracing::error!(cause, "the key ring cannot be read again: the keys in use stay");
                }
                recorded = startup::recorded(&self.store).await?;
            }
            let current = self.wrapping_key().await;
            let is_recorded = current.as_ref().is_none_or(|key| recorded.iter().any(|check| check.kek_ref == *key));
            if self.vault.first_provider() == Some(LOCAL) && !is_recorded {
                startup::check_keys(&self.store, &self.vault)
                    .await
                    .map_err(|refusal| Error::Internal { cause: refusal.into() })?;
            }
            self.count_unopenable(&recorded).await
        };
        if let Err(error) = looked.await {
            tracing::warn!(cause = error.cause(), "comparing the provider keys on record with those of this server");
        }
    }

    /// A provider key on record that this process does not know.
    fn find_unknown<'a>(&self, recorded: &'a [KeyCheck]) -> Option<&'a KeyCheck> {
        let known = self.vault.known_keys();
        recorded.iter().find(|check| !covers(&known, &check.provider, &check.kek_ref))
    }

    /// Going through all data keys is left for the rare case that one of their provider keys is unknown.
    async fn count_unopenable(&self, recorded: &[KeyCheck]) -> Result<()> {
        let known = self.vault.known_keys();
        let data_keys = match self.find_unknown(recorded) {
            None => 0,
            Some(_) => {
                let counts = self.store.system().key_counts().await?;
                let closed = counts.iter().filter(|c| c.is_in_use() && !covers(&known, &c.provider, &c.kek_ref));
                closed.map(|count| count.count).sum()
            }
        };
        let before = self.unopenable.swap(data_keys, std::sync::atomic::Ordering::AcqRel);
        self.vault.report_unopenable(data_keys);
        match (before, data_keys) {
            (0, 0) => {}
            (_, 0) => tracing::info!("every data key can be opened again"),
            (before, now) if before != now => tracing::error!(
                data_keys,
                "provider keys are missing: bring the key ring to this server and send it SIGHUP"
            ),
            _ => {}
        }
        Ok(())
    }

    async fn announcement(&self) -> RunningServer {
        let wrapping_key = self.wrapping_key().await;
        RunningServer { id: self.id, provider_keys: self.vault.known_keys(), wrapping_key }
    }

    /// The key of the ring that wraps new data keys. A key service is not asked: it may be away.
    async fn wrapping_key(&self) -> Option<String> {
        let first = self.vault.first_provider().filter(|first| *first == LOCAL)?;
        self.vault.current_key_of(first).await.ok()
    }

    /// Asks all servers to read their key ring again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn request_reload(&self) -> Result<()> {
        self.store.system().request_reload().await
    }

    /// Waits until every running server knows this provider key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn wait_until_known(&self, provider: &str, kek_ref: &str) -> Result<Option<Blocked>> {
        self.wait_for_servers(|server| !covers(&server.provider_keys, provider, kek_ref), |_| false).await
    }

    /// As [`wait_until_known`](Self::wait_until_known), for the key that is current here; and waits for a while until servers
    /// wrap with it, too, so that nothing is wrapped with another one behind the back of a rewrap.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn wait_until_current(&self, provider: &str, kek_ref: &str) -> Result<Option<Blocked>> {
        let blocks = |server: &RunningServer| !covers(&server.provider_keys, provider, kek_ref);
        self.wait_for_servers(blocks, |server| server.wrapping_key.as_ref().is_some_and(|key| key != kek_ref)).await
    }

    /// Waits until no running server wraps with this provider key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn wait_until_unused(&self, kek_ref: &str) -> Result<Option<Blocked>> {
        self.wait_for_servers(|server| server.wrapping_key.as_deref() == Some(kek_ref), |_| false).await
    }

    /// Asks servers that block or lag to read their key ring again; those that still block after a while.
    async fn wait_for_servers(
        &self,
        blocks: impl Fn(&RunningServer) -> bool,
        lags: impl Fn(&RunningServer) -> bool,
    ) -> Result<Option<Blocked>> {
        let begun = Instant::now();
        let mut is_requested = false;
        loop {
            let running = self.store.system().running_servers().await?;
            let servers = running.iter().filter(|server| blocks(server)).count();
            if servers == 0 && !running.iter().any(&lags) {
                return Ok(None);
            }
            if begun.elapsed() > RELOAD_WAIT {
                return Ok((servers > 0).then_some(Blocked { servers }));
            }
            if !std::mem::replace(&mut is_requested, true) {
                self.request_reload().await?;
            }
            tokio::time::sleep(RELOAD_POLL).await;
        }
    }

    /// The provider key that this process would wrap with, and its provider.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when there is none, or its provider does not tell.
    pub async fn current_key(&self) -> Result<(&'static str, String)> {
        let none = || Error::SecretsUnavailable {
            cause: "neither key ring nor key service is configured".to_owned(),
            retry_after: super::RETRY_AFTER_SECONDS,
        };
        let first = self.vault.first_provider().ok_or_else(none)?;
        let key = self.vault.current_key_of(first).await.map_err(super::rewrapping::unavailable)?;
        Ok((first, key))
    }
}

/// Whether these keys include the provider key. A key service is known as a whole.
fn covers(known: &[String], provider: &str, kek_ref: &str) -> bool {
    known.iter().any(|key| key == kek_ref || (key == provider && provider != LOCAL))
}
