//! A server in process, on a database of its own, with accounts that have a third of the catalog.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use patchbay::app::App;
use patchbay::config::{Config, Resolved, Sources};
use patchbay::domain::{AccountId, ActorKind, Call, CatalogQuery, Reference, Supplied};
use patchbay::service::TenantServices;
use patchbay::vault::Keyring;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Accounts that the calls walk over.
const ACCOUNTS: usize = 16;

/// A server with seeded accounts.
pub(crate) struct World {
    pub(crate) app: App,
    /// Names the database in benchmark ids.
    pub(crate) engine: &'static str,
    schema: Option<(String, String)>,
    next: AtomicUsize,
    _folder: TempDir,
}

/// A world with these settings on a SQLite file, and one on the PostgreSQL of `BENCH_DATABASE_URL` where that is set.
pub(crate) fn worlds(runtime: &Runtime, settings: &[(&str, &str)]) -> Vec<World> {
    runtime.block_on(async {
        let mut worlds = vec![World::start(None, settings).await];
        if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
            worlds.push(World::start(Some(url), settings).await);
        }
        worlds
    })
}

impl World {
    async fn start(server: Option<String>, changed: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let keyring = folder.path().join("keyring.json");
        Keyring::create(&keyring).expect("key ring");
        let mut settings = vec![
            ("server.data_dir", folder.path().display().to_string()),
            ("keys.keyring_file", keyring.display().to_string()),
        ];
        settings.extend(changed.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let mut schema = None;
        if let Some(server) = server {
            let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
            run(&server, &format!("CREATE SCHEMA {name}")).await;
            let separator = if server.contains('?') { '&' } else { '?' };
            settings.push(("database.url", format!("{server}{separator}options=-csearch_path%3D{name}")));
            schema = Some((server, name));
        }
        let flags = settings.into_iter().map(|(key, value)| (key.to_owned(), "benchmark".to_owned(), value)).collect();
        let resolved = Resolved::read(&Sources { flags, ..Sources::default() }).expect("settings");
        let app = App::prepare(Config::from(&resolved), None).await.expect("prepared");
        let engine = if schema.is_some() { "postgres" } else { "sqlite" };
        let world = Self { app, engine, schema, next: AtomicUsize::new(0), _folder: folder };
        world.seed().await;
        world
    }

    async fn seed(&self) {
        for _ in 0..ACCOUNTS {
            let tenant = self.tenant();
            let listing = tenant.list(CatalogQuery::default()).await.expect("list");
            let all = listing.page(&patchbay::domain::Page::All).expect("page");
            for integration in all.items.iter().step_by(3) {
                let reference = Reference::Id(integration.entry.id);
                tenant.install(&reference, Supplied::default(), None).await.expect("installed");
            }
            tenant.install(&Reference::parse("stripe"), two_secrets(), None).await.expect("installed");
        }
    }

    /// The next account's services.
    pub(crate) fn tenant(&self) -> TenantServices {
        let account = AccountId::parse(&self.next_account()).expect("account");
        self.app.services().tenant(account, Call::trusted(ActorKind::System, "benchmark"))
    }

    /// A request through the router for the next account; its body, which is a 200's.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &'static str) -> usize {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-account-id", self.next_account())
            .header("content-type", "application/json")
            .body(Body::from(body))
            .expect("request");
        let response = self.app.router().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.expect("body").to_bytes().len()
    }

    /// Leaves nothing behind.
    pub(crate) fn end(self, runtime: &Runtime) {
        runtime.block_on(async {
            self.app.store().close().await;
            if let Some((server, name)) = self.schema {
                run(&server, &format!("DROP SCHEMA {name} CASCADE")).await;
            }
        });
    }

    fn next_account(&self) -> String {
        format!("account-{}", self.next.fetch_add(1, Ordering::Relaxed) % ACCOUNTS)
    }
}

/// What an install of Stripe supplies.
pub(crate) fn two_secrets() -> Supplied {
    let object = |value: Value| -> Option<Map<String, Value>> { value.as_object().cloned() };
    let secrets = json!({"api_key": "sk_test_example_0000", "webhook_secret": "whsec_example_0000"});
    Supplied::new(object(json!({})), object(secrets)).expect("storable")
}

#[expect(clippy::disallowed_methods, reason = "makes and drops a schema; no tenant's rows")]
async fn run(server: &str, statement: &str) {
    let admin = Database::connect(server).await.expect("PostgreSQL of BENCH_DATABASE_URL");
    admin.execute_unprepared(statement).await.expect("statement");
    admin.close().await.expect("closed");
}
