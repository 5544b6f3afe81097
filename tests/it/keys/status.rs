//! What `patchbay keys status` tells, and what every command refuses.

use serde_json::{Value, json};

use super::{STRIPE, fill, install, run};
use crate::support::{Process, World};

#[tokio::test]
async fn a_status_counts_keys_by_provider_key_and_state_and_says_what_is_to_be_done() {
    let world = World::start().await;
    fill(&world, 3, 1).await;
    let status = run(&world, &["keys", "status", "--json"]).await.done();
    assert_eq!(
        status["providers"],
        json!([{"name": "local", "wraps": true, "current_key": "local:1", "problem": null}])
    );
    let counted = |status: &Value| -> Vec<Value> {
        let rows = status["data_keys"].as_array().expect("a list").iter();
        rows.map(|row| json!([row["provider_key"], row["state"], row["count"]])).collect()
    };
    assert_eq!(counted(&status), [json!(["local:1", "active", 3])]);
    assert_eq!(status["provider_keys"][0]["key"], "local:1");
    assert_eq!(status["provider_keys"][0]["fingerprint"].as_str().map(str::len), Some(16));
    assert_eq!(status["data_keys"][0]["oldest_created_at"], status["oldest_active_at"]);
    for key in ["problem", "rotation_begun_at"] {
        assert_eq!(status[key], Value::Null, "{key}");
    }
    assert_eq!((&status["to_reseal"], &status["to_rewrap"]), (&json!(0), &json!(0)));
    // As if a rotation had been killed between a new key and what it is to seal; and another key had become primary.
    world.sql("UPDATE account_keys SET state = 'decrypt_only' WHERE account_id = 'account-1'").await;
    world.sql("INSERT INTO key_marks (name, value) VALUES ('rotation', 1790000000000000)").await;
    run(&world, &["keys", "add"]).await.ok();
    run(&world, &["keys", "promote", "2"]).await.ok();
    let status = run(&world, &["keys", "status", "--json"]).await.done();
    assert_eq!(counted(&status), [json!(["local:1", "active", 2]), json!(["local:1", "decrypt_only", 1])]);
    assert_eq!((&status["to_reseal"], &status["to_rewrap"]), (&json!(1), &json!(3)));
    assert_eq!(status["rotation_begun_at"], "2026-09-21T14:13:20Z");
    assert_eq!(status["provider_keys"].as_array().map(Vec::len), Some(1), "who looks records nothing");
    let text = run(&world, &["keys", "status"]).await.ok();
    for part in
        ["current key local:2", "decrypt_only", "patchbay keys rewrap", "The rotation begun at 2026-09-21T14:13:20Z"]
    {
        assert!(text.contains(part), "{part} not in\n{text}");
    }
}

#[tokio::test]
async fn a_status_is_told_with_wrong_keys_and_without_any_and_work_is_refused() {
    let world = World::start().await;
    fill(&world, 1, 1).await;
    let own = world.folder.path().join("keyring.json");
    let fingerprint =
        run(&world, &["keys", "status", "--json"]).await.done()["provider_keys"][0]["fingerprint"].clone();
    let other = world.folder.path().join("other.json");
    patchbay::vault::Keyring::create(&other).expect("created");
    std::fs::rename(&other, &own).expect("exchanged");
    let status = run(&world, &["keys", "status", "--json"]).await.done();
    let problem = status["providers"][0]["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains(fingerprint.as_str().expect("text")) && problem.contains("has fingerprint"), "{problem}");
    assert_eq!((&status["providers"][0]["current_key"], &status["to_rewrap"]), (&Value::Null, &Value::Null));
    for command in ["rotate", "rewrap", "verify"] {
        let complaint = run(&world, &["keys", command]).await.refused();
        assert!(complaint.contains(&problem), "{complaint}");
    }
    std::fs::remove_file(&own).expect("removed");
    let url = world.database.url();
    let data = world.folder.path().display().to_string();
    let place = ["--data-dir", &data, "--database-url", &url];
    let without = |command: &[&str]| Process::run(&[command, &place].concat());
    let status = without(&["keys", "status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["providers"], json!([]));
    assert!(status["problem"].as_str().is_some_and(|problem| problem.contains("PATCHBAY_KEYRING_FILE")), "{status}");
    let refused = without(&["keys", "rotate"]);
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint.contains("no key ring is configured"), "{complaint}");
}

#[tokio::test]
async fn a_database_that_was_never_sealed_with_a_key_is_told_of_the_missing_one() {
    let world = World::builder().without_keys().start().await;
    let url = world.database.url();
    let data = world.folder.path().display().to_string();
    let refused = Process::run(&["keys", "rotate", "--data-dir", &data, "--database-url", &url]);
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("no key ring and no key service is configured"), "{complaint}");
}

#[tokio::test]
async fn an_account_that_never_changed_anything_is_unknown() {
    let world = World::start().await;
    install(&world.account("acme"), STRIPE, json!({"a": "CANARY"})).await;
    world.account("looker").get("/api/v1/integrations").await.ok();
    for command in [
        &["keys", "rotate", "--account", "acme", "--account", "looker"][..],
        &["keys", "verify", "--account", "looker"],
        &["account", "shred", "looker", "--yes"],
        &["account", "export", "looker"],
    ] {
        let complaint = run(&world, command).await.refused();
        assert!(complaint.contains("no account looker is known here"), "{complaint}");
    }
    assert_eq!(super::generations(&world, "acme").await, [super::generation(1, "active")], "nothing was begun");
}

#[test]
fn what_cannot_be_meant_is_refused_with_2() {
    let long = "a".repeat(100_000);
    for (arguments, part) in [
        (&["keys"][..], "Usage"),
        (&["keys", "rotate", "--account", "A"], "not an account id"),
        (&["keys", "rotate", "--account", ""], "not an account id"),
        (&["keys", "rotate", "--account", &long], "not an account id"),
        (&["keys", "rotate", "--anew", "--account", "acme"], "cannot be used"),
        (&["keys", "rotate", "acme"], "unexpected argument"),
        (&["keys", "verify", "--account", "../etc"], "not an account id"),
        (&["keys", "retire"], "<KEY>"),
        (&["keys", "promote"], "<ID>"),
        (&["keys", "promote", "-1"], "unexpected argument"),
        (&["keys", "promote", "4294967296"], "4294967296 is not in"),
        (&["keys", "remove", "one"], "invalid digit"),
        (&["account"], "Usage"),
        (&["account", "shred"], "<ACCOUNT>"),
        (&["account", "shred", "_operator", "--yes"], "not an account id"),
        (&["account", "export", "acme", "globex"], "unexpected argument"),
    ] {
        let output = Process::run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(output.stdout.is_empty() && complaint.contains(part), "{part} not in {complaint}");
    }
}

#[test]
fn no_database_is_made_by_looking_for_one() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    for command in [
        &["keys", "status"][..],
        &["keys", "rotate"],
        &["keys", "rewrap"],
        &["keys", "verify"],
        &["keys", "retire", "local:1"],
        &["account", "shred", "acme", "--yes"],
        &["account", "export", "acme"],
    ] {
        let output = Process::run(&[command, &["--data-dir", &data]].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.contains("there is no database at"), "{complaint}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
}

#[tokio::test]
async fn a_database_with_steps_pending_names_the_command_that_takes_them() {
    let world = World::start().await;
    world.sql("DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)").await;
    for command in [&["keys", "status"][..], &["keys", "rotate"], &["account", "shred", "acme", "--yes"]] {
        let complaint = run(&world, command).await.refused();
        assert!(
            complaint.contains("schema steps are pending") && complaint.contains("run `patchbay migrate`"),
            "{complaint}"
        );
    }
}
