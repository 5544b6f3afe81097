//! The files of the embedded database: who can read them, what stays in them, and a file that is not what it was.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use crate::support::{Process, Wire};

const STRIPE: &str = "/api/v1/integrations/stripe";

fn serve(data: &Path) -> Process {
    Process::serve(&["--data-dir", &data.display().to_string()])
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

const FILES: [&str; 5] = ["patchbay.db", "patchbay.db-wal", "patchbay.db-shm", "patchbay.in-use", "patchbay.lock"];

#[tokio::test]
async fn files_in_an_open_folder_are_private_and_the_folder_is_reported() {
    let folder = tempfile::tempdir().expect("folder");
    set_mode(folder.path(), 0o755);
    let process = serve(folder.path());
    Wire::new(&process.url, "acme").post(&format!("{STRIPE}/install"), &json!({})).await.ok();
    for name in FILES {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
    let (_, log) = process.stop();
    assert!(log.contains("the data directory is open to other users") && log.contains("755"), "{log}");
}

#[tokio::test]
async fn open_files_of_an_earlier_release_are_made_private() {
    let folder = tempfile::tempdir().expect("folder");
    set_mode(folder.path(), 0o700);
    serve(folder.path()).stop();
    for name in ["patchbay.db", "patchbay.in-use", "patchbay.lock"] {
        set_mode(&folder.path().join(name), 0o644);
    }
    let process = serve(folder.path());
    Wire::new(&process.url, "acme").post(&format!("{STRIPE}/install"), &json!({})).await.ok();
    for name in ["patchbay.db", "patchbay.db-wal", "patchbay.db-shm", "patchbay.in-use"] {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
    let (_, log) = process.stop();
    assert!(!log.contains("open to other users"), "{log}");
}

/// Whether the database or its log holds the bytes.
fn holds(data: &Path, bytes: &[u8]) -> bool {
    let files = ["patchbay.db", "patchbay.db-wal"].map(|name| std::fs::read(data.join(name)).unwrap_or_default());
    files.iter().any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}

async fn bytes_of(data: &Path, sql: &str) -> Vec<u8> {
    let db = Database::connect(format!("sqlite://{}/patchbay.db", data.display())).await.expect("connected");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("asked");
    let bytes = row.expect("a row").try_get_by_index(0).expect("bytes");
    db.close().await.expect("closed");
    bytes
}

async fn assert_erased(data: &Path, erased: &[(&str, &[u8])]) {
    let begun = Instant::now();
    while erased.iter().any(|(_, bytes)| holds(data, bytes)) {
        let left: Vec<_> = erased.iter().filter(|(_, bytes)| holds(data, bytes)).map(|(what, _)| *what).collect();
        assert!(begun.elapsed() < Duration::from_secs(20), "still in the file or its log: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn purged_and_shredded_bytes_leave_the_file_and_its_log() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path();
    let process = serve(data);
    let marker = format!("CANARY-{}", uuid::Uuid::new_v4());
    let install = json!({"params": {"note": marker}, "secrets": {"api_key": "sk_CANARY"}});
    let acme = Wire::new(&process.url, "acme");
    acme.post(&format!("{STRIPE}/install"), &install).await.ok();
    let sealed = bytes_of(data, "SELECT sealed FROM installation_secrets").await;
    assert!(holds(data, marker.as_bytes()) && holds(data, &sealed));
    acme.post(&format!("{STRIPE}/purge"), &Value::Null).await.ok();
    assert_erased(data, &[("param", marker.as_bytes()), ("sealed value", &sealed)]).await;

    acme.post(&format!("{STRIPE}/install"), &install).await.ok();
    let sealed = bytes_of(data, "SELECT sealed FROM installation_secrets").await;
    let wrapped = bytes_of(data, "SELECT wrapped FROM account_keys").await;
    assert!(holds(data, &sealed) && holds(data, &wrapped));
    let shredded = Process::run(&["account", "shred", "acme", "--yes", "--data-dir", &data.display().to_string()]);
    assert!(shredded.status.success(), "{}", String::from_utf8_lossy(&shredded.stderr));
    let erased: [(&str, &[u8]); 3] = [("param", marker.as_bytes()), ("sealed value", &sealed), ("data key", &wrapped)];
    assert_erased(data, &erased).await;
    process.stop();
}

#[tokio::test]
async fn a_removed_database_file_is_not_ready_and_writes_are_unavailable() {
    let folder = tempfile::tempdir().expect("folder");
    let process = serve(folder.path());
    let acme = Wire::new(&process.url, "acme");
    assert_eq!(acme.get("/readyz").await.ok()["database"], "ok");
    for name in FILES {
        std::fs::rename(folder.path().join(name), folder.path().join(format!("{name}.gone"))).expect("moved");
    }
    // A finding is reused for half a second.
    tokio::time::sleep(Duration::from_millis(600)).await;
    for path in ["/readyz", "/readyz?strict=1"] {
        let answer = acme.get(path).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["database"]), (503, &json!("unavailable")), "{path}");
    }
    let install = acme.post(&format!("{STRIPE}/install"), &json!({})).await;
    assert_eq!((install.status.as_u16(), install.error_code()), (503, "database_unavailable"), "{}", install.text());
    assert!(install.header("retry-after").is_some());
    let log = process.stop().1;
    assert!(log.contains("was removed or replaced"), "{log}");
}

#[tokio::test]
async fn empty_database_beside_its_key_ring_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    serve(folder.path()).stop();
    std::fs::write(folder.path().join("patchbay.db"), "").expect("emptied");
    let create = ["api-keys", "create", "--name", "x", "--scope", "catalog:read", "--account", "acme"];
    let refuse = |command: &[&str], reason: &str| {
        let refused = Process::run(&[command, &["--data-dir", &data]].concat());
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && complaint.contains(reason), "{command:?} {complaint}");
    };
    refuse(&["--listen", "127.0.0.1:0"], "is empty, and a key ring");
    refuse(&["migrate"], "is empty, and a key ring");
    assert_eq!(std::fs::metadata(folder.path().join("patchbay.db")).expect("file").len(), 0, "left as it was");
    refuse(&create, "schema steps are pending");
    std::fs::remove_file(folder.path().join("patchbay.db")).expect("removed");
    serve(folder.path()).stop();
}
