//! Files become entries, once, whole, and for every server.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Files, actions, alone, ended, entry, pairs, row, run, start};
use crate::support::{World, eventually};

/// The contract: a change made through any replica is seen within two seconds.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn an_import_adds_entries_and_run_again_changes_nothing() {
    let world = World::start().await;
    let files = Files::new(&[
        ("acme.yaml", &entry("acme", "Sells.")),
        (
            "two.json",
            "[{\"$schema\": \"x\", \"name\": \"one_more\", \"display_name\": \"One\", \"description\": \"One.\",
            \"category\": \"crm\", \"auth\": [{\"kind\": \"none\"}]}]",
        ),
    ]);
    let told = run(&world, &["import", "--json", &files.path()]).await.done();
    assert_eq!(actions(&told), pairs(&[("acme", "created"), ("one_more", "created")]));
    let acme = row(&world, "acme").await.expect("row");
    assert_eq!((acme.id.get_version_num(), acme.modified_from_default, &*acme.state), (7, false, "active"));
    let more = row(&world, "one_more").await.expect("row");
    assert!(more.definition.get("$schema").is_none(), "that is for editors");
    let (before, revision) = (world.catalog_rows().await, world.app.store().system().catalog_revision().await.ok());
    let told = run(&world, &["import", "--json", &files.path()]).await.done();
    assert_eq!(actions(&told), pairs(&[("acme", "unchanged"), ("one_more", "unchanged")]));
    assert_eq!(world.catalog_rows().await, before);
    assert_eq!(world.app.store().system().catalog_revision().await.ok(), revision, "nobody is told to read it again");
}

#[tokio::test]
async fn a_running_server_sees_an_import_within_two_seconds() {
    let world = World::start().await;
    let served = world.serve().await;
    let acme = world.account("someone");
    let files = Files::new(&[("acme.yaml", &entry("acme", "Sells.")), ("stripe.yaml", &entry("stripe", "Ours."))]);
    run(&world, &["import", &files.path()]).await.ok();
    eventually("an imported entry is seen", SEEN_WITHIN, async || {
        acme.get("/api/v1/integrations/acme").await.status == 200
    })
    .await;
    let stripe = acme.get("/api/v1/integrations/stripe").await.ok();
    assert_eq!(stripe["description"], "Ours.");
    acme.post("/api/v1/integrations/acme/install", &json!({"params": {"x": 1}})).await.ok();
    served.stop().await;
}

#[tokio::test]
async fn an_edited_builtin_entry_keeps_its_id_shows_that_it_differs_and_outlives_a_restart() {
    let world = World::start().await;
    let before = row(&world, "stripe").await.expect("row");
    let files = Files::new(&[("stripe.yaml", &entry("stripe", "Ours."))]);
    let told = run(&world, &["import", &files.path()]).await.ok();
    assert!(told.contains("updated   stripe (built in)\n") && told.contains("→ \"Ours.\""), "{told}");
    let edited = row(&world, "stripe").await.expect("row");
    assert_eq!((edited.id, edited.created_at, edited.modified_from_default), (before.id, before.created_at, true));
    let replica = World::builder().beside(&world).await;
    assert_eq!(row(&world, "stripe").await.expect("row"), edited);
    drop(replica);
    let listed = run(&world, &["list", "--json"]).await.done();
    let modified: Vec<_> = listed.as_array().expect("a list").iter().filter(|one| one["modified"] == true).collect();
    assert!(modified.len() == 1 && modified[0]["name"] == "stripe", "{modified:?}");
    let lines = run(&world, &["list"]).await.ok();
    assert!(lines.lines().any(|line| line.contains("stripe ") && line.contains("edited")), "{lines}");
}

#[tokio::test]
async fn importing_what_is_built_in_takes_an_edit_back() {
    let world = World::start().await;
    let before = row(&world, "stripe").await.expect("row");
    let files = Files::new(&[("stripe.yaml", &entry("stripe", "Ours."))]);
    run(&world, &["import", &files.path()]).await.ok();
    files.write("stripe.yaml", before.definition.to_string());
    run(&world, &["import", &files.path()]).await.ok();
    let after = row(&world, "stripe").await.expect("row");
    assert_eq!((&after.definition, after.modified_from_default), (&before.definition, false));
    assert_eq!(after.default_revision, before.default_revision, "the next version is taken again");
}

#[tokio::test]
async fn a_dry_run_tells_what_would_change_and_writes_nothing() {
    let world = World::start().await;
    let files = Files::new(&[("a.yaml", &entry("old", "Goes."))]);
    run(&world, &["import", &files.path()]).await.ok();
    let (before, revision) = (world.catalog_rows().await, world.app.store().system().catalog_revision().await.ok());
    let files = Files::new(&[("acme.yaml", &entry("acme", "Sells.")), ("stripe.yaml", &entry("stripe", "Ours."))]);
    let told = run(&world, &["import", "--dry-run", "--prune", "--json", &files.path()]).await.done();
    assert_eq!(actions(&told), pairs(&[("acme", "created"), ("old", "removed"), ("stripe", "updated")]));
    assert_eq!(told["dry_run"], true);
    assert_eq!(world.catalog_rows().await, before);
    assert_eq!(world.app.store().system().catalog_revision().await.ok(), revision);
    let told = run(&world, &["import", "--dry-run", &files.path()]).await.ok();
    assert!(told.ends_with("Nothing was written: this was a dry run.\n"), "{told}");
}

#[tokio::test]
async fn two_imports_at_once_leave_what_one_after_the_other_would() {
    let world = World::start().await;
    let names = ["one", "two", "three", "four"];
    let files = |words: &str| {
        let entries: Vec<_> = names.iter().map(|name| entry(name, words)).collect();
        Files::new(&[("all.yaml", &entries.join("---\n"))])
    };
    let (first, second) = (files("First."), files("Second."));
    let (a, b) = (first.path(), second.path());
    let running = [start(&world, &["import", "--json", &a]), start(&world, &["import", "--json", &b])];
    let mut created = 0;
    for child in running {
        let told = ended(child).await.done();
        let actions = actions(&told);
        assert!(actions.iter().all(|(_, action)| *action == actions[0].1), "each is whole: {actions:?}");
        created += usize::from(actions[0].1 == "created");
    }
    assert_eq!(created, 1, "the other one updated what was there");
    let rows = world.catalog_rows().await;
    let ours: Vec<_> = rows.iter().filter(|row| names.contains(&&*row.name)).collect();
    assert_eq!(ours.len(), names.len());
    assert!(ours.iter().all(|row| row.definition["description"] == ours[0].definition["description"]));
}

#[tokio::test]
async fn a_later_builtin_entry_of_an_operators_name_leaves_the_operators_alone() {
    let world = World::start().await;
    world.sql("DELETE FROM integrations WHERE name = 'stripe'").await;
    let files = Files::new(&[("acme.yaml", &entry("acme", "Sells."))]);
    run(&world, &["import", &files.path()]).await.ok();
    world.sql("UPDATE integrations SET name = 'stripe' WHERE name = 'acme'").await;
    let before = row(&world, "stripe").await;
    let _replica = World::builder().beside(&world).await;
    assert_eq!(row(&world, "stripe").await, before);
}

#[test]
fn without_a_database_or_with_one_that_is_away_the_operator_is_told() {
    let (files, folder) = (Files::new(&[("a.yaml", &entry("acme", "Sells."))]), tempfile::tempdir().expect("folder"));
    let absent = alone(&["import", &files.path(), "--data-dir", &super::text(folder.path())]).refused();
    assert!(absent.contains("there is no database at"), "{absent}");
    for words in [&["import", &files.path()][..], &["diff"], &["export"], &["reset", "stripe"], &["delete", "x"]] {
        let away = alone(&[words, &["--database-url", "postgres://nobody@127.0.0.1:1/none"]].concat()).refused();
        assert!(away.contains("database"), "{away}");
    }
}

#[tokio::test]
async fn what_is_deprecated_stays_so() {
    let world = World::start().await;
    let files = Files::new(&[("acme.yaml", &entry("acme", "Sells."))]);
    run(&world, &["import", &files.path()]).await.ok();
    run(&world, &["deprecate", "acme"]).await.ok();
    files.write("acme.yaml", entry("acme", "Sells more."));
    let told = run(&world, &["import", "--json", &files.path()]).await.done();
    assert_eq!(told["entries"][0]["deprecated"], Value::Bool(true));
    assert_eq!(row(&world, "acme").await.expect("row").state, "deprecated");
}
