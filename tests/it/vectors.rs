//! An independent implementation of the format (`tests/vectors/vectors.py`) and a server's data. Needs a Python with the
//! package `cryptography`; `TEST_PYTHON` names it.

use std::process::{Command, Output, Stdio};

use entity::installation_secret;
use sea_orm::{ActiveModelTrait, Database, EntityTrait, IntoActiveModel, Set};
use serde_json::{Value, json};

use crate::support::{Process, Wire, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/vectors.py");

/// What the script says; nothing where there is no Python for it.
fn vectors(arguments: &[&str]) -> Option<Output> {
    let Some(python) = std::env::var_os("TEST_PYTHON") else {
        skip("TEST_PYTHON is not set");
        return None;
    };
    Some(Command::new(python).arg(SCRIPT).args(arguments).stdin(Stdio::null()).output().expect("run"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_vectors_are_what_an_independent_implementation_makes() {
    let Some(output) = vectors(&["check"]) else { return };
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn an_independent_implementation_opens_all_that_a_server_sealed() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let process = Process::serve(&["--data-dir", &data]);
    for account in ["acme", "globex"] {
        let wire = Wire::new(&process.url, account);
        let secrets = json!({"api_key": "sk_CANARY", "empty": "", "nested": {"b": ["CANARY", null], "a": 0.5}});
        wire.post("/api/v1/integrations/stripe/install", &json!({"params": {"n": 1}, "secrets": secrets})).await.ok();
        let secrets = json!({"token": "CANARY", "text": "CANARY_ä🔑", "long": "CANARY".repeat(5_000)});
        wire.post("/api/v1/integrations/github/install", &json!({"secrets": secrets})).await.ok();
    }
    // While the server runs, as an operator would.
    let Some(output) = vectors(&["open", "--data-dir", &data]) else { return };
    assert!(output.status.success(), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told, json!({"opened": {"key checks": 1, "data keys": 2, "secrets": 12}, "failed": {}}));
    process.stop();

    // It can refuse.
    let db = Database::connect(format!("sqlite://{data}/patchbay.db")).await.expect("connected");
    let row = installation_secret::Entity::find().one(&db).await.expect("rows").expect("a row");
    let mut sealed = row.sealed.clone();
    *sealed.last_mut().expect("bytes") ^= 1;
    let mut row = row.into_active_model();
    row.sealed = Set(sealed);
    ActiveModelTrait::update(row, &db).await.expect("changed");
    db.close().await.expect("closed");
    let output = vectors(&["open", "--data-dir", &data]).expect("there");
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["failed"], json!({"secrets": 1}));
    assert!(!stderr(&output).contains("CANARY"), "a value is told");
}
