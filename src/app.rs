//! Configuration sections become parts, parts become a running server; and the order in which it stops.

mod keys;
mod pepper;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use axum::Router;
use chrono::Utc;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

pub(crate) use keys::{keyring_file, vault_at_hand};
pub(crate) use pepper::pepper_at_hand;

use crate::config::Config;
use crate::domain::{ActorKind, ApiKey, Call};
use crate::error::{Error, StartError};
use crate::server::{self, Server};
use crate::service::{ApiKeyPolicy, ApiKeys, KeyKeeper, MadeKey, Pepper, Services};
use crate::store::{StatementObserver, Store};
use crate::telemetry::{Metrics, Traces};
use crate::vault::Provider;

/// Send buffer of a connection in the kernel, which doubles it. Unbounded, a client that reads nothing is given megabytes,
/// and the progress of a slow one shows once in megabytes.
const SEND_BUFFER_BYTES: u32 = 256 * 1_024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// How often a running server deletes what is old.
const TIDIED_EVERY: Duration = Duration::from_secs(3_600);
/// How long a stopping server takes to remove itself from the running ones.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A server that is ready to listen. Cheap to clone.
#[derive(Clone)]
pub struct App {
    config: Config,
    store: Store,
    server: Server,
    router: Router,
    services: Services,
    traces: Option<Traces>,
}

impl App {
    /// Opens the database, migrates it, checks the keys and loads the catalog.
    ///
    /// # Errors
    /// A sentence for the operator that names the culprit and the cure.
    pub async fn prepare(config: Config, witness: Option<StatementObserver>) -> Result<Self, StartError> {
        Self::prepare_with(config, witness, Vec::new()).await
    }

    /// The same with a key service of a test, which then is the one that wraps.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare).
    pub async fn prepare_with(
        config: Config,
        witness: Option<StatementObserver>,
        key_services: Vec<Arc<dyn Provider>>,
    ) -> Result<Self, StartError> {
        let gate = config.auth.gate()?;
        let tokens = config.auth.tokens()?;
        let metrics = Arc::new(Metrics::default());
        let traces = config.traces.as_ref().map(Traces::start).transpose()?;
        let vault = keys::vault(&config, key_services, metrics.vault_observer()).await?;
        let store = open(&config, Some(both(metrics.statement_observer(), witness))).await?;
        let keys = KeyKeeper::new(store.clone(), vault, config.keys.policy);
        let pepper = pepper::pepper(&config, &store, config.auth.api_key).await?;
        let policy = api_key_policy(&config);
        let api_keys = ApiKeys::start(&store, pepper, policy, metrics.api_key_observer()).await?;
        let services = Services::start(store.clone(), keys, api_keys, tokens, config.services).await?;
        services.observe_audit(metrics.audit_observer());
        let server = Server::new(services.clone(), metrics, traces.clone());
        let router = server.router(&config, gate);
        store.mind_silence();
        Ok(Self { config, store, server, router, services, traces })
    }

    /// Every route with every layer, for tests that need no socket.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The services, for tests that look behind the transports.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The store, for tests that look behind the services.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Listens where the configuration says.
    ///
    /// # Errors
    /// When the address is not loopback while nobody is authenticated, or cannot be listened on.
    pub async fn listen(&self) -> Result<TcpListener, StartError> {
        refuse_open_address(&self.config)?;
        let address = self.config.server.listen;
        bind(address).map_err(|e| {
            let sentence = format!(
                "cannot listen on {address}: {e}. Choose another address with --listen, for instance --listen 127.0.0.1:8081"
            );
            match e.kind() {
                ErrorKind::PermissionDenied => StartError::Permanent(sentence),
                _ => StartError::Transient(sentence),
            }
        })
    }

    /// The key that lets the operator in where nobody could come in otherwise: beyond loopback in mode `api_key`, when there
    /// never was one.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn first_key(&self) -> Result<Option<MadeKey>, StartError> {
        if !self.config.auth.api_key || self.config.server.listen.ip().is_loopback() {
            return Ok(None);
        }
        self.services.api_keys().create_first().await.map_err(|error| start_error(&self.config, error))
    }

    /// Withdraws the key of a first start, so that the next start makes another.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn withdraw_first_key(&self, key: &ApiKey) -> Result<(), String> {
        let system = Call::trusted(ActorKind::System, "");
        self.services.api_keys().withdraw(&system, key, true).await.map_err(database_sentence)
    }

    /// Serves until `stop` resolves, then drains: requests under way have until the deadline.
    pub async fn run(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let tasks = [
            self.follow_catalog(),
            self.erase_old_events(),
            self.erase_old_receipts(),
            self.tidy_api_keys(),
            self.follow_identity_providers(),
            self.follow_keys(),
            self.follow_key_services(),
        ];
        let accepting = server::serve(self.server.clone(), listener, self.router.clone(), &self.config.server);
        tokio::pin!(accepting);
        let accepted = tokio::select! {
            accepted = &mut accepting => accepted,
            () = stop => {
                tracing::info!("stopping: finishing requests under way");
                self.server.stop();
                // Ends at once and closes the listener: a connection that nobody will take must be refused, not left
                // waiting until the drain is over.
                accepting.as_mut().await
            }
        };
        if let Err(error) = accepted {
            tracing::error!(%error, "connections cannot be accepted");
            self.server.stop();
        }
        let (deadline, drain_began) = (self.config.server.drain_timeout, Instant::now());
        if tokio::time::timeout(deadline, self.server.drained()).await.is_err() {
            tracing::warn!(deadline_ms = deadline.as_millis() as u64, "some requests did not finish in time");
        }
        // A database that is away must not hold up the end.
        if tokio::time::timeout(LEAVE_TIMEOUT, self.services.keys().leave()).await.is_err() {
            tracing::warn!("the database did not answer: this server counts as running for 90 seconds more");
        }
        tasks.iter().for_each(JoinHandle::abort);
        self.store.close().await;
        if let Some(traces) = self.traces {
            traces.stop(deadline.saturating_sub(drain_began.elapsed())).await;
        }
        tracing::info!("stopped");
    }

    /// Keeps the keys fresh that tokens are checked with.
    fn follow_identity_providers(&self) -> JoinHandle<()> {
        let services = self.services.clone();
        tokio::spawn(async move { services.follow_identity_providers().await })
    }

    /// Sees which data keys others retire, and seals anew what they sealed.
    fn follow_keys(&self) -> JoinHandle<()> {
        let (services, every) = (self.services.clone(), self.config.catalog_poll);
        tokio::spawn(async move { services.keys().follow(every).await })
    }

    /// Knows whether the key services can be used, also when nobody asks.
    fn follow_key_services(&self) -> JoinHandle<()> {
        let (services, every) = (self.services.clone(), self.config.keys.probe);
        tokio::spawn(async move { services.keys().follow_services(every).await })
    }

    /// Sees what other replicas change in the catalog.
    fn follow_catalog(&self) -> JoinHandle<()> {
        let (services, every) = (self.services.clone(), self.config.catalog_poll);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = services.refresh_catalog().await {
                    tracing::warn!(cause = error.cause(), "reading the catalog's revision");
                }
            }
        })
    }

    /// Deletes what is older than the audit log is to be kept, now and once an hour.
    fn erase_old_events(&self) -> JoinHandle<()> {
        let (services, kept) = (self.services.clone(), self.config.audit_kept);
        tokio::spawn(async move {
            let Some(kept) = kept else { return };
            loop {
                match services.erase_events_before(Utc::now() - kept).await {
                    Ok(0) => {}
                    Ok(erased) => tracing::info!(erased, "deleted old events of the audit log"),
                    Err(error) => tracing::warn!(cause = error.cause(), "deleting old events of the audit log"),
                }
                tokio::time::sleep(TIDIED_EVERY).await;
            }
        })
    }

    /// Deletes API keys that ended long ago, now and once an hour.
    fn tidy_api_keys(&self) -> JoinHandle<()> {
        let (services, retention) = (self.services.clone(), self.config.auth.ended_key_retention);
        tokio::spawn(async move {
            loop {
                match services.api_keys().tidy(retention.map(|retention| Utc::now() - retention)).await {
                    Ok(0) => {}
                    Ok(deleted) => tracing::info!(deleted, "deleted API keys that ended long ago"),
                    Err(error) => tracing::warn!(cause = error.cause(), "deleting API keys that ended long ago"),
                }
                tokio::time::sleep(TIDIED_EVERY).await;
            }
        })
    }

    /// Deletes what is on record of requests with an idempotency key when it is a day old, now and once an hour.
    fn erase_old_receipts(&self) -> JoinHandle<()> {
        let services = self.services.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = services.erase_old_receipts().await {
                    tracing::warn!(cause = error.cause(), "deleting old records of requests with an idempotency key");
                }
                tokio::time::sleep(TIDIED_EVERY).await;
            }
        })
    }
}

/// The database and its API keys alone, for the command line; `to_make` when some are to be made. Makes no database.
///
/// # Errors
/// A sentence for the operator.
pub async fn open_api_keys(config: &Config, to_make: bool) -> Result<(Store, ApiKeys), StartError> {
    let store = open_existing(config).await?;
    let pepper = match to_make {
        true => pepper::pepper(config, &store, true).await?,
        // To sign a revocation; without one the key is revoked all the same.
        false => recorded_pepper(config, &store).await?,
    };
    let policy = ApiKeyPolicy { is_on: false, ..api_key_policy(config) };
    let keys = ApiKeys::start(&store, pepper, policy, Arc::new(|| {})).await?;
    Ok((store, keys))
}

/// The keys of a database that is there, for the command line. They are still to be checked.
///
/// # Errors
/// A sentence for the operator.
pub async fn open_keys(config: &Config) -> Result<(Store, KeyKeeper), String> {
    let store = open_existing(config).await?;
    let keys =
        KeyKeeper::new(store.clone(), keys::vault(config, Vec::new(), Arc::new(|_| {})).await?, config.keys.policy);
    Ok((store, keys))
}

/// Makes the database or brings its schema up to date, and with a new embedded database its key ring: a server that finds
/// a database later makes none.
///
/// # Errors
/// A sentence for the operator.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    if config.embedded_database().is_some_and(|path| !path.exists()) {
        keys::keyring(config)?;
    }
    open(config, None).await?.close().await;
    Ok(())
}

/// Opens the database and brings its schema up to date.
///
/// # Errors
/// A sentence for the operator.
pub async fn open(config: &Config, observer: Option<StatementObserver>) -> Result<Store, StartError> {
    if let Some(path) = config.embedded_database() {
        make_folder_of(path)?;
        keys::refuse_emptied_database(config, path)?;
    }
    let failed = |error| start_error(config, error);
    let store = Store::connect(&config.database, observer).await.map_err(failed)?;
    let applied = store.migrate(&config.database).await.map_err(failed)?;
    if !applied.is_empty() {
        tracing::info!(steps = applied.len(), "schema migrated");
    }
    Ok(store)
}

/// Opens a database that is there, and leaves its schema as it is.
///
/// # Errors
/// A sentence for the operator.
pub async fn open_existing(config: &Config) -> Result<Store, String> {
    if let Some(path) = config.embedded_database().filter(|path| !path.exists()) {
        return Err(format!("there is no database at {}. Name its folder with --data-dir", path.display()));
    }
    let store = Store::connect(&config.database, None).await.map_err(database_sentence)?;
    let refused = |error: Error| format!("the database cannot be used: {}", error.cause().unwrap_or_default());
    store.check().await.map_err(refused)?;
    Ok(store)
}

/// The pepper that the keys were made with, if it is there.
async fn recorded_pepper(config: &Config, store: &Store) -> Result<Option<Pepper>, String> {
    let recorded = store.api_keys().recorded_pepper().await.map_err(database_sentence)?;
    Ok(pepper_at_hand(config).unwrap_or_default().into_iter().find(|pepper| Some(pepper.fingerprint()) == recorded))
}

fn api_key_policy(config: &Config) -> ApiKeyPolicy {
    let per_minute = config.requests.map(|limits| limits.per_window[0]);
    ApiKeyPolicy {
        is_on: config.auth.api_key,
        adopts_unsigned: config.auth.adopts_unsigned_keys,
        max_token_key_life: config.auth.max_token_key_life,
        default_rate: per_minute.and_then(NonZeroU32::new),
    }
}

/// Makes the folder that a file is to lie in, for its owner alone: params are stored in the open. One that is there
/// already is left as it is.
pub(crate) fn make_folder_of(file: &Path) -> Result<(), String> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| format!("cannot make the data directory {}: {e}", folder.display()))
}

/// Accepted connections inherit the options of the listener.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn refuse_open_address(config: &Config) -> Result<(), String> {
    let address = config.server.listen;
    if !config.auth.open || address.ip().is_loopback() || config.server.insecure_trust_account_header {
        return Ok(());
    }
    Err(format!(
        "refusing to listen on {address}: with auth.mode = open X-Account-ID is believed without authentication, so anyone \
         who reaches this address could act for any account. Choose api_key, jwt or gateway as auth.mode, listen on \
         127.0.0.1, or, if nobody else can reach the address, add --insecure-trust-account-header"
    ))
}

/// A failure of the database at the start. A server may come up later; a file does not change by itself, unless it is in
/// use or the disk is full.
fn start_error(config: &Config, error: Error) -> StartError {
    const PASSING: [&str; 3] = ["disk", "locked", "busy"];
    // A running server takes these for an outage, since a file can be made accessible beside it.
    const INACCESSIBLE: [&str; 2] = ["unable to open database file", "readonly database"];
    let is_file = config.embedded_database().is_some();
    let is_permanent = match &error {
        Error::DatabaseUnfit { .. } => true,
        Error::Database { cause } => is_file && !PASSING.iter().any(|word| cause.contains(word)),
        Error::DatabaseUnavailable { cause } => is_file && INACCESSIBLE.iter().any(|words| cause.contains(words)),
        _ => false,
    };
    let sentence = database_sentence(error);
    if is_permanent { StartError::Permanent(sentence) } else { StartError::Transient(sentence) }
}

/// What an operator is told of a failure of the database.
pub fn database_sentence(error: Error) -> String {
    let cause = error.cause().unwrap_or_default();
    if matches!(error, Error::DatabaseUnfit { .. }) {
        return cause.to_owned();
    }
    format!("{}: {cause}. {}", error.public_message(), database_cure(cause))
}

/// What to check after a failure with this cause.
fn database_cure(cause: &str) -> &'static str {
    const CURES: [(&str, &str); 5] = [
        (
            "unsupported startup parameter",
            "A pooler refuses start-up parameters: set database.transaction_pooler = true, and database.migration_url to a \
             URL that leads past the pooler",
        ),
        ("unable to open database file", READ_ONLY_CURE),
        ("readonly database", READ_ONLY_CURE),
        ("is not a database", "Name another file in database.url or another folder in server.data_dir"),
        (
            "failed to lookup address",
            "Check the host in database.url. Special characters in its user name and password are percent-encoded: @ is %40, \
             / is %2F",
        ),
    ];
    let cure = CURES.iter().find(|(part, _)| cause.contains(part)).map(|(_, cure)| *cure);
    cure.unwrap_or("Check database.url, and that the server is running and lets this user in")
}

const READ_ONLY_CURE: &str = "Check server.data_dir or database.url, and that the user that runs Patchbay may write to the \
    database file and its folder (`ls -ld`)";

fn both(first: StatementObserver, second: Option<StatementObserver>) -> StatementObserver {
    match second {
        None => first,
        Some(second) => Arc::new(move |statement, took, failed| {
            first(statement, took, failed);
            second(statement, took, failed);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_failures_lead_to_their_cure() {
        for (cause, cure) in [
            ("unsupported startup parameter in options: enable_seqscan", "database.migration_url"),
            ("unsupported startup parameter: statement_timeout", "database.transaction_pooler"),
            ("(code: 14) unable to open database file", "may write to the database file and its folder"),
            ("(code: 8) attempt to write a readonly database", "may write to the database file and its folder"),
            ("failed to lookup address information: Name or service not known", "percent-encoded"),
            ("password authentication failed", "lets this user in"),
        ] {
            let told = database_sentence(Error::Database { cause: cause.to_owned() });
            assert!(told.contains(cause) && told.contains(cure), "{told}");
        }
    }
}
