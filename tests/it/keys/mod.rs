//! Keeping keys, and forgetting accounts, from the command line: beside running servers, stopped, killed and run again.

mod ageing;
mod binding;
mod exporting;
mod moving;
mod outage;
mod ring;
mod rotation;
mod servers;
mod serving;
mod shredding;
mod status;
mod stopping;
mod verifying;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{Client, Told, World, account_id, command, open, wrapped};

const STRIPE: &str = "/api/v1/integrations/stripe";
const SLACK: &str = "/api/v1/integrations/slack";

/// Where a world keeps its database and its key ring.
fn arguments(world: &World, command: &[&str]) -> Vec<String> {
    let folder = world.folder.path();
    let url = world.database.url();
    let ring = format!("keys.keyring_file={}", folder.join("keyring.json").display());
    let folder = folder.display().to_string();
    let place = ["--data-dir", &folder, "--database-url", &url, "--set", &ring];
    let quick = ["--set", "database.sqlite_synchronous=normal", "--set", "log.level=warn"];
    [command, &place, &quick].concat().into_iter().map(str::to_owned).collect()
}

/// Starts a command beside a world.
fn start(world: &World, words: &[&str]) -> Child {
    let arguments = arguments(world, words);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    command(&arguments).stdout(Stdio::piped()).spawn().expect("started")
}

/// Runs a command beside a world, which goes on meanwhile.
async fn run(world: &World, words: &[&str]) -> Told {
    let child = start(world, words);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().expect("ended")).await.expect("waited");
    Told::of(&output)
}

async fn install(client: &Client, path: &str, secrets: Value) {
    client.post(&format!("{path}/install"), &json!({ "secrets": secrets })).await.ok();
}

/// So many accounts, `account-0` and on, with so many secrets each.
async fn fill(world: &World, accounts: usize, secrets: usize) {
    for account in 0..accounts {
        let secrets: Value =
            (0..secrets).map(|n| (format!("secret_{n}"), json!(format!("CANARY-{account}-{n}")))).collect();
        install(&world.account(&format!("account-{account}")), STRIPE, secrets).await;
    }
}

/// The one number that a statement selects.
async fn number(world: &World, sql: &str) -> i64 {
    let db = world.connect().await;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("asked");
    let number = row.expect("a row").try_get_by_index(0).expect("a number");
    db.close().await.expect("closed");
    number
}

/// The generations and states of an account's data keys.
async fn generations(world: &World, account: &str) -> Vec<(i64, String)> {
    world.keys_of(account).await.into_iter().map(|key| (key.key_id, key.state)).collect()
}

fn generation(id: i64, state: &str) -> (i64, String) {
    (id, state.to_owned())
}

/// The generations that an account's values are sealed under, as rows and as envelopes say.
async fn sealed_under(world: &World, account: &str) -> BTreeSet<i64> {
    let rows = world.secrets_of(account).await;
    for row in &rows {
        let in_envelope = u32::from_be_bytes(row.sealed[4..8].try_into().expect("4 bytes"));
        assert_eq!(i64::from(in_envelope), row.key_id, "{account}/{}", row.name);
    }
    rows.into_iter().map(|row| row.key_id).collect()
}

/// Every secret of the account by name, opened with the key that its row names.
async fn opened(world: &World, account: &str) -> BTreeMap<String, Value> {
    let (keys, vault) = (world.keys_of(account).await, world.vault());
    let mut opened = BTreeMap::new();
    for row in world.secrets_of(account).await {
        let key = keys.iter().find(|key| key.key_id == row.key_id).expect("the key of a row");
        let key = vault.data_key(&account_id(account), &wrapped(key)).await.expect("unwrapped");
        opened.insert(row.name.clone(), open(&key, &row).unwrap_or_else(|| panic!("{account}/{}", row.name)));
    }
    opened
}
