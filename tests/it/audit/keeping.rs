//! How long events stay, and how they are taken elsewhere.

use std::process::Output;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{EVENTS, STRIPE, add_events, events, install};
use crate::support::{Process, World, command, eventually};

fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - chrono::Duration::days(days)
}

async fn count(world: &World, account: &str) -> usize {
    events(&world.account(account)).await.len()
}

#[tokio::test]
async fn what_is_older_than_asked_is_deleted_from_every_log_by_any_number_of_replicas() {
    let one = World::start().await;
    let two = World::builder().beside(&one).await;
    // More than two statements' worth.
    add_events(&one, "acme", days_ago(500), 1_200).await;
    add_events(&one, "acme", days_ago(399), 3).await;
    add_events(&one, "_operator", days_ago(401), 5).await;
    add_events(&one, "young", days_ago(1), 4).await;
    let moment = days_ago(400);
    let (here, there) =
        tokio::join!(one.app.services().erase_events_before(moment), two.app.services().erase_events_before(moment));
    assert_eq!(here.expect("erased") + there.expect("erased"), 1_205);
    assert_eq!((count(&one, "acme").await, count(&one, "young").await), (3, 4));
    let (again, statements) = one.statements_of(one.app.services().erase_events_before(moment)).await;
    assert_eq!(again.expect("nothing to do"), 0);
    assert_eq!(statements.len(), 3, "one for each account, and one that finds no more: {statements:#?}");
}

#[tokio::test]
async fn a_server_deletes_what_is_older_than_its_setting_and_with_0_nothing() {
    for (kept, left) in [("30", 2), ("0", 3), ("400", 3)] {
        let world = World::with(&[("audit.retention_days", kept)]).await;
        add_events(&world, "acme", days_ago(31), 1).await;
        add_events(&world, "acme", days_ago(29), 2).await;
        let served = world.serve().await;
        eventually("the old one is gone", Duration::from_secs(5), async || count(&world, "acme").await == left).await;
        served.stop().await;
    }
}

fn export(world: &World, arguments: &[&str]) -> Output {
    let url = world.database.url();
    Process::run(&[&["audit", "export", "--database-url", &url], arguments].concat())
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn an_export_holds_every_event_of_every_account_oldest_first() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, STRIPE, json!({"params": {"a": 1}, "secrets": {"api_key": "sk_test_CANARY"}})).await;
    install(&acme, STRIPE, json!({"params": {"a": 2}})).await;
    // More than two pages.
    add_events(&world, "big", days_ago(2), 450).await;
    add_events(&world, "_operator", days_ago(3), 2).await;
    let exported = lines(&export(&world, &[]));
    let of = |account: &str| -> Vec<Value> {
        let mut own: Vec<_> = exported.iter().filter(|line| line["account"] == account).cloned().collect();
        own.iter_mut().for_each(|line| drop(line.as_object_mut().expect("an object").remove("account")));
        own
    };
    assert_eq!((exported.len(), of("big").len(), of("_operator").len()), (454, 450, 2));
    for account in ["acme", "big"] {
        let mut log = events(&world.account(account)).await;
        log.reverse();
        assert_eq!(of(account), log, "what is exported is what is read over REST");
    }
    assert_eq!(lines(&export(&world, &["--account", "acme", "--format", "jsonl"])).len(), 2);
    assert_eq!(lines(&export(&world, &["--account", "_operator"])).len(), 2);
    assert_eq!(lines(&export(&world, &["--account", "nobody"])).len(), 0);
    let (since, until) = (days_ago(3) - chrono::Duration::hours(1), days_ago(1));
    let between = export(&world, &["--since", &since.to_rfc3339(), "--until", &until.to_rfc3339()]);
    assert_eq!(lines(&between).len(), 452);
    let text = String::from_utf8(export(&world, &[]).stdout).expect("UTF-8");
    assert!(!text.contains("CANARY"));
}

#[tokio::test]
async fn an_export_that_cannot_be_made_says_why() {
    let folder = tempfile::tempdir().expect("folder");
    let nowhere = folder.path().display().to_string();
    for (arguments, code, sentence) in [
        (&["--account", "Not An Account"][..], 2, "an account id has up to 63"),
        (&["--since", "yesterday"], 2, "must be a moment like 2026-11-24T12:00:00Z"),
        (&["--format", "csv"], 2, "possible values: jsonl"),
        (&["--data-dir", &nowhere], 1, "there is no database at"),
    ] {
        let output = Process::run(&[&["audit", "export"], arguments].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{complaint}");
        assert!(complaint.contains(sentence) && output.stdout.is_empty(), "{complaint}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0, "looking makes no database");
}

#[tokio::test]
async fn an_export_whose_reader_has_seen_enough_ends_well() {
    let world = World::start().await;
    // More than a pipe holds.
    add_events(&world, "acme", days_ago(2), 600).await;
    let mut child = command(&["audit", "export", "--database-url", &world.database.url()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("ended");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(world.account("acme").get(&format!("{EVENTS}?limit=1")).await.status.as_u16(), 200);
}
