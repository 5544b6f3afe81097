//! A world per test: a database of its own, the real router, clients that act for an account.

#![allow(dead_code, unused_imports, reason = "shared by test modules that come and go")]

mod client;
mod credentials;
mod database;
pub mod faulty;
mod key_service;
mod moto;
mod process;
pub mod provider;
mod rows;
pub mod signer;
pub mod strait;
mod told;
pub mod transit;
mod wire;
mod witness;

pub use client::{Answer, Client, REPLAYED};
pub use credentials::{Credentials, GATEWAY_TOKEN, Mode, PEPPER, make_key};
pub use database::{TestDatabase, has_row_level_security, has_server, pooler_of_the_suite};
pub use key_service::{KeyService, Mood};
pub use moto::Moto;
pub use process::{Process, command, signal};
pub use rows::{account_id, call, open, wrapped};
pub use told::Told;
pub use wire::{Wire, exchange};
pub use witness::TENANT;

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use patchbay::app::App;
use patchbay::config::{Config, Resolved, Sources};
use patchbay::vault::Provider;
use sea_orm::Database;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use witness::Witness;

/// A running Patchbay with a database that nobody else uses.
pub struct World {
    pub app: App,
    pub folder: TempDir,
    pub database: TestDatabase,
    credentials: Arc<Credentials>,
    witness: Witness,
}

/// Settings of a world that is not started yet.
pub struct Builder {
    settings: Vec<(String, String)>,
    has_keys: bool,
    key_services: Vec<Arc<dyn Provider>>,
}

impl World {
    /// A world with every setting at its default.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A world with these settings changed.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::builder().set(settings).start().await
    }

    pub fn builder() -> Builder {
        Builder { settings: Vec::new(), has_keys: true, key_services: Vec::new() }
    }

    /// A client that names this account, and may act for it alone where that has to be proven.
    pub fn account(&self, account: &str) -> Client {
        self.holder_for(account, account)
    }

    /// A client that names no account. What it holds is good for several, so that it has to name one.
    pub fn nobody(&self) -> Client {
        Client::new(self.router(), None).proving(&self.credentials, None)
    }

    /// A client that names no account and holds what is good for this one.
    pub fn holder(&self, account: &str) -> Client {
        Client::new(self.router(), None).proving(&self.credentials, Some(account))
    }

    /// A client that holds what is good for one account, and names another.
    pub fn holder_for(&self, own: &str, named: &str) -> Client {
        Client::new(self.router(), Some(named)).proving(&self.credentials, Some(own))
    }

    /// How a test that does not care lets its clients in.
    pub fn mode(&self) -> &Mode {
        self.credentials.mode()
    }

    pub fn router(&self) -> Router {
        self.app.router()
    }

    /// Serves on a real socket until the returned handle is dropped.
    pub async fn serve(&self) -> Served {
        let listener = self.app.listen().await.expect("listening");
        let address = listener.local_addr().expect("address");
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let app = self.app.clone();
        let running = tokio::spawn(async move { app.run(listener, stopping.cancelled_owned()).await });
        Served { address, stop, running: Some(running), credentials: self.credentials.clone() }
    }

    /// What a piece of work has the database do, statement by statement.
    pub async fn statements_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        let before = self.witness.statements().len();
        let outcome = work.await;
        (outcome, self.witness.statements().split_off(before))
    }

    /// The database, for looking and meddling behind the server's back.
    pub async fn connect(&self) -> sea_orm::DatabaseConnection {
        Database::connect(self.database.admin_url()).await.expect("connected")
    }
}

impl Builder {
    pub fn set(mut self, settings: &[(&str, &str)]) -> Self {
        self.settings.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self
    }

    /// No key ring: secrets cannot be stored.
    pub fn without_keys(mut self) -> Self {
        self.has_keys = false;
        self
    }

    /// Data keys are wrapped by this service; the key ring is there beside it.
    pub fn key_service(mut self, service: &Arc<KeyService>) -> Self {
        self.key_services.push(service.clone());
        self
    }

    pub async fn start(self) -> World {
        let folder = new_folder();
        let database = TestDatabase::create(&folder).await;
        self.start_in(folder, database).await
    }

    /// On this database.
    pub async fn on(self, database: TestDatabase) -> World {
        self.start_in(new_folder(), database).await
    }

    /// A second replica, on the database of another world.
    pub async fn beside(self, other: &World) -> World {
        let folder = new_folder();
        std::fs::copy(other.folder.path().join("keyring.json"), folder.path().join("keyring.json")).expect("key ring");
        self.start_in(folder, other.database.clone()).await
    }

    async fn start_in(self, folder: TempDir, database: TestDatabase) -> World {
        let keyring = folder.path().join("keyring.json");
        if self.has_keys && !keyring.exists() {
            patchbay::vault::Keyring::create(&keyring).expect("key ring");
        }
        if let (false, TestDatabase::Sqlite(url)) = (self.has_keys, &database) {
            // A database that is there already: on the very first run a key ring would be made.
            File::options().append(true).create(true).open(url.trim_start_matches("sqlite://")).expect("database");
        }
        if let Some((_, limit)) = self.settings.iter().find(|(key, _)| key == "database.statement_timeout_ms") {
            database.limit_statements(limit).await;
        }
        let mut settings = vec![
            ("server.listen".to_owned(), "127.0.0.1:0".to_owned()),
            ("server.data_dir".to_owned(), folder.path().display().to_string()),
            ("database.sqlite_synchronous".to_owned(), "normal".to_owned()),
            // Many tests at once may keep a small machine from answering for a while.
            ("database.silence_ms".to_owned(), "5000".to_owned()),
        ];
        settings.extend(database.settings().into_iter().map(|(key, value)| (key.to_owned(), value)));
        if self.has_keys {
            settings.push(("keys.keyring_file".to_owned(), keyring.display().to_string()));
        }
        let has_mode = self.settings.iter().any(|(key, _)| key == "auth.mode");
        let mode = if has_mode { Mode::Open } else { Mode::of_environment().await };
        settings.extend(mode.settings());
        settings.extend(self.settings);
        let flags = settings.into_iter().map(|(key, value)| (key, "test".to_owned(), value)).collect();
        let resolved = Resolved::read(&Sources { flags, ..Sources::default() }).expect("settings");
        let witness = Witness::default();
        let config = Config::from(&resolved);
        let app = App::prepare_with(config, Some(witness.observer()), self.key_services).await.expect("prepared");
        let credentials = Arc::new(Credentials::new(mode, app.clone()));
        World { app, folder, database, credentials, witness }
    }
}

/// A folder of a world's own. With `KEEP_TEST_DATABASES` it is made in that directory and stays there, so that what
/// was written can be searched for secrets.
fn new_folder() -> TempDir {
    let mut builder = tempfile::Builder::new();
    match std::env::var_os("KEEP_TEST_DATABASES") {
        Some(kept) => builder.disable_cleanup(true).tempdir_in(kept),
        None => builder.tempdir(),
    }
    .expect("folder")
}

/// A server on a socket.
pub struct Served {
    pub address: SocketAddr,
    pub credentials: Arc<Credentials>,
    stop: CancellationToken,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl Served {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Real connections of this account.
    pub async fn wire(&self, account: &str) -> Wire {
        let wire = Wire::new(&self.address.to_string(), account);
        match self.credentials.of(Some(account)).await {
            Some((name, value)) => wire.header(name, &value),
            None => wire,
        }
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.await.expect("stopped");
        }
    }

    /// Asks it to stop, and goes on.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.witness.assert_walled();
        }
    }
}

/// Polls until `check` holds; fails with `claim` after the deadline.
pub async fn eventually(claim: &str, deadline: Duration, mut check: impl AsyncFnMut() -> bool) {
    let started = std::time::Instant::now();
    while !check().await {
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {claim}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says visibly that a test did not run, and why.
#[expect(clippy::print_stderr, reason = "the test runner shows it")]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
