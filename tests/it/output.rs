//! Output that cannot be written is a failure; a reader that went away is none.

use std::fs::OpenOptions;
use std::process::Stdio;

use patchbay::domain::ApiKeySecret;
use serde_json::Value;

use crate::support::{Process, command};

const CREATE: [&str; 8] = ["api-keys", "create", "--name", "x", "--account", "acme", "--scope", "admin"];

/// A folder with an embedded database that a server started once with.
fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data").display().to_string();
    Process::serve(&["--data-dir", &data]).stop();
    (folder, data)
}

/// Exit code and complaint of a command whose standard output is a full disk.
fn on_full_disk(arguments: &[&str]) -> (Option<i32>, String) {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = command(arguments).stdout(Stdio::from(full)).output().expect("run");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The same of one whose reader went away.
fn on_closed_pipe(arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = command(arguments).stdout(Stdio::piped()).spawn().expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("waited");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn commands_fail_on_a_full_disk_and_end_quietly_on_a_closed_pipe() {
    let (_folder, data) = folder();
    let data = ["--data-dir", &data];
    for arguments in [
        &["schema"][..],
        &["openapi"],
        &["config", "show"],
        &["config", "default"],
        &["completions", "bash"],
        &["migrate"],
        &["catalog", "schema"],
        &["catalog", "list"],
        &["catalog", "list", "--json"],
        &["catalog", "export"],
        &["catalog", "diff", "--json"],
        &["catalog", "deprecate", "stripe"],
        &["catalog", "validate", "--json"],
        &["keys", "status"],
        &["keys", "status", "--json"],
        &["keys", "verify"],
        &["api-keys", "list"],
        &["api-keys", "list", "--json"],
    ] {
        let arguments = [arguments, &data].concat();
        let (code, complaint) = on_full_disk(&arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {complaint}");
        assert!(complaint.contains("cannot write to standard output: "), "{arguments:?}: {complaint}");
        let (code, complaint) = on_closed_pipe(&arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {complaint}");
        assert!(!complaint.contains("error: ") && !complaint.contains("panic"), "{arguments:?}: {complaint}");
    }
}

#[test]
fn key_that_was_not_shown_is_revoked() {
    let (_folder, data) = folder();
    let json = [&CREATE[..], &["--json", "--data-dir", &data]].concat();
    let plain = [&CREATE[..], &["--data-dir", &data]].concat();
    for (count, arguments) in [&plain, &json].into_iter().enumerate() {
        for (code, complaint) in [on_full_disk(arguments), on_closed_pipe(arguments)] {
            assert_eq!(code, Some(1), "{complaint}");
            assert!(complaint.contains("was not shown, and is revoked"), "{complaint}");
        }
        let listed = Process::run(&["api-keys", "list", "--json", "--data-dir", &data]);
        let keys: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        let keys = keys.as_array().expect("keys");
        assert_eq!(keys.len(), 2 * (count + 1));
        assert!(keys.iter().all(|key| key["revoked_at"].is_string()), "{keys:?}");
    }
    // A new key ring is printed once, too.
    for (code, complaint) in [on_full_disk(&["keys", "generate"]), on_closed_pipe(&["keys", "generate"])] {
        assert_eq!(code, Some(1), "{complaint}");
    }
}

#[test]
fn unshown_first_key_fails_the_start_and_is_replaced() {
    let (_folder, data) = folder();
    let serve = ["--listen", "0.0.0.0:0", "--data-dir", &data];
    let (code, complaint) = on_full_disk(&serve);
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("the API key of the first start was not shown, and is withdrawn"), "{complaint}");
    let (out, _) = Process::serve_with(&serve, &[]).stop();
    assert!(out.split_whitespace().any(|word| ApiKeySecret::parse(word).is_some()), "{out}");
}
