//! Data that an older version wrote is brought up to date at the start: it answers as before, and goes on.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, Database, QueryResult, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Process, TestDatabase, Wire};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/before-data-keys");
const READ_BACK: [&str; 2] = ["--set", "secrets.read_back=true"];

/// A copy of the older version's data.
struct Older {
    folder: TempDir,
    database: TestDatabase,
    /// What that version answered about it.
    answers: Value,
}

impl Older {
    async fn copy() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        for file in ["patchbay.db", "keyring.json", "pepper"] {
            let copy = folder.path().join(file);
            std::fs::copy(Path::new(FIXTURE).join(file), &copy).expect("copied");
            std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).expect("mode");
        }
        let database = match TestDatabase::create(&folder).await {
            TestDatabase::Sqlite(_) => {
                TestDatabase::Sqlite(format!("sqlite://{}", folder.path().join("patchbay.db").display()))
            }
            server => server,
        };
        if database.is_postgres() {
            let db = Database::connect(database.direct_url()).await.expect("connected");
            db.execute_unprepared(&text("patchbay.sql")).await.expect("loaded");
            db.close().await.expect("closed");
        }
        let answers = text(if database.is_postgres() { "postgres.json" } else { "sqlite.json" });
        Self { folder, database, answers: serde_json::from_str(&answers).expect("JSON") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, more: &[&str]) -> Result<Process, String> {
        let (data, url) = (self.folder.path().display().to_string(), self.database.url());
        let (ring, pepper) = (self.file("keyring.json"), self.file("pepper"));
        // The older version's audit log is kept, whatever the day of the test.
        let listen = ["--data-dir", &data, "--listen", "127.0.0.1:0", "--set", "audit.retention_days=0"];
        if !self.database.is_postgres() {
            return Process::try_serve(&[&listen, more].concat(), &[]);
        }
        let keys = [
            ("PATCHBAY_KEYRING_FILE", &*ring.display().to_string()),
            ("PATCHBAY_AUTH_PEPPER_FILE", &*pepper.display().to_string()),
        ];
        Process::try_serve(&[&listen[..], &["--database-url", &url], more].concat(), &keys)
    }

    /// All that the older version answered is answered again.
    async fn assert_kept(&self, as_account: impl Fn(&str) -> Wire) {
        for (account, answers) in self.answers["accounts"].as_object().expect("accounts") {
            let wire = as_account(account);
            let events = wire.get("/api/v1/events").await.ok();
            let events = events["events"].as_array().expect("events");
            for (id, action) in answers["events"].as_object().expect("events") {
                let is_kept = events.iter().any(|event| event["id"] == **id && event["action"] == *action);
                assert!(is_kept, "{account}: the event {id} is gone");
            }
            for (name, told) in answers["integrations"].as_object().expect("integrations") {
                let mut told = told.as_object().expect("an object").clone();
                if let Some(secrets) = told.remove("secrets") {
                    assert_eq!(read_back(&wire, name).await, secrets, "{account}: {name}");
                }
                let shown = wire.get(&format!("/api/v1/integrations/{name}")).await.ok();
                for (field, value) in told {
                    assert_eq!(shown[&field], value, "{account}: {field} of {name}");
                }
            }
        }
    }

    /// Of every account, what its ETags are made of.
    async fn revisions(&self) -> Vec<(String, i64)> {
        let rows = self.rows("SELECT account_id, revision FROM account_revisions ORDER BY account_id").await;
        let cells = |row: &QueryResult| Some((row.try_get("", "account_id").ok()?, row.try_get("", "revision").ok()?));
        rows.iter().map(|row| cells(row).expect("a revision")).collect()
    }

    async fn fingerprint(&self) -> String {
        let rows = self.rows("SELECT fingerprint FROM key_checks WHERE provider = 'local'").await;
        rows[0].try_get("", "fingerprint").expect("a fingerprint")
    }

    /// Not by way of today's entities, which older tables need not fit.
    async fn rows(&self, statement: &str) -> Vec<QueryResult> {
        let db = Database::connect(self.database.admin_url()).await.expect("connected");
        let statement = Statement::from_string(db.get_database_backend(), statement);
        let rows = db.query_all_raw(statement).await.expect("rows");
        db.close().await.expect("closed");
        rows
    }
}

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(FIXTURE).join(file)).expect("fixture")
}

async fn read_back(wire: &Wire, name: &str) -> Value {
    wire.post(&format!("/api/v1/integrations/{name}/secrets/read"), &json!({})).await.ok()["secrets"].take()
}

async fn install(wire: &Wire, name: &str, body: &Value) -> Answer {
    wire.post(&format!("/api/v1/integrations/{name}/install"), body).await
}

#[tokio::test]
async fn data_of_the_version_before_data_keys_answers_as_before_and_goes_on() {
    let older = Older::copy().await;
    let before = older.revisions().await;
    assert_eq!(before.len(), 3);
    let process = older.start(&READ_BACK).expect("started");
    let as_account = |account: &str| Wire::new(&process.url, account);
    assert_eq!(as_account("acme").get("/readyz").await.ok()["secrets"], "ok");
    older.assert_kept(as_account).await;
    assert_eq!(older.revisions().await, before, "nobody's ETags have changed");

    let list = as_account("initech").get("/api/v1/integrations").await;
    // What was kept over an uninstall is there when it is installed again.
    let globex = as_account("globex");
    install(&globex, "stripe", &json!({})).await.ok();
    assert_eq!(read_back(&globex, "stripe").await, json!({"api_key": "sk_CANARY_kept"}));
    install(&globex, "github", &json!({"secrets": {"token": "CANARY_new", "text": null}})).await.ok();
    let read = read_back(&globex, "github").await;
    assert_eq!((&read["token"], &read["empty"], read.get("text")), (&json!("CANARY_new"), &json!(""), None));
    let newcomer = as_account("newcomer");
    install(&newcomer, "openai", &json!({"secrets": {"api_key": "sk-CANARY_new"}})).await.ok();
    assert_eq!(read_back(&newcomer, "openai").await, json!({"api_key": "sk-CANARY_new"}));
    let tag = list.header("etag").expect("a tag");
    let again = as_account("initech").header("if-none-match", tag).get("/api/v1/integrations").await;
    assert_eq!(again.status.as_u16(), 304, "the others are as they were");
    process.stop();
}

#[tokio::test]
async fn a_second_start_after_an_upgrade_finds_nothing_to_do_and_takes_the_api_key_of_before() {
    let older = Older::copy().await;
    older.start(&[]).expect("started").stop();
    let process = older.start(&[&READ_BACK[..], &["--set", "auth.mode=api_key"]].concat()).expect("started again");
    let key = older.answers["api_key"].as_str().expect("a key");
    older
        .assert_kept(|account| Wire::new(&process.url, account).header("authorization", &format!("Bearer {key}")))
        .await;
    assert_eq!(Wire::new(&process.url, "acme").get("/api/v1/integrations").await.status.as_u16(), 401);
    let (_, log) = process.stop();
    assert!(!log.contains("schema migrated") && !log.contains("catalog loaded"), "{log}");
}

#[tokio::test]
async fn the_data_of_before_refuses_a_key_ring_that_is_not_its_own() {
    let older = Older::copy().await;
    let (ring, kept) = (older.file("keyring.json"), older.file("kept.json"));
    std::fs::rename(&ring, &kept).expect("moved");
    patchbay::vault::Keyring::create(&ring).expect("another");
    let complaint = older.start(&[]).err().expect("refused");
    let words = complaint.split(|c: char| !c.is_ascii_alphanumeric());
    let fingerprints: BTreeSet<_> =
        words.filter(|word| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit())).collect();
    assert!(fingerprints.contains(&*older.fingerprint().await), "which one is expected: {complaint}");
    assert_eq!(fingerprints.len(), 2, "which one was given: {complaint}");
    // Nothing was spoilt by trying.
    std::fs::rename(&kept, &ring).expect("moved back");
    let process = older.start(&READ_BACK).expect("started");
    older.assert_kept(|account| Wire::new(&process.url, account)).await;
    process.stop();
}

#[tokio::test]
async fn secrets_of_an_earlier_release_open_and_are_bound_on_request() {
    let older = Older::copy().await;
    let process = older.start(&READ_BACK).expect("started");
    let as_account = |account: &str| Wire::new(&process.url, account);
    older.assert_kept(as_account).await;
    let formats = async || {
        let rows = older.rows("SELECT sealed FROM installation_secrets").await;
        let sealed = rows.iter().map(|row| row.try_get_by_index::<Vec<u8>>(0).expect("bytes"));
        sealed.map(|sealed| sealed[1]).collect::<BTreeSet<_>>()
    };
    assert_eq!(formats().await, BTreeSet::from([1]));
    let (data, url, ring) =
        (older.folder.path().display().to_string(), older.database.url(), older.file("keyring.json"));
    let ring = [("PATCHBAY_KEYRING_FILE", &*ring.display().to_string())];
    let bound = Process::run_with(&["keys", "bind", "--data-dir", &data, "--database-url", &url], &ring);
    assert!(bound.status.success(), "{}", String::from_utf8_lossy(&bound.stderr));
    assert_eq!(formats().await, BTreeSet::from([2]));
    older.assert_kept(as_account).await;
    process.stop();
}
