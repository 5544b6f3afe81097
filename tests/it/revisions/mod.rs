//! Answers from memory, changes by comparison: right with several replicas, and as cheap as they claim to be.

mod catalogs;
mod changes;
mod groups;
mod processes;
mod reads;

use serde_json::{Value, json};

use crate::support::{Client, World};

const LIST: &str = "/api/v1/integrations";
const STRIPE: &str = "/api/v1/integrations/stripe";

/// Two replicas on one database.
async fn replicas() -> (World, World) {
    let one = World::start().await;
    let two = World::builder().beside(&one).await;
    (one, two)
}

/// The statements that read or write rows of accounts, in lower case.
fn of_accounts(statements: &[String]) -> Vec<String> {
    let lower = statements.iter().map(|statement| statement.to_lowercase());
    lower.filter(|statement| statement.contains("account_id")).collect()
}

fn reads_rows(statement: &str) -> bool {
    statement.starts_with("select") && statement.contains("\"installations\"")
}

async fn install(client: &Client, name: &str, params: Value) {
    client.post(&format!("{LIST}/{name}/install"), &json!({ "params": params })).await.ok();
}
