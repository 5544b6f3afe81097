//! Many at once, on a real socket and with every setting at its default.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Served, Wire, World};

const STRIPE: &str = "/api/v1/integrations/stripe";

/// The harness relaxes how SQLite writes; here it is as an operator has it.
async fn world() -> World {
    World::with(&[("database.sqlite_synchronous", "full")]).await
}

fn wire(served: &Served, account: &str) -> Wire {
    Wire::new(&served.address.to_string(), account)
}

/// The names of the catalog.
async fn names(world: &World) -> Vec<String> {
    world.catalog_rows().await.into_iter().map(|row| row.name).collect()
}

/// What one of the 200 did, to be found again afterwards.
enum Done {
    Installed { account: String, name: String, mark: usize, has_secret: bool },
    Uninstalled { account: String, name: String },
    Read,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_mixed_requests_at_once_fail_none_and_lose_none() {
    let world = world().await;
    let served = world.serve().await;
    let names = names(&world).await;
    let accounts: Vec<_> = (0..5).map(|i| format!("account-{i}")).collect();
    // What is uninstalled below, installed before: one entry of each account that nothing else touches.
    for account in &accounts {
        for name in &names[40..] {
            wire(&served, account).post(&format!("/api/v1/integrations/{name}/install"), &Value::Null).await.ok();
        }
    }
    let mut running = JoinSet::new();
    for i in 0..200 {
        let account = accounts[i % accounts.len()].clone();
        let turn = i / accounts.len();
        let wire = wire(&served, &account);
        let name = names[turn].clone();
        let uninstalled = names[40 + turn / 8 % (names.len() - 40)].clone();
        running.spawn(async move { one(wire, account, turn, name, uninstalled).await });
    }
    let mut done = Vec::new();
    while let Some(ended) = running.join_next().await {
        done.push(ended.expect("no panic"));
    }
    assert_eq!(done.len(), 200);
    for done in done {
        assert_kept(&world, done).await;
    }
    served.stop().await;
}

async fn one(wire: Wire, account: String, turn: usize, name: String, uninstalled: String) -> Done {
    let path = format!("/api/v1/integrations/{name}");
    let body = |secrets: Value| json!({"params": {"mark": turn}, "secrets": secrets});
    match turn % 8 {
        0 => drop(wire.get("/api/v1/integrations").await.ok()),
        1 => drop(wire.get(&path).await.ok()),
        2 => drop(
            wire.graphql("{ integrations(first: 50) { totalCount nodes { name status } } }", json!({})).await.data(),
        ),
        3 | 4 => {
            let has_secret = turn % 8 == 4;
            let secrets = if has_secret { json!({"extra": format!("CANARY_{turn}")}) } else { Value::Null };
            wire.post(&format!("{path}/install"), &body(secrets)).await.ok();
            return Done::Installed { account, name, mark: turn, has_secret };
        }
        5 => {
            wire.post(&format!("/api/v1/integrations/{uninstalled}/uninstall"), &Value::Null).await.ok();
            return Done::Uninstalled { account, name: uninstalled };
        }
        _ => {
            let has_secret = turn % 8 == 7;
            let secrets = if has_secret { json!({"extra": format!("CANARY_{turn}")}) } else { Value::Null };
            let document = "mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { changed userErrors { code } } }";
            let mut input = body(secrets);
            input["integration"] = json!({ "name": name });
            let data = wire.graphql(document, json!({ "input": input })).await.data();
            assert_eq!(data["installIntegration"], json!({"changed": true, "userErrors": []}));
            return Done::Installed { account, name, mark: turn, has_secret };
        }
    }
    Done::Read
}

async fn assert_kept(world: &World, done: Done) {
    let show = async |account: &str, name: &str| {
        world.account(account).get(&format!("/api/v1/integrations/{name}")).await.ok()
    };
    match done {
        Done::Read => {}
        Done::Installed { account, name, mark, has_secret } => {
            let shown = show(&account, &name).await;
            assert_eq!((&shown["status"], &shown["params"]), (&json!("installed"), &json!({ "mark": mark })));
            assert_eq!(shown["secret_names"], if has_secret { json!(["extra"]) } else { json!([]) });
        }
        Done::Uninstalled { account, name } => {
            assert_eq!(show(&account, &name).await["status"], "available", "{account} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_installs_of_one_pair_at_once_end_as_one_after_the_other() {
    let world = World::start().await;
    let served = world.serve().await;
    for round in 0..15 {
        let account = format!("round-{round}");
        let of = |own: &str, other: &str| json!({"params": {"who": own}, "secrets": {own: "CANARY", other: null}});
        let path = format!("{STRIPE}/install");
        let (a, b) = (wire(&served, &account), wire(&served, &account));
        let (one, two) = (of("a", "b"), of("b", "a"));
        let (one, two) = tokio::join!(a.post(&path, &one), b.post(&path, &two));
        let (one, two) = (one.ok(), two.ok());
        assert_eq!(one["integration"]["installed_at"], two["integration"]["installed_at"], "the first one set it");
        let shown = world.account(&account).get(STRIPE).await.ok();
        let last = shown["params"]["who"].as_str().expect("who").to_owned();
        assert_eq!(shown["secret_names"], json!([last]), "params of one and secrets of the other");
        let rows: Vec<_> = world.secrets_of(&account).await.into_iter().map(|row| row.name).collect();
        assert_eq!(rows, [last]);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_install_and_an_uninstall_at_once_never_mix() {
    let world = World::start().await;
    let served = world.serve().await;
    for round in 0..15 {
        let account = format!("round-{round}");
        let wire = wire(&served, &account);
        wire.post(&format!("{STRIPE}/install"), &json!({"params": {"n": 1}})).await.ok();
        let again = json!({"params": {"n": 2}, "secrets": {"x": "CANARY"}});
        let (install, uninstall) = (format!("{STRIPE}/install"), format!("{STRIPE}/uninstall"));
        let (installed, uninstalled) = tokio::join!(wire.post(&install, &again), wire.post(&uninstall, &Value::Null));
        let (installed, uninstalled) = (installed.ok(), uninstalled.ok());
        assert_eq!((&installed["changed"], &uninstalled["changed"]), (&json!(true), &json!(true)));
        let shown = world.account(&account).get(STRIPE).await.ok();
        assert_eq!((&shown["params"], &shown["secret_names"]), (&json!({"n": 2}), &json!(["x"])));
        // The later of the two decides, and each answer told the state right after its own turn.
        let install_was_last = shown["status"] == "installed";
        let seen_by_uninstall = &uninstalled["integration"]["params"]["n"];
        assert_eq!(*seen_by_uninstall, if install_was_last { 1 } else { 2 }, "round {round}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_installs_with_secrets_at_once_make_one_data_key_and_every_secret_opens() {
    let world = World::start().await;
    let served = world.serve().await;
    let names: Vec<_> = names(&world).await.into_iter().take(32).collect();
    let mut running = JoinSet::new();
    for (i, name) in names.iter().enumerate() {
        let (wire, path) = (wire(&served, "newcomer"), format!("/api/v1/integrations/{name}/install"));
        running.spawn(async move { wire.post(&path, &json!({"secrets": {"extra": format!("CANARY_{i}")}})).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("no panic").ok();
    }
    assert_eq!(world.keys_of("newcomer").await.len(), 1);
    let opened = world.open_secrets_of("newcomer").await;
    assert_eq!(opened.len(), names.len());
    for (i, name) in names.iter().enumerate() {
        let id = patchbay::domain::IntegrationId::of_builtin(name).to_string();
        assert_eq!(opened[&(id, "extra".to_owned())], json!(format!("CANARY_{i}")));
    }
    served.stop().await;
}
