//! The audit log: every change has its event and every event its change, who may read it, and how long it stays.

mod changes;
mod keeping;
mod reading;
mod size;

use chrono::{DateTime, Utc};
use entity::audit_event::{ActiveModel, Entity};
use patchbay::domain::EventId;
use sea_orm::{EntityTrait, Set};
use serde_json::{Value, json};

use crate::support::{Client, World};

const EVENTS: &str = "/api/v1/events";
const STRIPE: &str = "/api/v1/integrations/stripe";
const SLACK: &str = "/api/v1/integrations/slack";

/// The account's whole log over REST, newest first, page by page.
async fn events(client: &Client) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = client.get(&format!("{EVENTS}?limit=200{cursor}")).await.ok();
        all.append(page["events"].as_array_mut().expect("a list"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn install(client: &Client, path: &str, body: Value) {
    client.post(&format!("{path}/install"), &body).await.ok();
}

async fn uninstall(client: &Client, path: &str) {
    client.post(&format!("{path}/uninstall"), &json!({})).await.ok();
}

/// Puts so many events into an account's log, the first at this moment and each a millisecond after the other.
async fn add_events(world: &World, account: &str, first: DateTime<Utc>, count: i64) {
    let row = |n| {
        let at = first + chrono::Duration::milliseconds(n);
        ActiveModel {
            account_id: Set(account.to_owned()),
            id: Set(EventId::first_at(at).0),
            at: Set(at),
            actor_kind: Set("system".to_owned()),
            actor_id: Set(String::new()),
            actor_label: Set(String::new()),
            action: Set("secrets.read".to_owned()),
            integration_id: Set(None),
            integration_name: Set(String::new()),
            fields: Set(json!([])),
            outcome: Set("succeeded".to_owned()),
            request_id: Set(format!("{account}-{n}")),
        }
    };
    let db = world.connect().await;
    Entity::insert_many((0..count).map(row)).exec_without_returning(&db).await.expect("inserted");
    db.close().await.expect("closed");
}

/// Every row of every log, as text to search.
async fn rows(world: &World) -> String {
    let db = world.connect().await;
    let rows = Entity::find().all(&db).await.expect("rows");
    db.close().await.expect("closed");
    format!("{rows:#?}")
}
