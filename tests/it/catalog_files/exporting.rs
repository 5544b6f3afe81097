//! What is exported can be imported again, and is the same.

use super::{Files, entry, run, text};
use crate::support::World;

#[tokio::test]
async fn what_is_exported_is_imported_again_without_a_change_in_either_syntax() {
    let world = World::start().await;
    let files = Files::new(&[("acme.yaml", &entry("acme", "Sells."))]);
    run(&world, &["import", &files.path()]).await.ok();
    let before = world.catalog_rows().await;
    for format in ["json", "yaml"] {
        let out = tempfile::tempdir().expect("folder");
        let folder = out.path().join("deeper");
        run(&world, &["export", "--format", format, "--out", &text(&folder)]).await.ok();
        assert!(folder.join(format!("acme.{format}")).exists());
        let whole = out.path().join(format!("whole.{format}"));
        std::fs::write(&whole, run(&world, &["export", "--format", format]).await.ok()).expect("written");
        for path in [&folder, &whole] {
            let told = run(&world, &["import", "--json", &text(path)]).await.done();
            let entries = told["entries"].as_array().expect("a list");
            assert_eq!(entries.len(), before.len());
            assert!(entries.iter().all(|one| one["action"] == "unchanged"), "{format}");
        }
    }
    assert_eq!(world.catalog_rows().await, before);
}

#[tokio::test]
async fn what_is_edited_or_the_operators_own_can_be_exported_alone() {
    let world = World::start().await;
    assert_eq!(run(&world, &["export", "--changed", "--format", "yaml"]).await.ok(), "");
    assert_eq!(run(&world, &["export", "--changed"]).await.done(), serde_json::json!([]));
    let files = Files::new(&[("a.yaml", &entry("acme", "Sells.")), ("s.yaml", &entry("stripe", "Ours."))]);
    run(&world, &["import", &files.path()]).await.ok();
    let told = run(&world, &["export", "--changed"]).await.done();
    let names: Vec<_> = told.as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["acme", "stripe"]);
    assert_eq!(run(&world, &["export", "acme", "--format", "yaml"]).await.ok(), entry("acme", "Sells."));
}

#[tokio::test]
async fn a_name_that_nobody_has_and_a_folder_that_cannot_be_made_are_told() {
    let world = World::start().await;
    let told = run(&world, &["export", "stripe", "nobody", "nothing"]).await.refused();
    assert!(told.contains("no entry of this name: nobody, nothing"), "{told}");
    let files = Files::new(&[("taken", "x")]);
    let told = run(&world, &["export", "stripe", "--out", &format!("{}/taken", files.path())]).await.refused();
    assert!(told.contains("cannot write"), "{told}");
}
