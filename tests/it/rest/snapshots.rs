//! A typical answer of each route, whole. Times are replaced; everything else is fixed by an entry of our own, so that
//! a change of the catalog's facts does not touch these.

use insta::{assert_json_snapshot, with_settings};
use serde_json::{Value, json};

use super::rows::add_widgets;
use super::{LIST, PROBLEM};
use crate::support::World;

const WIDGETS: &str = "/api/v1/integrations/widgets";

/// Replaces what differs from run to run.
fn redacted(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let is_time = key.ends_with("_at") && field.is_string();
                *field = if is_time { json!(format!("<{key}>")) } else { redacted(field.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = redacted(item.take())),
        _ => {}
    }
    value
}

fn assert_snapshot(name: &str, value: Value) {
    with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        assert_json_snapshot!(format!("rest_{name}"), redacted(value));
    });
}

#[tokio::test]
async fn a_typical_answer_of_each_route_is_as_recorded() {
    let world = World::start().await;
    add_widgets(&world).await;
    let acme = world.account("acme");
    let body =
        json!({"params": {"region": "us", "port": 8443}, "secrets": {"api_key": "wk_CANARY_1", "extra": "CANARY_2"}});
    assert_snapshot("show_available", acme.get(WIDGETS).await.ok());
    assert_snapshot("install", acme.post(&format!("{WIDGETS}/install"), &body).await.ok());
    assert_snapshot("list", acme.get(&format!("{LIST}?search=widgets&category=commerce")).await.ok());
    assert_snapshot("list_page", acme.get(&format!("{LIST}?search=widgets&limit=1&include=schemas")).await.ok());
    assert_snapshot("uninstall", acme.post(&format!("{WIDGETS}/uninstall"), &json!(null)).await.ok());
    assert_snapshot("mcp_connections", acme.get("/api/v1/mcp-connections").await.ok());
    assert_snapshot("native_tools", acme.get("/api/v1/native-tools").await.ok());
    let wrong = json!({"params": {"region": "mars", "port": "x"}, "secrets": {"api_key": "CANARY_3", "a/b": 1}});
    let problem = acme.header("accept", PROBLEM).header("x-request-id", "req-1");
    let problem = problem.post(&format!("{WIDGETS}/install"), &wrong).await;
    assert_eq!((problem.status.as_u16(), problem.content_type()), (422, PROBLEM));
    assert_snapshot("problem", problem.json());
}
