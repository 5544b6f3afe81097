//! Entries of the operator's own that are in no file any more.

use serde_json::json;

use super::{Files, actions, entry, pairs, row, run};
use crate::support::World;

const ACTIONS: [(&str, &str); 4] =
    [("installed", "kept"), ("left", "kept"), ("unused", "removed"), ("wanted", "unchanged")];

/// A world with entries of which one is installed, and one was.
async fn world() -> World {
    let world = World::start().await;
    let entries = ["installed", "left", "unused", "wanted"].map(|name| entry(name, "Ours."));
    let files = Files::new(&[("all.yaml", &entries.join("---\n"))]);
    run(&world, &["import", &files.path()]).await.ok();
    let replica = World::builder().beside(&world).await;
    let acme = replica.account("acme");
    acme.post("/api/v1/integrations/installed/install", &json!({"params": {"a": 1}})).await.ok();
    acme.post("/api/v1/integrations/left/install", &json!({"params": {"a": 1}})).await.ok();
    acme.post("/api/v1/integrations/left/uninstall", &json!({})).await.ok();
    acme.post("/api/v1/integrations/stripe/install", &json!({"params": {"a": 1}})).await.ok();
    world
}

#[tokio::test]
async fn pruning_removes_what_nobody_has_and_keeps_what_is_or_was_installed_and_what_is_built_in() {
    let world = world().await;
    let (builtin, rows) = (world.catalog_rows().await.len() - 4, world.rows_of("acme").await);
    let files = Files::new(&[("wanted.yaml", &entry("wanted", "Ours."))]);
    let told = run(&world, &["import", "--prune", "--json", &files.path()]).await.done();
    assert_eq!(actions(&told), pairs(&ACTIONS));
    let kept = |name: &str| told["entries"].as_array().expect("a list").iter().find(|e| e["name"] == name).cloned();
    assert_eq!(kept("installed").expect("told")["installed_by"], 1);
    assert_eq!(row(&world, "unused").await, None);
    assert_eq!(world.catalog_rows().await.len(), builtin + 3);
    assert_eq!(world.rows_of("acme").await, rows);
    let told = run(&world, &["import", "--prune", &files.path()]).await.ok();
    assert!(told.contains("kept      left: not in the files, and installed by 1 account\n"), "{told}");
}

#[tokio::test]
async fn without_prune_what_is_in_no_file_stays() {
    let world = world().await;
    let before = world.catalog_rows().await;
    let files = Files::new(&[("wanted.yaml", &entry("wanted", "Ours."))]);
    let told = run(&world, &["import", "--json", &files.path()]).await.done();
    assert_eq!(actions(&told), pairs(&[("wanted", "unchanged")]));
    assert_eq!(world.catalog_rows().await, before);
}
