//! Two processes on one SQLite file: what one commits, the other sees although it was not told.

use serde_json::json;

use super::{LIST, STRIPE, install, of_accounts};
use crate::support::{Process, Wire, World, skip};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_commit_nothing_is_asked_and_with_one_of_another_process_it_is() {
    let world = World::start().await;
    if world.database.is_postgres() {
        skip("only SQLite has a file to look at");
        return;
    }
    let acme = world.account("acme");
    install(&acme, "stripe", json!({"a": 1})).await;
    acme.get(LIST).await.ok();
    for path in [LIST, STRIPE] {
        let (answer, statements) = world.statements_of(acme.get(path)).await;
        answer.ok();
        assert_eq!(statements, [""; 0], "{path}");
    }
    let keys = format!("keys.keyring_file={}", world.folder.path().join("keyring.json").display());
    let other = Process::serve(&["--database-url", &world.database.url(), "--set", &keys]);
    let address = other.url.trim_start_matches("http://").to_owned();
    let wire = |account: &str| Wire::new(&address, account);
    for round in 0..4 {
        wire("acme").post(&format!("{STRIPE}/install"), &json!({"params": {"round": round}})).await.ok();
        let (answer, statements) = world.statements_of(acme.get(STRIPE)).await;
        assert_eq!(answer.ok()["params"], json!({ "round": round }));
        assert!(!of_accounts(&statements).is_empty());
        // A commit for another account is a reason to ask, but not to read rows again.
        wire("globex").post(&format!("{STRIPE}/install"), &json!({"params": {"round": round}})).await.ok();
        let (answer, statements) = world.statements_of(acme.get(LIST)).await;
        answer.ok();
        assert_eq!(statements.len(), 1, "{statements:#?}");
        let (_, statements) = world.statements_of(acme.get(LIST)).await;
        assert_eq!(statements, [""; 0]);
    }
    other.stop();
}
