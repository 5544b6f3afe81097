//! The pepper: set, or made once beside the embedded database; told at the start when it is another one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Process, TestDatabase, has_server};

const CREATE: [&str; 7] = ["api-keys", "create", "--name", "x", "--scope", "admin", "--all-accounts"];
const ONE: (&str, &str) = ("PATCHBAY_AUTH_PEPPER", "one-one-one-one-one-one-one-one-one");
const OTHER: (&str, &str) = ("PATCHBAY_AUTH_PEPPER", "other-other-other-other-other-other");
const KEYS_ONLY: [&str; 4] = ["--set", "auth.mode=api_key", "--listen", "127.0.0.1:0"];

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn create(data: &str, url: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
    let url: Vec<_> = url.iter().flat_map(|url| ["--database-url", url]).collect();
    let output = Process::run_with(&[&CREATE[..], &["--data-dir", data], &url].concat(), environment);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    if output.status.success() { Ok(String::from_utf8(output.stdout).expect("UTF-8")) } else { Err(stderr) }
}

/// Why a server does not start.
fn refusal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    match Process::try_serve(&[&KEYS_ONLY[..], arguments].concat(), environment) {
        Ok(_) => panic!("it started"),
        Err(complaint) => complaint,
    }
}

#[test]
fn with_the_embedded_database_one_is_made_at_the_first_need_and_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    assert!(Process::run(&["migrate", "--data-dir", &data]).status.success());
    assert!(!folder.path().join("data/pepper").exists(), "there was no need yet");
    create(&data, None, &[]).expect("made");
    let pepper = folder.path().join("data/pepper");
    let kept = std::fs::read_to_string(&pepper).expect("a pepper");
    assert_eq!((kept.len(), std::fs::metadata(&pepper).expect("there").permissions().mode() & 0o777), (64, 0o600));
    assert!(folder.path().join("data/keyring.json").exists(), "a later server could store no secrets");
    create(&data, None, &[]).expect("made");
    Process::serve_with(&[&KEYS_ONLY[..], &["--data-dir", &data]].concat(), &[]).stop();
    assert_eq!(std::fs::read_to_string(&pepper).expect("a pepper"), kept);
    // One that others can read is no secret.
    std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o644)).expect("mode");
    let complaint = refusal(&["--data-dir", &data], &[]);
    assert!(complaint.contains(&format!("chmod 600 {}", text(&pepper))), "{complaint}");
    // One that is gone is not made anew: every key would be void, and nobody would be told.
    std::fs::remove_file(&pepper).expect("removed");
    for complaint in [refusal(&["--data-dir", &data], &[]), create(&data, None, &[]).expect_err("refused")] {
        assert!(complaint.contains("put it back") && complaint.contains(&text(&pepper)), "{complaint}");
    }
    // Where no key is taken the server goes without.
    let open = ["--data-dir", &data, "--listen", "127.0.0.1:0"];
    let (_, log) = Process::serve_with(&open, &[]).stop();
    assert!(log.contains("no API key can be made"), "{log}");
    assert!(!pepper.exists());
}

#[test]
fn a_short_one_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    let complaint = refusal(&["--data-dir", &data], &[("PATCHBAY_AUTH_PEPPER", "CANARY")]);
    for part in ["auth.pepper", "6 characters", "32", "openssl rand -hex 32"] {
        assert!(complaint.contains(part), "{part} not in {complaint}");
    }
    assert!(!complaint.contains("CANARY"));
}

#[tokio::test]
async fn another_one_is_told_at_the_start_once_there_are_keys() {
    let folder = tempfile::tempdir().expect("folder");
    let url = TestDatabase::create(&folder).await.url();
    let data = text(&folder.path().join("data"));
    let arguments = ["--data-dir", &data, "--database-url", &url];
    let serve = |pepper| Process::serve_with(&[&KEYS_ONLY[..], &arguments].concat(), &[pepper]);
    // Nothing depends on the first one yet.
    serve(OTHER).stop();
    serve(ONE).stop();
    create(&data, Some(&url), &[ONE]).expect("made");
    let complaint = refusal(&arguments, &[OTHER]);
    for part in ["fingerprint", "PATCHBAY_AUTH_PEPPER"] {
        assert!(complaint.contains(part), "{part} not in {complaint}");
    }
    assert!(create(&data, Some(&url), &[OTHER]).expect_err("refused").contains("fingerprint"));
    for secret in [ONE.1, OTHER.1] {
        assert!(!complaint.contains(secret), "{complaint}");
    }
    // As a file, as secrets may be given.
    let file = folder.path().join("own");
    std::fs::write(&file, format!("{}\n", ONE.1)).expect("written");
    Process::serve_with(&[&KEYS_ONLY[..], &arguments].concat(), &[("PATCHBAY_AUTH_PEPPER_FILE", &text(&file))]).stop();
}

#[tokio::test]
async fn on_a_database_server_one_is_never_made() {
    if !has_server() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let url = TestDatabase::create(&folder).await.url();
    let data = text(&folder.path().join("data"));
    let complaint = refusal(&["--data-dir", &data, "--database-url", &url], &[]);
    for complaint in [complaint, create(&data, Some(&url), &[]).expect_err("refused")] {
        for part in ["openssl rand -hex 32", "PATCHBAY_AUTH_PEPPER"] {
            assert!(complaint.contains(part), "{part} not in {complaint}");
        }
    }
    assert!(!folder.path().join("data/pepper").exists());
}
