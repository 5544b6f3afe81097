//! How the catalog differs from what is built in, and changes without a file.

use serde_json::{Value, json};

use super::{Files, entry, row, run};
use crate::support::World;

async fn import(world: &World, names: &[&str]) {
    let entries: Vec<_> = names.iter().map(|name| entry(name, "Ours.")).collect();
    let files = Files::new(&[("all.yaml", &entries.join("---\n"))]);
    run(world, &["import", &files.path()]).await.ok();
}

#[tokio::test]
async fn a_diff_tells_what_differs_key_by_key_and_a_reset_takes_it_back() {
    let world = World::start().await;
    assert_eq!(run(&world, &["diff"]).await.ok(), "");
    let before = row(&world, "stripe").await.expect("row");
    import(&world, &["stripe", "acme"]).await;
    run(&world, &["deprecate", "slack"]).await.ok();
    world.sql("DELETE FROM integrations WHERE name = 'notion'").await;
    let told = run(&world, &["diff"]).await.ok();
    let description = before.definition["description"].to_string();
    for part in [
        "acme: the operator's own\n",
        "notion: built in, and not in the database",
        "slack: as built in, deprecated\n",
        "stripe: edited\n",
        &format!("    description: {description} → \"Ours.\"\n"),
    ] {
        assert!(told.contains(part), "{part} not in {told}");
    }
    let told = run(&world, &["diff", "stripe", "--json"]).await.done();
    assert_eq!((&told[0]["kind"], told.as_array().map(Vec::len)), (&json!("edited"), Some(1)));
    assert_eq!(
        run(&world, &["reset", "stripe", "slack", "--json"]).await.done()["changed"],
        json!(["slack", "stripe"])
    );
    let after = row(&world, "stripe").await.expect("row");
    assert_eq!((&after.definition, after.modified_from_default), (&before.definition, false));
    assert_eq!((after.default_revision, after.id), (before.default_revision, before.id));
    assert_eq!(run(&world, &["diff", "stripe", "slack"]).await.ok(), "");
    assert_eq!(run(&world, &["reset", "stripe"]).await.ok(), "stripe was so already\n");
}

#[tokio::test]
async fn a_reset_of_what_is_not_built_in_is_refused_and_leaves_the_others_too() {
    let world = World::start().await;
    import(&world, &["stripe", "acme"]).await;
    let before = world.catalog_rows().await;
    let told = run(&world, &["reset", "stripe", "acme"]).await.refused();
    assert!(told.contains("acme is not built in with this version"), "{told}");
    let told = run(&world, &["reset", "stripe", "nobody"]).await.refused();
    assert!(told.contains("no entry of this name: nobody"), "{told}");
    assert_eq!(world.catalog_rows().await, before);
}

#[tokio::test]
async fn a_deprecated_builtin_entry_stays_so_over_a_restart_until_it_is_undone() {
    let world = World::start().await;
    let before = row(&world, "stripe").await.expect("row");
    assert_eq!(run(&world, &["deprecate", "stripe"]).await.ok(), "stripe is deprecated\n");
    // As if this version were the newer one.
    world.sql("UPDATE integrations SET default_revision = 0 WHERE name = 'stripe'").await;
    let _replica = World::builder().beside(&world).await;
    assert_eq!(row(&world, "stripe").await.expect("row").state, "deprecated");
    assert_eq!(run(&world, &["deprecate", "--undo", "stripe"]).await.ok(), "stripe is offered again\n");
    let after = row(&world, "stripe").await.expect("row");
    assert_eq!((&*after.state, after.modified_from_default), ("active", false));
    assert_eq!(after.default_revision, before.default_revision);
}

#[tokio::test]
async fn what_is_built_in_cannot_be_deleted_and_what_is_installed_only_by_force() {
    let world = World::start().await;
    import(&world, &["acme", "unused"]).await;
    let replica = World::builder().beside(&world).await;
    let installed = json!({"params": {"a": 1}, "secrets": {"k": "v"}});
    for account in ["one", "two"] {
        let client = replica.account(account);
        client.post("/api/v1/integrations/acme/install", &installed).await.ok();
        client.post("/api/v1/integrations/stripe/install", &installed).await.ok();
    }
    let before = world.catalog_rows().await;
    for (words, part) in [
        (&["delete", "stripe"][..], "is built in"),
        (&["delete", "stripe", "--force"], "is built in"),
        (&["delete", "nobody"], "no entry of this name"),
        (&["delete", "acme"], "2 accounts have an installation of acme"),
    ] {
        let told = run(&world, words).await.refused();
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(world.catalog_rows().await, before);
    run(&world, &["delete", "unused"]).await.ok();
    let told = run(&world, &["delete", "acme", "--force", "--json"]).await.done();
    assert_eq!(told, json!({"deleted": "acme", "accounts": 2}));
    assert_eq!((row(&world, "acme").await, row(&world, "unused").await), (None, None));
    for account in ["one", "two"] {
        let client = replica.account(account);
        let stripe = client.get("/api/v1/integrations/stripe").await.ok();
        assert_eq!((&stripe["params"], &stripe["secret_names"]), (&json!({"a": 1}), &json!(["k"])));
        assert_eq!(world.secrets_of(account).await.len(), 1, "that of stripe");
        assert!(
            !world
                .rows_of(account)
                .await
                .contains(&before.iter().find(|r| r.name == "acme").expect("row").id.to_string())
        );
        let event = client.get("/api/v1/events?limit=1").await.ok()["events"][0].clone();
        assert_eq!((&event["action"], &event["actor"]["kind"]), (&json!("installation.purged"), &json!("operator")));
        assert!(event.to_string().contains("acme"), "{event}");
        assert_ne!(event, Value::Null);
    }
    // A replica that had it in memory does not show it any more.
    replica.app.services().refresh_catalog().await.expect("refreshed");
    assert_eq!(replica.account("one").get("/api/v1/integrations/acme").await.status, 404);
}

#[tokio::test]
async fn each_change_of_the_shared_catalog_is_in_the_operators_log_and_what_changes_nothing_is_not() {
    let world = World::start().await;
    import(&world, &["stripe", "acme"]).await;
    import(&world, &["stripe", "acme"]).await;
    run(&world, &["deprecate", "slack"]).await.ok();
    run(&world, &["deprecate", "--undo", "slack"]).await.ok();
    run(&world, &["reset", "stripe"]).await.ok();
    run(&world, &["delete", "acme"]).await.ok();
    run(&world, &["delete", "stripe"]).await.refused();
    let log = world.app.store().tenant(patchbay::domain::AccountId::operator());
    let log = log.events_after(&Default::default(), None, 100).await.unwrap_or_else(|error| panic!("{error:?}"));
    let mut told: Vec<_> = log
        .iter()
        .map(|event| (event.action.as_str(), event.integration.as_ref().expect("an integration").name.as_str()))
        .collect();
    // Of one import, no order is promised.
    told[..2].sort_unstable();
    assert_eq!(
        told,
        [
            ("integration.created", "acme"),
            ("integration.updated", "stripe"),
            ("integration.deprecated", "slack"),
            ("integration.updated", "slack"),
            ("integration.updated", "stripe"),
            ("integration.deleted", "acme"),
        ]
    );
}
