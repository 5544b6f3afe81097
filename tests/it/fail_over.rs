//! The database fails over: connections are cut, lead to a stand-by for a while, or to nothing behind a proxy that answers.
//! `tests/fault/patroni.py` does the same with a real cluster.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{Answer, TestDatabase, World, eventually, has_row_level_security, has_server};

const LIST: &str = "/api/v1/integrations";
const INSTALL: &str = "/api/v1/integrations/stripe/install";
/// How soon all must be well once the database is.
const SOON: Duration = Duration::from_secs(4);
/// Enough at once to have every connection of the pool in use.
const MANY: usize = 40;
/// One connection; and several, some of them at hand for single statements.
const POOLS: [&str; 2] = ["1", "16"];

/// A world on a database of its own, and who may do anything to that from outside.
struct Place {
    world: World,
    name: String,
    outside: DatabaseConnection,
}

impl Place {
    async fn new(connections: &str) -> Self {
        let database = whole().await;
        let name = database.direct_url().rsplit_once('/').expect("a database name").1.to_owned();
        let settings = [("database.max_connections", connections), ("database.acquire_timeout_ms", "1500")];
        let world = World::builder().set(&settings).on(database).await;
        let outside = Database::connect(server()).await.expect("connected");
        let place = Self { world, name, outside };
        place.assert_all_well().await;
        place
    }

    async fn outside(&self, statement: &str) {
        let statement = statement.replace("{}", &self.name);
        self.outside.execute_unprepared(&statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
    }

    /// What was connected before learns it by losing its connection.
    async fn cut_all(&self) {
        self.outside("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'").await;
    }

    async fn install(&self, n: usize) -> Answer {
        self.world.account(&format!("account-{n}")).post(INSTALL, &body(n)).await
    }

    async fn install_many(&self) -> Vec<Answer> {
        join_all((0..MANY).map(|n| self.install(n))).await
    }

    async fn assert_all_well(&self) {
        for answer in self.install_many().await {
            answer.ok();
        }
    }

    async fn until_all_well(&self) {
        eventually("every write is taken again", SOON, async || self.install_many().await.iter().all(is_well)).await;
    }
}

fn server() -> String {
    std::env::var("TEST_DATABASE_URL").expect("asked before")
}

async fn whole() -> TestDatabase {
    TestDatabase::whole(&server(), has_row_level_security()).await
}

/// Every second takes a secret away, which takes a transaction of several statements.
fn body(n: usize) -> Value {
    let secret = if n.is_multiple_of(2) { json!("sk_test_CANARY_fail_over") } else { Value::Null };
    json!({"params": {"n": n}, "secrets": {"api_key": secret}})
}

/// 200, or what promises that it will be.
fn is_well(answer: &Answer) -> bool {
    if answer.status == StatusCode::OK {
        return true;
    }
    assert_away(answer);
    false
}

fn assert_away(answer: &Answer) {
    answer.assert_refused(503, "database_unavailable", "Database unavailable");
    let seconds = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{seconds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_server_that_takes_no_writes_any_more_are_not_kept() {
    if !has_server() {
        return;
    }
    for connections in POOLS {
        let place = Place::new(connections).await;
        place.outside("ALTER DATABASE {} SET default_transaction_read_only = on").await;
        place.cut_all().await;
        for _ in 0..3 {
            for answer in place.install_many().await {
                assert_away(&answer);
            }
        }
        // Sessions that began before keep what they began with: they are of the former primary.
        place.outside("ALTER DATABASE {} RESET default_transaction_read_only").await;
        place.until_all_well().await;
        place.assert_all_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_connections_are_cut_one_request_notices_for_all() {
    if !has_server() {
        return;
    }
    let place = Place::new("16").await;
    place.cut_all().await;
    let mut refused = 0;
    for n in 0..MANY {
        refused += usize::from(!is_well(&place.install(n).await));
    }
    // There everything starts with a transaction, and a BEGIN that meets the cut is said again.
    let most = if has_row_level_security() { 0 } else { 2 };
    assert!(refused <= most, "{refused} requests met a connection that was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_by_is_not_read_from() {
    if !has_server() {
        return;
    }
    for connections in POOLS {
        let place = Place::new(connections).await;
        // Says of itself what a stand-by says.
        place
            .world
            .sql("CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'")
            .await;
        place.outside("ALTER DATABASE {} SET search_path = public, pg_catalog").await;
        place.cut_all().await;
        let acme = place.world.account("account-0");
        for _ in 0..2 {
            assert_away(&acme.get(LIST).await);
        }
        place.outside("ALTER DATABASE {} RESET search_path").await;
        eventually("it is read from again", SOON, async || is_well(&acme.get(LIST).await)).await;
        place.until_all_well().await;
    }
}

/// Leads to the database or, while it leads nowhere, takes connections and closes them, as HAProxy does.
struct Proxy {
    address: String,
    leads: Arc<watch::Sender<bool>>,
}

impl Proxy {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("address").to_string();
        let leads = Arc::new(watch::Sender::new(true));
        let of_listener = leads.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("accepted");
                tokio::spawn(lead(client, server.clone(), of_listener.subscribe()));
            }
        });
        Self { address, leads }
    }
}

async fn lead(mut client: TcpStream, server: String, mut leads: watch::Receiver<bool>) {
    if !*leads.borrow_and_update() {
        // Read first: closing with something unread would be a reset.
        let _ = client.readable().await;
        let _ = client.try_read(&mut [0; 64]);
        return;
    }
    let mut server = TcpStream::connect(server).await.expect("PostgreSQL");
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = leads.wait_for(|leads| !leads) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_takes_connections_and_leads_nowhere_is_a_database_that_is_away() {
    if !has_server() {
        return;
    }
    let database = whole().await;
    let url = database.direct_url();
    let (start, rest) = url.split_once('@').expect("a user");
    let (server, name) = rest.split_once('/').expect("a database name");
    let proxy = Proxy::to(server.to_owned()).await;
    let proxied = format!("{start}@{}/{name}", proxy.address);
    let world = World::builder().set(&[("database.url", &proxied)]).on(database).await;
    let acme = world.account("acme");
    acme.post(INSTALL, &body(0)).await.ok();
    proxy.leads.send_replace(false);
    for n in 0..5 {
        assert_away(&acme.get(LIST).await);
        assert_away(&acme.post(INSTALL, &body(n)).await);
    }
    proxy.leads.send_replace(true);
    eventually("it leads to the database again", SOON, async || is_well(&acme.post(INSTALL, &body(1)).await)).await;
    acme.get(LIST).await.ok();
}
