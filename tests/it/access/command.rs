//! `patchbay api-keys`, and the key of a first start.

use std::path::Path;
use std::process::Output;

use chrono::{DateTime, Utc};
use patchbay::domain::ApiKeySecret;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::{Answer, Process, TestDatabase, exchange};

const PEPPER: (&str, &str) = ("PATCHBAY_AUTH_PEPPER", super::PEPPER);

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A database and the commands that work on it.
struct Place {
    folder: tempfile::TempDir,
    url: String,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let url = TestDatabase::create(&folder).await.url();
        assert!(Process::run(&["migrate", "--database-url", &url]).status.success());
        Self { folder, url }
    }

    fn arguments<'a>(&'a self, data: &'a str, first: &[&'a str]) -> Vec<&'a str> {
        [first, &["--data-dir", data, "--database-url", &self.url]].concat()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let data = text(self.folder.path());
        Process::run_with(&self.arguments(&data, &[&["api-keys"], arguments].concat()), &[PEPPER])
    }

    fn out(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn serve(&self, listen: &str, more: &[&str]) -> Process {
        let data = text(self.folder.path());
        Process::serve_with(&self.arguments(&data, &[&["--listen", listen], more].concat()), &[PEPPER])
    }
}

/// A request on behalf of `acme` with a key.
async fn ask(process: &Process, key: &str) -> Answer {
    let port = process.url.rsplit(':').next().expect("port");
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("connected");
    let request = format!(
        "GET /api/v1/api-keys HTTP/1.1\r\nhost: localhost\r\nx-account-id: acme\r\nauthorization: Bearer {key}\r\n\
         connection: close\r\n\r\n"
    );
    exchange(stream, request.as_bytes()).await
}

/// The keys in a text.
fn keys_in(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    words.filter(|word| ApiKeySecret::parse(word).is_some()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_key_is_made_used_listed_and_revoked_while_the_server_runs_or_not() {
    let place = Place::new().await;
    let made = place.run(&["create", "--name", "worker", "--scope", "keys:read", "--account", "acme"]);
    let (out, err) = (String::from_utf8(made.stdout).expect("UTF-8"), String::from_utf8(made.stderr).expect("UTF-8"));
    let key = out.trim_end();
    assert!(ApiKeySecret::parse(key).is_some() && out == format!("{key}\n"), "the key alone: {out}");
    let id = &key[8..16];
    assert!(err.contains(id) && err.contains("shown this once"), "{err}");
    assert!(!err.contains(&key[17..]), "{err}");
    let process = place.serve("127.0.0.1:0", &["--set", "auth.mode=api_key"]);
    let listed = ask(&process, key).await.ok();
    assert_eq!(listed["api_keys"][0]["created_by"], "operator");
    let second =
        place.out(&["create", "--name", "2", "--scope", "admin", "--all-accounts", "--expires", "90d", "--json"]);
    let second: Value = serde_json::from_str(&second).expect("JSON");
    ask(&process, second["key"].as_str().expect("key")).await.ok();
    assert!(second["api_key"]["expires_at"].is_string());
    let all: Value = serde_json::from_str(&place.out(&["list", "--json"])).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let of_globex: Value = serde_json::from_str(&place.out(&["list", "--json", "--account", "globex"])).expect("JSON");
    assert_eq!(of_globex[0]["name"], "2");
    assert_eq!(of_globex.as_array().map(Vec::len), Some(1));
    let table = place.out(&["list"]);
    assert!(table.contains(id) && table.contains("all accounts") && !table.contains(&key[17..]), "{table}");
    let with_rate = ["create", "--name", "r", "--scope", "admin", "--all-accounts", "--rate", "6000", "--json"];
    let with_rate: Value = serde_json::from_str(&place.out(&with_rate)).expect("JSON");
    assert_eq!(with_rate["api_key"]["rate_per_minute"], 6_000);
    assert!(place.out(&["revoke", id]).contains("revoked"));
    assert!(place.out(&["revoke", all[0]["id"].as_str().expect("id")]).contains("revoked"));
    crate::support::eventually("the server refuses it", std::time::Duration::from_secs(1), async || {
        ask(&process, key).await.status == 401
    })
    .await;
    let (out, log) = process.stop();
    assert!(keys_in(&format!("{out}{log}")).is_empty());
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_what_can() {
    let place = Place::new().await;
    for (arguments, code, parts) in [
        (&["create", "--name", "x", "--scope", "root", "--all-accounts"][..], 2, &["installations:read", "admin"][..]),
        (&["create", "--name", "x", "--scope", "admin"], 2, &["--account"]),
        (&["create", "--name", "x", "--all-accounts"], 2, &["--scope"]),
        (&["create", "--scope", "admin", "--all-accounts"], 2, &["--name"]),
        (&["create", "--name", "x", "--scope", "admin", "--all-accounts", "--account", "acme"], 2, &["cannot be used"]),
        (&["create", "--name", "x", "--scope", "admin", "--all-accounts", "--expires", "soon"], 2, &["90d"]),
        (
            &["create", "--name", "x", "--scope", "admin", "--all-accounts", "--expires", "2020-01-01T00:00:00Z"],
            1,
            &["must lie in the future"],
        ),
        (&["create", "--name", "", "--scope", "admin", "--account", "A"], 1, &["name must", "accounts must"]),
        (
            &["create", "--name", "x", "--scope", "admin", "--all-accounts", "--rate", "0"],
            2,
            &["--rate", "1..=1000000"],
        ),
        (&["create", "--name", "x\u{202e}y", "--scope", "admin", "--all-accounts"], 1, &["name must", "direction"]),
        (&["list", "--account", "A"], 2, &["not an account id"]),
        (&["revoke", "12345678"], 1, &["API key not found"]),
        (&["revoke", "0193a5c0-7b1e-7c3a-9d52-0d6f6f0e7a11"], 1, &["API key not found"]),
        (&["revoke"], 2, &["<ID>"]),
    ] {
        let complaint = place.refused(arguments, code);
        for part in parts {
            assert!(complaint.contains(part), "{arguments:?}: {part} not in {complaint}");
        }
    }
}

#[tokio::test]
async fn a_first_start_beyond_loopback_prints_one_key_once_also_when_two_start_together() {
    let place = Place::new().await;
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| place.serve("0.0.0.0:0", &[]));
        let two = scope.spawn(|| place.serve("0.0.0.0:0", &[]));
        (one.join().expect("started"), two.join().expect("started"))
    });
    // Printed before the last line of the welcome is read? Whatever the order: all of it is there when they ended.
    let again = place.serve("0.0.0.0:0", &[]);
    let mut printed = Vec::new();
    for process in [one, two] {
        let (out, log) = process.stop();
        assert!(keys_in(&log).is_empty(), "a secret in the log: {log}");
        printed.extend(keys_in(&out));
        if let Some(key) = keys_in(&out).first() {
            for part in [
                "shown this once",
                "24 hours",
                "Authorization: Bearer",
                "api-keys create",
                "api-keys revoke",
                &key[8..16],
            ] {
                assert!(out.contains(part), "{part} not in {out}");
            }
        }
    }
    assert_eq!(printed.len(), 1, "{printed:?}");
    let listed = ask(&again, &printed[0]).await.ok();
    assert_eq!(
        (&listed["api_keys"][0]["name"], &listed["api_keys"][0]["created_by"]),
        (&"first start".into(), &"system".into())
    );
    assert_eq!(
        (&listed["api_keys"][0]["scopes"][0], &listed["api_keys"][0]["all_accounts"]),
        (&"admin".into(), &true.into())
    );
    let end = listed["api_keys"][0]["expires_at"].as_str().expect("an end").parse::<DateTime<Utc>>().expect("a time");
    let hours = (end - Utc::now()).num_hours();
    assert!((22..=24).contains(&hours), "{end}");
    let (out, _) = again.stop();
    assert!(keys_in(&out).is_empty(), "there was one already");
}

#[tokio::test]
async fn no_key_is_printed_where_nobody_needs_one() {
    let place = Place::new().await;
    for (listen, more) in [
        ("127.0.0.1:0", &["--set", "auth.mode=api_key"][..]),
        ("0.0.0.0:0", &["--insecure-trust-account-header"]),
        ("0.0.0.0:0", &["--set", "auth.mode=gateway", "--set", "auth.gateway_networks=10.0.0.0/8"]),
    ] {
        let (out, _) = place.serve(listen, more).stop();
        assert!(keys_in(&out).is_empty(), "{out}");
    }
}

#[tokio::test]
async fn without_a_database_commands_refuse_and_make_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    for arguments in [
        &["create", "--name", "x", "--scope", "admin", "--all-accounts"][..],
        &["list"],
        &["list", "--json"],
        &["revoke", "8Fq2LmZx"],
    ] {
        let output = Process::run(&[&["api-keys"], arguments, &["--data-dir", &data]].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}: {complaint}");
        assert!(complaint.contains("there is no database at"), "{arguments:?}: {complaint}");
        assert!(!folder.path().join("data").exists(), "{arguments:?}");
    }
}

#[tokio::test]
async fn table_of_keys_shows_no_hidden_characters() {
    let place = Place::new().await;
    place.out(&["create", "--name", "worker", "--scope", "admin", "--all-accounts"]);
    let db = sea_orm::Database::connect(&place.url).await.expect("connected");
    let named = "UPDATE api_keys SET name = 'a\u{1b}[2J\u{202e}b'";
    sea_orm::ConnectionTrait::execute_unprepared(&db, named).await.expect("renamed");
    db.close().await.expect("closed");
    let table = place.out(&["list"]);
    assert!(table.contains("a\u{fffd}[2J\u{fffd}b"), "{table:?}");
}

#[tokio::test]
async fn key_revoked_without_the_pepper_stays_revoked() {
    let place = Place::new().await;
    let key = place.out(&["create", "--name", "worker", "--scope", "keys:read", "--account", "acme"]);
    let data = text(&place.folder.path().join("elsewhere"));
    let revoke = place.arguments(&data, &["api-keys", "revoke", &key[8..16]]);
    assert!(Process::run_with(&revoke, &[]).status.success());
    let db = sea_orm::Database::connect(&place.url).await.expect("connected");
    let restored = "UPDATE api_keys SET revoked_at = NULL, revoked_by = NULL";
    sea_orm::ConnectionTrait::execute_unprepared(&db, restored).await.expect("changed");
    db.close().await.expect("closed");
    let process = place.serve("127.0.0.1:0", &["--set", "auth.mode=api_key"]);
    assert_eq!(ask(&process, key.trim_end()).await.status.as_u16(), 401);
    let (_, log) = process.stop();
    assert!(log.contains("the rights of an API key are not those it was made with"), "{log}");
}
