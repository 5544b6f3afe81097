//! The keys of one provider, kept at hand: fetched at the first need and again every few minutes, and when a token names
//! one that is not there, so that a rotation is seen at once. A flood of such tokens makes no flood of requests.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono::Utc;
use hyper::Uri;
use jsonwebtoken::{Algorithm, DecodingKey};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::Refusal;
use super::client::Client;
use super::jwk::Key;
use super::settings::{IssuerSettings, url};
use crate::domain::Principal;

/// For everything that one fetch takes.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// The most keys of a provider.
const MOST_KEYS: usize = 100;
/// The most tokens whose holder is remembered, for each provider.
const MOST_CHECKED: usize = 10_000;
/// The longest time that a request waits for a fetch.
const FETCH_WAIT: Duration = Duration::from_secs(1);
/// The most requests of a provider that wait for a fetch at once.
const MAX_WAITING: usize = 64;
/// The most keys of one name that a token is checked with.
const MAX_KEYS_OF_NAME: usize = 4;
/// The least time between two fetches for keys that are not there.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(30);
/// The least time between two fetches while there are no keys at all.
const EMPTY_PAUSE: Duration = Duration::from_secs(1);
/// How long keys are good while the provider cannot be reached.
const KEPT: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Keys {
    client: Client,
    issuer: String,
    place: Uri,
    is_discovered: bool,
    ttl: Duration,
    held: ArcSwapOption<Held>,
    /// Till when no request has them fetched. Locked while fetching: only one does, and the others wait for it.
    pause_until: Arc<Mutex<Instant>>,
    /// The same for signatures that do not fit. Its own, so that forged tokens never delay the fetch of a new key's name.
    signature_pause_until: Arc<Mutex<Instant>>,
    /// For requests that wait for a fetch.
    waiting: Semaphore,
}

/// Keys as they were fetched at one time.
pub(super) struct Held {
    keys: Vec<Key>,
    fetched: Instant,
    /// Who holds the tokens that were checked with these keys, by digest: a signature costs more than most requests.
    checked: Cache<[u8; 32], Arc<Principal>>,
}

/// RFC 7517, section 5.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// OpenID Connect Discovery 1.0, section 3.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    pub(super) fn new(settings: &IssuerSettings) -> Result<Self, String> {
        Ok(Self {
            client: Client::new(settings.ca_file.as_deref())?,
            issuer: settings.issuer.clone(),
            place: settings.place()?,
            is_discovered: settings.jwks_url.is_none(),
            ttl: Duration::from_secs(settings.jwks_ttl_s),
            held: ArcSwapOption::empty(),
            pause_until: Arc::new(Mutex::new(Instant::now())),
            signature_pause_until: Arc::new(Mutex::new(Instant::now())),
            waiting: Semaphore::new(MAX_WAITING),
        })
    }

    /// The keys that a token with this `kid` is to be checked with, fetched if the server does not have them. Waits a
    /// second at most; the fetch goes on.
    pub(super) async fn current_for(self: &Arc<Self>, kid: Option<&str>) -> Result<Arc<Held>, Refusal> {
        if !self.know(kid) && !self.wait_for_fetch(&self.pause_until, || self.know(kid)).await {
            return Err(Refusal::NoKeys);
        }
        self.current().ok_or(Refusal::NoKeys)
    }

    /// Fetches the keys again, within the same limits, and returns them if they are newer than these.
    pub(super) async fn newer_than(self: &Arc<Self>, held: &Arc<Held>) -> Option<Arc<Held>> {
        let newer = || self.current().filter(|current| current.fetched > held.fetched);
        if newer().is_none() {
            self.wait_for_fetch(&self.signature_pause_until, || newer().is_some()).await;
        }
        newer()
    }

    /// Returns false when the wait is over and the fetch is not. Does not wait when too many requests wait already.
    async fn wait_for_fetch(self: &Arc<Self>, pause: &Arc<Mutex<Instant>>, is_done: impl Fn() -> bool) -> bool {
        let Ok(_waiting) = self.waiting.try_acquire() else { return true };
        timeout(FETCH_WAIT, self.fetch_unless(pause, is_done)).await.is_ok()
    }

    /// Fetches them now and then; never ends.
    pub(super) async fn follow(&self) {
        loop {
            let alone = self.pause_until.lock().await;
            let pause = if self.fetch().await { self.ttl } else { self.ttl.min(UNKNOWN_PAUSE) };
            drop(alone);
            sleep(pause).await;
        }
    }

    fn current(&self) -> Option<Arc<Held>> {
        self.held.load_full().filter(|held| held.fetched.elapsed() < KEPT)
    }

    /// Whether a fetch would tell no more about this name.
    fn know(&self, kid: Option<&str>) -> bool {
        let has = |held: &Held| kid.is_none_or(|kid| held.keys.iter().any(|key| key.kid.as_deref() == Some(kid)));
        self.current().is_some_and(|held| has(&held))
    }

    async fn fetch_unless(self: &Arc<Self>, pause: &Arc<Mutex<Instant>>, is_done: impl Fn() -> bool) {
        let mut pause_until = pause.clone().lock_owned().await;
        if is_done() || Instant::now() < *pause_until {
            return;
        }
        let this = self.clone();
        // A task of its own: a client that hangs up must not use up the one fetch of the next half minute.
        let fetching = tokio::spawn(async move {
            let pause = match (this.current().is_some(), this.fetch().await) {
                (true, _) => UNKNOWN_PAUSE,
                (false, true) => Duration::ZERO,
                (false, false) => EMPTY_PAUSE,
            };
            *pause_until = Instant::now() + pause;
        });
        drop(fetching.await);
    }

    /// Puts newer keys in place of those at hand, which stay when that fails. Whether it succeeded.
    async fn fetch(&self) -> bool {
        let fetched = timeout(FETCH_TIMEOUT, self.fetched()).await;
        match fetched.unwrap_or_else(|_| Err(format!("no answer within {FETCH_TIMEOUT:?}"))) {
            Ok(keys) => {
                tracing::debug!(issuer = self.issuer, keys = keys.len(), "fetched the keys of an identity provider");
                self.held.store(Some(Arc::new(Held::new(keys))));
                true
            }
            Err(cause) => {
                tracing::warn!(issuer = self.issuer, cause, "cannot fetch the keys of an identity provider");
                false
            }
        }
    }

    async fn fetched(&self) -> Result<Vec<Key>, String> {
        let place = if self.is_discovered { self.discovered().await? } else { self.place.clone() };
        let set: KeySet = self.client.get(&place).await?;
        if set.keys.len() > MOST_KEYS {
            return Err(format!("{place}: {} keys, {MOST_KEYS} are the most", set.keys.len()));
        }
        Ok(set.keys.iter().filter_map(Key::of).collect())
    }

    async fn discovered(&self) -> Result<Uri, String> {
        let found: Discovered = self.client.get(&self.place).await?;
        if found.issuer != self.issuer {
            return Err(format!("{} is of the issuer {:?}: write it like that", self.place, found.issuer));
        }
        let keys = url(&found.jwks_uri).map_err(|fault| format!("jwks_uri {fault}"))?;
        // A provider elsewhere has no business on this machine.
        if keys.scheme() != self.place.scheme() {
            return Err("jwks_uri has another scheme than the issuer".into());
        }
        Ok(keys)
    }
}

impl Held {
    /// Keys that were fetched now.
    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self { keys, fetched: Instant::now(), checked: Cache::new(MOST_CHECKED) }
    }

    /// Who holds the token, if it was checked with these keys and has not ended since.
    pub(super) fn holder(&self, token: &str) -> Option<Arc<Principal>> {
        let principal = self.checked.get(&digest(token))?;
        principal.expires_at.is_some_and(|end| Utc::now() < end).then_some(principal)
    }

    pub(super) fn remember(&self, token: &str, holder: &Arc<Principal>) {
        self.checked.insert(digest(token), holder.clone());
    }

    /// The keys to check a token with: all of its name (RFC 7517, section 4.5, allows several), four at most. Without a
    /// name there must be no choice.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        let named = self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        let fitting: Vec<_> = named.filter_map(|key| key.for_algorithm(algorithm)).take(MAX_KEYS_OF_NAME).collect();
        if kid.is_none() && fitting.len() > 1 { Vec::new() } else { fitting }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
