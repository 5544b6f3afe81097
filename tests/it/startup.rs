//! The real binary starts, also eight at once, or says in a sentence why it does not.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, EntityTrait, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Process, TestDatabase, Wire, has_server};

const REPLICAS: usize = 8;

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn key_ring(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    patchbay::vault::Keyring::create(&path).expect("key ring");
    text(&path)
}

/// Starts eight servers with the same arguments at the same moment; all must become ready.
fn start_together(arguments: &[&str]) -> Vec<Process> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = (0..REPLICAS).map(|_| scope.spawn(|| Process::serve(arguments))).collect();
        starting.into_iter().map(|thread| thread.join().expect("ready")).collect()
    })
}

async fn assert_prepared_once(db: &DatabaseConnection) {
    let statement = Statement::from_string(db.get_database_backend(), "SELECT version FROM schema_migrations");
    let steps = db.query_all_raw(statement).await.expect("steps");
    let steps: Vec<String> = steps.iter().map(|row| row.try_get("", "version").expect("version")).collect();
    assert_eq!(steps.iter().collect::<BTreeSet<_>>().len(), steps.len(), "a step ran twice: {steps:?}");
    assert!(steps.len() >= 3, "{steps:?}");
    let checks = entity::key_check::Entity::find().all(db).await.expect("checks");
    let of_key = checks.iter().filter(|check| check.provider != "pepper");
    assert_eq!(of_key.count(), 1, "one check of the one primary key");
    let entries = entity::integration::Entity::find().all(db).await.expect("catalog");
    assert_eq!(entries.len(), patchbay::catalog::builtin().expect("catalog").len());
}

async fn assert_one_vault(processes: &[Process]) {
    for (i, process) in processes.iter().enumerate() {
        let wire = Wire::new(&process.url, "acme");
        assert_eq!(wire.get("/readyz").await.ok()["secrets"], "ok");
        let body = json!({"secrets": { format!("s{i}"): "CANARY" }});
        wire.post("/api/v1/integrations/stripe/install", &body).await.ok();
    }
    let shown = Wire::new(&processes[0].url, "acme").get("/api/v1/integrations/stripe").await.ok();
    assert_eq!(shown["secret_names"].as_array().expect("names").len(), processes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_first_starts_at_once_in_one_data_directory_all_become_ready() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    let processes = start_together(&["--data-dir", &data]);
    assert_one_vault(&processes).await;
    drop(processes);
    let db = Database::connect(format!("sqlite://{data}/patchbay.db")).await.expect("connected");
    assert_prepared_once(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_first_starts_at_once_on_an_empty_server_schema_all_become_ready() {
    if !has_server() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let database = TestDatabase::create(&folder).await;
    let ring = format!("keys.keyring_file={}", key_ring(&folder, "ring.json"));
    let (url, data) = (database.url(), text(folder.path()));
    // Eight small pools fit into a server with its default of 100 connections, beside the other tests.
    let small = "database.max_connections=2";
    let processes = start_together(&["--database-url", &url, "--data-dir", &data, "--set", &ring, "--set", small]);
    assert_one_vault(&processes).await;
    drop(processes);
    assert_prepared_once(&Database::connect(database.direct_url()).await.expect("connected")).await;
}

#[tokio::test]
async fn a_key_ring_is_made_on_the_very_first_run_and_never_again() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    let ring = data.join("keyring.json");
    let process = Process::serve(&["--data-dir", &text(&data)]);
    assert_eq!(std::fs::metadata(&ring).expect("made").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&data).expect("made").permissions().mode() & 0o777, 0o700);
    let made = std::fs::read_to_string(&ring).expect("ring");
    let install = json!({"secrets": {"api_key": "sk_CANARY"}});
    Wire::new(&process.url, "acme").post("/api/v1/integrations/stripe/install", &install).await.ok();
    let (stdout, log) = process.stop();
    let key: Value = serde_json::from_str(&made).expect("JSON");
    let key = key["keys"][0]["key"].as_str().expect("key");
    assert!(!stdout.contains(key) && !log.contains(key), "the key itself was told");
    Process::serve(&["--data-dir", &text(&data)]).stop();
    assert_eq!(std::fs::read_to_string(&ring).expect("ring"), made);

    // The database is there and the ring is gone: a new one would only hide that.
    std::fs::rename(&ring, folder.path().join("kept.json")).expect("moved");
    let refused = Process::run(&["--data-dir", &text(&data), "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let complaint = stderr(&refused);
    assert!(complaint.contains("local:1") && complaint.contains("fingerprint"), "{complaint}");
    assert!(!ring.exists(), "a key was invented for a database that has one");
}

#[tokio::test]
async fn a_database_without_secrets_starts_without_a_key_and_none_is_invented() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    let database = text(&folder.path().join("own.db"));
    // The schema alone, so a database that exists before the first server does.
    assert!(Process::run(&["migrate", "--database-url", &format!("sqlite:{database}")]).status.success());
    let process = Process::serve(&["--data-dir", &text(&data), "--database-url", &format!("sqlite:{database}")]);
    let wire = Wire::new(&process.url, "acme");
    let body = json!({"secrets": {"api_key": "sk_CANARY"}});
    let refused = wire.post("/api/v1/integrations/stripe/install", &body).await;
    refused.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
    assert_eq!(wire.get("/readyz").await.ok()["secrets"], "degraded");
    assert_eq!(wire.get("/readyz?strict=1").await.status.as_u16(), 503);
    wire.post("/api/v1/integrations/stripe/install", &json!({"params": {"n": 1}})).await.ok();
    let (_, log) = process.stop();
    assert!(log.contains("no key ring is configured"), "{log}");
    assert!(!data.join("keyring.json").exists());
}

#[tokio::test]
async fn on_a_database_server_a_key_is_never_invented() {
    if !has_server() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let database = TestDatabase::create(&folder).await;
    let data = folder.path().join("data");
    let process = Process::serve(&["--data-dir", &text(&data), "--database-url", &database.url()]);
    assert_eq!(Wire::new(&process.url, "acme").get("/readyz").await.ok()["secrets"], "degraded");
    process.stop();
    assert!(!data.join("keyring.json").exists());
}

#[tokio::test]
async fn a_wrong_or_missing_key_refuses_to_start_and_names_both_fingerprints() {
    let folder = tempfile::tempdir().expect("folder");
    let database = TestDatabase::create(&folder).await.url();
    let (right, wrong) = (key_ring(&folder, "right.json"), key_ring(&folder, "wrong.json"));
    let arguments = |ring: &str| {
        let data = text(folder.path());
        ["--data-dir", &data, "--database-url", &database, "--set", &format!("keys.keyring_file={ring}")]
            .map(str::to_owned)
            .to_vec()
    };
    let started = |ring: &str| {
        let arguments = arguments(ring);
        Process::serve(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = |ring: &str| {
        let arguments = [arguments(ring), vec!["--listen".into(), "127.0.0.1:0".into()]].concat();
        let output = Process::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    started(&right).stop();
    let expected = fingerprint(&right);
    let complaint = refused(&wrong);
    for part in ["local:1", &expected, &fingerprint(&wrong), "PATCHBAY_KEYRING_FILE"] {
        assert!(complaint.contains(part), "{part} not in {complaint}");
    }
    // The right key, under another id.
    let moved = std::fs::read_to_string(&right).expect("ring").replace(": 1", ": 2");
    let other = folder.path().join("other.json");
    std::fs::write(&other, moved).expect("written");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let complaint = refused(&text(&other));
    assert!(complaint.contains("local:1") && complaint.contains(&expected), "{complaint}");
    // No key ring at all.
    let output = Process::run(&["--database-url", &database, "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    started(&right).stop();
}

/// As vault.md defines it: the first 8 bytes of SHA-256 over purpose and key.
fn fingerprint(ring: &str) -> String {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let ring: Value = serde_json::from_str(&std::fs::read_to_string(ring).expect("ring")).expect("JSON");
    let key = base64::engine::general_purpose::STANDARD.decode(ring["keys"][0]["key"].as_str().expect("key"));
    let digest = Sha256::new().chain_update(b"patchbay.check.v1").chain_update(key.expect("base64")).finalize();
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_key_ring_that_others_can_read_refuses_to_start() {
    let folder = tempfile::tempdir().expect("folder");
    let ring = key_ring(&folder, "ring.json");
    for mode in [0o640, 0o604, 0o660, 0o644] {
        std::fs::set_permissions(&ring, std::fs::Permissions::from_mode(mode)).expect("mode");
        let setting = format!("keys.keyring_file={ring}");
        let data = text(&folder.path().join("data"));
        let output = Process::run(&["--data-dir", &data, "--set", &setting, "--listen", "127.0.0.1:0"]);
        assert_eq!(output.status.code(), Some(2), "{mode:o}");
        assert!(stderr(&output).contains(&format!("chmod 600 {ring}")), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn beyond_loopback_it_refuses_to_start_unless_told_that_the_header_is_to_be_trusted() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = Process::run(&["--data-dir", &data, "--listen", address, "--set", "auth.mode=open"]);
        assert_eq!(output.status.code(), Some(2), "{address}");
        let complaint = stderr(&output);
        for part in ["refusing to listen on", "X-Account-ID is believed", "--insecure-trust-account-header"] {
            assert!(complaint.contains(part), "{part} not in {complaint}");
        }
    }
    let trusting = ["--data-dir", &data, "--listen", "0.0.0.0:0", "--insecure-trust-account-header"];
    let process = Process::serve_with(&trusting, &[]);
    let port = process.url.rsplit(':').next().expect("port");
    Wire::new(&format!("127.0.0.1:{port}"), "acme").get("/readyz").await.ok();
}

#[test]
fn a_port_in_use_is_told_in_a_sentence_with_a_way_out() {
    let folder = tempfile::tempdir().expect("folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("address").to_string();
    let output = Process::run(&["--data-dir", &text(&folder.path().join("data")), "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = stderr(&output);
    assert!(complaint.contains(&format!("cannot listen on {address}")), "{complaint}");
    assert!(complaint.contains("--listen 127.0.0.1:"), "{complaint}");
}
