//! Making backups.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Place, install, installed, json_of, names};
use crate::support::{Process, Told, eventually};

const WRITERS: usize = 4;
/// Installs before the backup begins.
const BEFORE: usize = 60;

/// Accounts in the order in which their installs were acknowledged.
type Acknowledged = Arc<Mutex<Vec<String>>>;

/// Installs for one new account after the other until told to stop.
async fn write(server: Arc<Process>, writer: usize, acknowledged: Acknowledged, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let account = format!("account-{writer}-{number}");
        install(&server, &account, number).await;
        acknowledged.lock().expect("unpoisoned").push(account);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_installs_go_on_has_all_that_was_acknowledged_before_it_began_and_opens() {
    let place = Place::new();
    let server = Arc::new(place.serve("data"));
    let (acknowledged, stop) = (Acknowledged::default(), Arc::new(AtomicBool::new(false)));
    let writer = |n| tokio::spawn(write(server.clone(), n, acknowledged.clone(), stop.clone()));
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let count = || acknowledged.lock().expect("unpoisoned").len();
    eventually("installs are under way", Duration::from_secs(60), async || count() >= BEFORE).await;
    let before = acknowledged.lock().expect("unpoisoned").clone();
    let manifest = place.backup("data", "whole.db").done();
    let at_end = count();
    eventually("installs go on afterwards", Duration::from_secs(60), async || count() >= at_end + WRITERS).await;
    stop.store(true, Ordering::Release);
    for writer in writers {
        writer.await.expect("written");
    }
    Arc::into_inner(server).expect("nobody else's").stop();

    place.keys_alone("data", "other");
    let restored = place.restore("other", "whole.db", &[]).done();
    assert_eq!((&restored["keys_checked"], &restored["moved_aside"]), (&json!(true), &Value::Null));
    let verified = place.run("other", &["keys", "verify", "--json"]).done();
    assert_eq!((&verified["opened"], &verified["broken"]), (&manifest["secrets"], &json!(0)));
    let server = place.serve("other");
    for account in &before {
        let number: usize = account.rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
        assert_eq!(installed(&server, account).await, json!(number), "{account}");
    }
    assert!(manifest["accounts"].as_u64() >= Some(before.len() as u64), "{manifest}");
    // And it goes on from there.
    install(&server, "account-0-0", 7).await;
    assert_eq!(installed(&server, "account-0-0").await, 7);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_its_owners_alone_and_tells_which_keys_it_needs_and_none_of_them() {
    let place = Place::new();
    place.filled("data").await;
    std::fs::create_dir(place.path("backups")).expect("made");
    let told = place.backup("data", "backups").done();
    let file = Path::new(told["file"].as_str().expect("file"));
    let manifest = Path::new(told["manifest"].as_str().expect("manifest"));
    assert_eq!(names(&place.path("backups")).len(), 2, "nothing else is left");
    for path in [file, manifest] {
        assert_eq!(path.parent(), Some(&*place.path("backups")));
        assert_eq!(std::fs::metadata(path).expect("file").permissions().mode() & 0o777, 0o600);
    }
    let status = place.run("data", &["keys", "status", "--json"]).done();
    let said = json_of(manifest);
    assert_eq!(said["keys"][0]["key"], "local:1");
    assert_eq!(said["keys"][0]["fingerprint"], status["provider_keys"][0]["fingerprint"]);
    let counted = ["accounts", "installations", "secrets", "api_keys", "format"].map(|key| said[key].as_u64());
    assert_eq!(counted, [1, 1, 1, 0, 1].map(Some), "{said}");
    assert_eq!(said["pepper"], Value::Null, "no API key needs it");
    let ring = json_of(&place.path("data").join("keyring.json"));
    let key = ring["keys"][0]["key"].as_str().expect("key").to_owned();
    let pepper = std::fs::read_to_string(place.path("data").join("pepper")).expect("pepper");
    for path in [file, manifest] {
        let bytes = std::fs::read(path).expect("bytes");
        for secret in [key.as_bytes(), pepper.trim().as_bytes(), b"CANARY"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
        }
    }
    assert_eq!(place.run("data", &["keys", "verify", "--json"]).done()["opened"], 1, "the original is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_had_before_it_was_shredded_is_in_no_later_backup() {
    let place = Place::new();
    let server = place.serve("data");
    let body = json!({"params": {"note": "MARK".repeat(2000)}});
    crate::support::Wire::new(&server.url, "acme").post("/api/v1/integrations/stripe/install", &body).await.ok();
    server.stop();
    let has_mark = |file: &str| {
        let bytes = std::fs::read(place.path(file)).expect("backup");
        bytes.windows(8).any(|window| window == b"MARKMARK")
    };
    place.backup("data", "before.db").done();
    assert!(has_mark("before.db"));
    place.run("data", &["account", "shred", "acme", "--yes", "--json"]).done();
    place.backup("data", "after.db").done();
    assert!(!has_mark("after.db"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_replaces_another_only_when_told_and_never_the_database_itself() {
    let place = Place::new();
    place.filled("data").await;
    place.backup("data", "one.db").done();
    let (bytes, said) = (std::fs::read(place.path("one.db")).expect("backup"), json_of(&place.manifest("one.db")));
    let refused = place.backup("data", "one.db").refused();
    assert!(refused.contains("one.db is there already") && refused.contains("--force"), "{refused}");
    assert_eq!(std::fs::read(place.path("one.db")).expect("backup"), bytes);
    let server = place.serve("data");
    install(&server, "globex", 2).await;
    place.run("data", &["backup", "--to", &place.text("one.db"), "--force"]).ok();
    assert_ne!(json_of(&place.manifest("one.db"))["sha256"], said["sha256"]);
    assert_eq!(place.run("data", &["backup", "verify", &place.text("one.db"), "--json"]).done()["accounts"], 2);
    // A manifest that lies there alone is somebody's, too.
    std::fs::copy(place.manifest("one.db"), place.manifest("two.db")).expect("copied");
    assert!(place.backup("data", "two.db").refused().contains("two.db.manifest.json is there already"));
    for file in ["patchbay.db", "patchbay.db-wal", "../data/patchbay.db"] {
        let to = place.path("data").join(file).display().to_string();
        let refused = place.run("data", &["backup", "--to", &to, "--force"]).refused();
        assert!(refused.contains("is the database itself"), "{refused}");
    }
    assert_eq!(installed(&server, "acme").await, 1);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_finds_no_room_leaves_nothing_and_says_so() {
    let place = Place::new();
    place.filled("data").await;
    std::fs::create_dir(place.path("backups")).expect("made");
    // Files of this process end at 100 KiB, which is less than a database with the catalog.
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_patchbay")])
        .args(["backup", "--to", &place.text("backups"), "--data-dir", &place.text("data")])
        .output();
    let refused = Told::of(&limited.expect("run")).refused();
    assert!(refused.contains("cannot copy") && refused.contains("patchbay.db"), "{refused}");
    assert_eq!(place.names("backups"), [].into());
    place.backup("data", "backups").done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_backup_at_a_time_is_written_to_a_folder_and_what_a_killed_one_left_is_cleared_up() {
    let place = Place::new();
    place.filled("data").await;
    let workshop = place.path("backups/.patchbay-backup.partial");
    std::fs::create_dir_all(&workshop).expect("made");
    let lock = File::create(workshop.join("lock")).expect("lock");
    std::fs::write(workshop.join("database"), "half of one").expect("written");
    lock.lock().expect("locked");
    let refused = place.backup("data", "backups").refused();
    assert!(refused.contains("another backup is being written to"), "{refused}");
    assert!(workshop.join("database").exists(), "it is somebody else's");
    drop(lock);
    place.backup("data", "backups").done();
    assert_eq!(place.names("backups").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_nothing_or_to_nowhere_is_refused_and_nothing_is_made() {
    let place = Place::new();
    let refused = place.backup("data", "one.db").refused();
    assert!(refused.contains("there is no database at") && refused.contains("--data-dir"), "{refused}");
    place.filled("data").await;
    for to in ["absent/", "absent/one.db"] {
        let refused = place.backup("data", to).refused();
        assert!(refused.contains("there is no folder") && refused.contains("make it first"), "{refused}");
    }
    std::fs::write(place.path("garbage.db"), "garbage".repeat(1000)).expect("written");
    let url = format!("sqlite:{}", place.text("garbage.db"));
    let refused = place.run("data", &["backup", "--to", &place.text("one.db"), "--database-url", &url]).refused();
    assert!(refused.contains("not a database"), "{refused}");
    assert_eq!(place.names("."), ["data", "garbage.db"].map(str::to_owned).into());
}

#[test]
fn on_postgresql_both_commands_say_what_to_use_instead() {
    let place = Place::new();
    let url = ["--database-url", "postgres://localhost/p"];
    for words in [["backup", "--to", &place.text("one.db")], ["restore", "--from", &place.text("one.db")]] {
        let refused = place.run("data", &[&words[..], &url].concat()).refused();
        for part in ["pg_dump", "point-in-time recovery", "key ring"] {
            assert!(refused.contains(part), "{part} not in {refused}");
        }
    }
    assert_eq!(place.names("."), [].into());
}

/// Before a new version migrates is the best time for one.
#[test]
fn a_database_of_an_older_version_is_backed_up_as_it_is() {
    let place = Place::new();
    std::fs::create_dir(place.path("data")).expect("made");
    for file in ["patchbay.db", "keyring.json", "pepper"] {
        let of = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/before-data-keys").join(file);
        let copy = place.path("data").join(file);
        std::fs::copy(of, &copy).expect("copied");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).expect("mode");
    }
    let made = place.backup("data", "older.db").done();
    assert!(made["api_keys"].as_u64() > Some(0) && made["pepper"].is_string(), "{made}");
    let verified = place.run("data", &["backup", "verify", &place.text("older.db"), "--json"]).done();
    let pending = verified["pending_steps"].as_array().expect("steps").len();
    assert!(pending >= 2, "nothing was migrated: {verified}");
    place.keys_alone("data", "other");
    let told = place.run("other", &["restore", "--from", &place.text("older.db")]).ok();
    assert!(told.contains(&format!("the next start takes {pending} steps")), "{told}");
    place.serve("other").stop();
}
