//! Restoring backups, and refusing to.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use super::{Place, install, installed, json_of};
use crate::support::{Process, Told, command, eventually, signal};

/// A place with a data directory, a backup of it, and a directory with the keys alone.
async fn backed_up() -> Place {
    let place = Place::new();
    place.filled("data").await;
    place.backup("data", "one.db").done();
    place.keys_alone("data", "other");
    place
}

/// What every refusal leaves behind: nothing.
fn assert_untouched(place: &Place) {
    assert_eq!(place.names("other"), ["keyring.json", "pepper"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_keys_than_those_of_the_backup_are_refused_by_their_fingerprints() {
    let place = backed_up().await;
    let needed = json_of(&place.manifest("one.db"))["keys"][0]["fingerprint"].as_str().expect("text").to_owned();
    let ring = place.path("other").join("keyring.json");
    let right = std::fs::read_to_string(&ring).expect("ring");
    std::fs::remove_file(&ring).expect("removed");
    let refused = place.restore("other", "one.db", &[]).refused();
    for part in [&*needed, "local:1", "no key ring", "PATCHBAY_KEYRING_FILE", "--without-keys"] {
        assert!(refused.contains(part), "{part} not in {refused}");
    }
    assert!(!ring.exists(), "a key was invented");

    patchbay::vault::Keyring::create(&ring).expect("another ring");
    let at_hand = place.run("other", &["restore", "--from", &place.text("one.db")]).refused();
    let (_, rest) = at_hand.split_once("the key ring's key 1 has fingerprint ").expect("the one at hand");
    assert!(at_hand.contains(&needed) && rest.len() > 16 && !rest.starts_with(&needed), "{at_hand}");

    // The right key under another id.
    std::fs::write(&ring, right.replace(": 1", ": 2")).expect("written");
    let refused = place.restore("other", "one.db", &[]).refused();
    assert!(refused.contains(&format!("which has key 2 with fingerprint {needed}")), "{refused}");
    let refused = place.run("other", &["backup", "verify", &place.text("one.db")]).refused();
    assert!(refused.contains(&needed), "{refused}");

    let told = place.run("other", &["restore", "--from", &place.text("one.db"), "--without-keys"]).ok();
    assert!(told.contains("was not checked"), "{told}");
    std::fs::write(&ring, right).expect("written");
    assert_eq!(place.run("other", &["keys", "verify", "--json"]).done()["opened"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_keys_take_the_pepper_that_they_were_made_with() {
    let place = Place::new();
    place.filled("data").await;
    place.run("data", &["api-keys", "create", "--name", "n", "--account", "acme", "--scope", "catalog:read"]).ok();
    let needed = place.backup("data", "one.db").done()["pepper"].as_str().expect("fingerprint").to_owned();
    place.keys_alone("data", "other");
    let pepper = place.path("other").join("pepper");
    std::fs::remove_file(&pepper).expect("removed");
    let refused = place.restore("other", "one.db", &[]).refused();
    assert!(refused.contains(&needed) && refused.contains("there is no pepper at hand"), "{refused}");
    std::fs::write(&pepper, "another one, and long enough to be one").expect("written");
    std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let refused = place.restore("other", "one.db", &[]).refused();
    assert!(refused.contains(&needed) && refused.contains("the pepper at hand has fingerprint"), "{refused}");
    assert!(!refused.contains("another one"), "{refused}");
    std::fs::copy(place.path("data").join("pepper"), &pepper).expect("copied");
    place.restore("other", "one.db", &[]).done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_whole_backup_of_the_manifest_is_refused() {
    let place = backed_up().await;
    let whole = std::fs::read(place.path("one.db")).expect("backup");
    let manifest = std::fs::read_to_string(place.manifest("one.db")).expect("manifest");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let later = manifest.replace("\"format\": 1", "\"format\": 2").replace("0.1.0", "9.8.7");
    let other =
        manifest.replace(&json_of(&place.manifest("one.db"))["sha256"].as_str().expect("text")[..8], "01234567");
    for (bytes, manifest, sentence) in [
        (Some(&whole[..whole.len() / 2]), Some(&*manifest), "bytes, and its manifest says"),
        (Some(&[][..]), Some(&*manifest), "has 0 bytes, and its manifest says"),
        (Some(&flipped), Some(&*manifest), "has another SHA-256 than its manifest says"),
        (Some(&whole), Some(&*other), "the manifest is of another backup"),
        (Some(&whole), Some(&*later), "use Patchbay 9.8.7 or newer"),
        (Some(&whole), Some("{}"), "is no manifest of a backup"),
        (Some(&whole), Some("\u{0}"), "is no manifest of a backup"),
        (Some(&whole), None, "one.db.manifest.json"),
        (None, Some(&*manifest), "cannot read"),
    ] {
        for (file, content) in [(place.path("one.db"), bytes), (place.manifest("one.db"), manifest.map(str::as_bytes))]
        {
            let _ = std::fs::remove_file(&file);
            if let Some(content) = content {
                std::fs::write(&file, content).expect("written");
            }
        }
        for more in [&["--dry-run"][..], &["--without-keys"], &["--force"]] {
            let refused = place.restore("other", "one.db", more).refused();
            assert!(refused.contains(sentence), "{sentence} not in {refused}");
        }
        let verify = place.run("other", &["backup", "verify", &place.text("one.db"), "--without-keys"]).refused();
        assert!(verify.contains(sentence), "{sentence} not in {verify}");
        assert_untouched(&place);
    }
    let refused = place.restore("other", ".", &[]).refused();
    assert!(refused.contains("is a folder: name one of the backups in it"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_told_to_stop_stops_and_changes_nothing() {
    let place = backed_up().await;
    let backup = place.path("one.db");
    // Large enough to be read for a while; most of it is a hole.
    const BYTES: u64 = 4 << 30;
    File::options().write(true).open(&backup).and_then(|file| file.set_len(BYTES)).expect("lengthened");
    let mut manifest = json_of(&place.manifest("one.db"));
    manifest["bytes"] = json!(BYTES);
    std::fs::write(place.manifest("one.db"), manifest.to_string()).expect("written");
    for name in ["TERM", "INT"] {
        let words = ["restore", "--from", &place.text("one.db"), "--data-dir", &place.text("other")];
        let restoring = command(&words).stdout(Stdio::piped()).spawn().expect("started");
        eventually("it reads", Duration::from_secs(20), async || has_open(restoring.id(), &backup)).await;
        signal(restoring.id(), name);
        let refused = Told::of(&restoring.wait_with_output().expect("ended")).refused();
        assert!(refused.contains("stopped before the end: nothing was changed"), "{refused}");
        assert_untouched(&place);
    }
}

fn has_open(process: u32, file: &Path) -> bool {
    let held = std::fs::read_dir(format!("/proc/{process}/fd")).expect("of a process that is there");
    held.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == file))
}

/// As by whoever writes both files: the manifest proves that nothing was damaged, not who made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_fitting_manifest_must_be_a_sound_database_of_a_schema_that_is_known() {
    let place = backed_up().await;
    let whole = std::fs::read(place.path("one.db")).expect("backup");
    let mut torn = whole.clone();
    let pages = torn.len() / 4096;
    torn[(pages / 2) * 4096..(pages / 2 + 2) * 4096].fill(0x5a);
    for (bytes, sentence) in
        [(&b"not a database at all, whatever it is called".repeat(40), "not a database"), (&torn, "one.db")]
    {
        std::fs::write(place.path("one.db"), bytes).expect("written");
        place.describe_anew("one.db");
        let refused = place.restore("other", "one.db", &["--without-keys"]).refused();
        assert!(refused.contains(sentence), "{refused}");
        assert_untouched(&place);
    }
    std::fs::write(place.path("one.db"), &whole).expect("written");
    let db = Database::connect(format!("sqlite://{}", place.text("one.db"))).await.expect("connected");
    let step = "INSERT INTO schema_migrations VALUES ('m20990101_000001_later', 1)";
    db.execute_unprepared(step).await.expect("inserted");
    db.close().await.expect("closed");
    place.describe_anew("one.db");
    let refused = place.restore("other", "one.db", &[]).refused();
    assert!(refused.contains("a newer schema") && refused.contains("m20990101_000001_later"), "{refused}");
    assert_untouched(&place);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_there_is_moved_aside_when_told_and_loses_nothing() {
    let place = backed_up().await;
    let server = place.serve("data");
    install(&server, "acme", 2).await;
    install(&server, "globex", 3).await;
    // Killed: the last commits are in its log alone.
    server.signal("KILL");
    drop(server);
    assert!(place.path("data").join("patchbay.db-wal").exists());
    for more in [&[][..], &["--dry-run"]] {
        let refused = place.restore("data", "one.db", more).refused();
        assert!(refused.contains("patchbay.db is there already") && refused.contains("--force"), "{refused}");
    }
    let before = place.names("data");
    assert_eq!(place.restore("data", "one.db", &["--force", "--dry-run"]).done()["dry_run"], true);
    assert_eq!(place.names("data"), before, "a dry run changes nothing");
    let restored = place.restore("data", "one.db", &["--force"]).done();
    let aside = restored["moved_aside"].as_str().expect("a path").to_owned();
    let server = place.serve("data");
    assert_eq!(installed(&server, "acme").await, 1);
    server.stop();
    let older = format!("sqlite:{aside}");
    let ring = format!("keys.keyring_file={}", place.path("data").join("keyring.json").display());
    let older = Process::serve(&["--database-url", &older, "--data-dir", &place.text("data"), "--set", &ring]);
    assert_eq!((installed(&older, "acme").await, installed(&older, "globex").await), (json!(2), json!(3)));
    older.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_and_a_log_without_one_are_moved_aside_as_they_are() {
    let place = backed_up().await;
    let database = place.path("other").join("patchbay.db");
    let log = place.path("other").join("patchbay.db-wal");
    std::fs::write(&log, "of a database that is gone").expect("written");
    let refused = place.restore("other", "one.db", &[]).refused();
    assert!(refused.contains("patchbay.db-wal is there already"), "{refused}");
    std::fs::write(&database, "garbage".repeat(1000)).expect("written");
    let restored = place.restore("other", "one.db", &["--force"]);
    assert!(restored.err.contains("damaged, and kept as it is"), "{}", restored.err);
    let aside = restored.done()["moved_aside"].as_str().expect("a path").to_owned();
    assert_eq!(std::fs::read(&aside).expect("kept"), "garbage".repeat(1000).into_bytes());
    assert_eq!(std::fs::read(format!("{aside}-wal")).expect("kept"), b"of a database that is gone");
    assert!(!log.exists(), "it would ruin the new one");
    let metadata = std::fs::metadata(&database).expect("restored");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.uid(), std::fs::metadata(place.path("other")).expect("folder").uid());
    assert_eq!(place.run("other", &["keys", "verify", "--json"]).done()["opened"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_running_server_nothing_is_restored_and_beside_a_restore_no_server_starts() {
    let place = backed_up().await;
    let server = place.serve("data");
    install(&server, "acme", 2).await;
    for more in [&["--force"][..], &["--force", "--dry-run"], &["--force", "--without-keys"]] {
        let refused = place.restore("data", "one.db", more).refused();
        assert!(refused.contains("is using") && refused.contains("stop it first"), "{refused}");
    }
    assert_eq!(installed(&server, "acme").await, 2);
    server.stop();

    let claim = File::open(place.path("data").join("patchbay.in-use")).expect("the claim");
    claim.lock().expect("as a restore has it");
    let mut waiting =
        command(&["migrate", "--data-dir", &place.text("data")]).stdout(Stdio::piped()).spawn().expect("started");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(waiting.try_wait().expect("asked").is_none(), "it did not wait");
    drop(claim);
    eventually("it goes on", Duration::from_secs(20), async || waiting.try_wait().expect("asked").is_some()).await;
    Told::of(&waiting.wait_with_output().expect("ended")).ok();
    place.restore("data", "one.db", &["--force"]).done();
}
