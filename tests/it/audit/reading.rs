//! Who reads what: filters, pages, refusals, and the same over both interfaces.

use serde_json::{Value, json};

use super::{EVENTS, SLACK, STRIPE, events, install, uninstall};
use crate::support::{Client, World};

const STRIPE_ID: &str = "c5c44806-6981-5408-a812-edbd36c0eef2";

/// Six events of `acme`, with their request ids.
async fn world() -> World {
    let world = World::start().await;
    let acme = |id: &str| world.account("acme").header("x-request-id", id);
    install(&acme("1"), STRIPE, json!({"params": {"a": 1}})).await;
    install(&acme("2"), STRIPE, json!({"secrets": {"b": "CANARY"}})).await;
    install(&acme("3"), SLACK, json!({})).await;
    uninstall(&acme("4"), STRIPE).await;
    uninstall(&acme("5"), SLACK).await;
    install(&acme("6"), STRIPE, json!({})).await;
    install(&world.account("other"), STRIPE, json!({"params": {"theirs": 1}})).await;
    world
}

fn ids(events: &Value) -> String {
    let events = events.as_array().expect("a list");
    events.iter().map(|event| event["request_id"].as_str().or(event["requestId"].as_str()).expect("text")).collect()
}

/// The same list over GraphQL, in the words of REST.
async fn over_graphql(client: &Client, filter: Value, first: Option<u32>, after: Option<&str>) -> Value {
    let document = "query($filter: AuditEventFilter, $first: Int, $after: String) {
        installationEvents(filter: $filter, first: $first, after: $after) {
            nodes { id at actor { kind id label } action integrationId integrationName fields fieldsOmitted outcome requestId }
            edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let variables = json!({"filter": filter, "first": first, "after": after});
    client.graphql(document, variables).await.data()["installationEvents"].take()
}

/// A node of GraphQL as an event of REST.
fn of_rest(node: &Value) -> Value {
    let lower = |value: &Value| value.as_str().expect("a word").to_lowercase();
    let action = lower(&node["action"]);
    let action = ["installation", "secrets", "api_key"]
        .iter()
        .find_map(|part| Some(format!("{part}.{}", action.strip_prefix(part)?.strip_prefix('_')?)));
    json!({
        "id": node["id"], "at": node["at"], "action": action, "integration_id": node["integrationId"],
        "integration_name": node["integrationName"], "fields": node["fields"], "fields_omitted": node["fieldsOmitted"], "outcome": lower(&node["outcome"]),
        "request_id": node["requestId"],
        "actor": {"kind": lower(&node["actor"]["kind"]), "id": node["actor"]["id"], "label": node["actor"]["label"]},
    })
}

#[tokio::test]
async fn a_filter_finds_the_same_events_over_both_interfaces() {
    let world = world().await;
    let acme = world.account("acme");
    let all = events(&acme).await;
    let third = all[3]["at"].as_str().expect("a moment");
    // Of those that came earlier, some may have come in the same millisecond.
    let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().expect("a moment");
    let is_earlier = |event: &&Value| at(event["at"].as_str().expect("text")) < at(third);
    let earlier: Vec<_> = all.iter().filter(is_earlier).cloned().collect();
    for (query, filter, found) in [
        ("", json!(null), "654321"),
        ("", json!({}), "654321"),
        ("action=installation.installed", json!({"action": "INSTALLATION_INSTALLED"}), "631"),
        ("action=installation.updated", json!({"action": "INSTALLATION_UPDATED"}), "2"),
        ("action=installation.uninstalled", json!({"action": "INSTALLATION_UNINSTALLED"}), "54"),
        ("action=installation.purged", json!({"action": "INSTALLATION_PURGED"}), ""),
        ("action=secrets.read", json!({"action": "SECRETS_READ"}), ""),
        ("action=api_key.created", json!({"action": "API_KEY_CREATED"}), ""),
        ("action=api_key.revoked", json!({"action": "API_KEY_REVOKED"}), ""),
        ("integration=stripe", json!({"integration": {"name": "stripe"}}), "6421"),
        (&format!("integration={STRIPE_ID}"), json!({"integration": {"id": STRIPE_ID}}), "6421"),
        ("integration=nobody", json!({"integration": {"name": "nobody"}}), ""),
        ("integration=", json!({"integration": {"name": ""}}), ""),
        ("actor=anonymous", json!({"actor": "anonymous"}), "654321"),
        ("actor=api_key", json!({"actor": "api_key"}), ""),
        ("actor=%25", json!({"actor": "%"}), ""),
        ("outcome=succeeded", json!({"outcome": "SUCCEEDED"}), "654321"),
        ("outcome=failed", json!({"outcome": "FAILED"}), ""),
        ("since=2020-01-01T00:00:00Z", json!({"since": "2020-01-01T00:00:00Z"}), "654321"),
        ("until=2020-01-01T00:00:00Z", json!({"until": "2020-01-01T00:00:00Z"}), ""),
        ("since=2999-01-01T00:00:00%2B02:00", json!({"since": "2999-01-01T00:00:00+02:00"}), ""),
        (&format!("since={third}&integration=slack"), json!({"since": third, "integration": {"name": "slack"}}), "53"),
        (&format!("until={third}"), json!({"until": third}), &ids(&json!(earlier))),
    ] {
        let rest = acme.get(&format!("{EVENTS}?{query}")).await.ok();
        assert_eq!(ids(&rest["events"]), found, "{query}");
        let graphql = over_graphql(&acme, filter, None, None).await;
        let nodes = graphql["nodes"].as_array().expect("a list").iter().map(of_rest).collect::<Vec<_>>();
        assert_eq!(json!(nodes), rest["events"], "{query}");
    }
}

#[tokio::test]
async fn pages_put_together_are_the_list_and_cursors_are_the_same_over_both_interfaces() {
    let world = world().await;
    let acme = world.account("acme");
    for (query, filter, pages) in [
        ("", json!({}), vec!["6543", "21"]),
        ("&integration=stripe", json!({"integration": {"name": "stripe"}}), vec!["6421"]),
    ] {
        let mut cursor: Option<String> = None;
        for (n, expected) in pages.iter().enumerate() {
            let is_last = n + 1 == pages.len();
            let after = cursor.iter().map(|cursor| format!("&cursor={cursor}")).collect::<String>();
            let answer = acme.get(&format!("{EVENTS}?limit=4{query}{after}")).await;
            let rest = answer.ok();
            assert_eq!((ids(&rest["events"]).as_str(), rest["next_cursor"].is_null()), (*expected, is_last), "{query}");
            assert_eq!(answer.header("link").is_some(), !is_last);
            if let Some(link) = answer.header("link") {
                let next =
                    link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a link");
                assert_eq!(ids(&acme.get(next).await.ok()["events"]), pages[n + 1]);
            }
            let graphql = over_graphql(&acme, filter.clone(), Some(4), cursor.as_deref()).await;
            assert_eq!(ids(&graphql["nodes"]), *expected);
            let info = &graphql["pageInfo"];
            assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(!is_last), &json!(n > 0)));
            let edges = graphql["edges"].as_array().expect("edges");
            assert_eq!(edges.first().map(|edge| &edge["cursor"]), Some(&info["startCursor"]));
            assert_eq!(edges.last().map(|edge| &edge["cursor"]), Some(&info["endCursor"]));
            if !is_last {
                assert_eq!(rest["next_cursor"], info["endCursor"]);
            }
            cursor = info["endCursor"].as_str().map(str::to_owned);
        }
    }
    let empty = over_graphql(&world.account("nobody"), json!({}), None, None).await;
    let info = json!({"hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null});
    assert_eq!(empty, json!({"nodes": [], "edges": [], "pageInfo": info}));
}

#[tokio::test]
async fn events_that_come_meanwhile_do_not_move_the_next_page() {
    let world = world().await;
    let acme = world.account("acme");
    let first = acme.get(&format!("{EVENTS}?limit=3")).await.ok();
    uninstall(&acme.clone().header("x-request-id", "7"), STRIPE).await;
    let next = first["next_cursor"].as_str().expect("a cursor");
    assert_eq!(ids(&acme.get(&format!("{EVENTS}?limit=3&cursor={next}")).await.ok()["events"]), "321");
    assert_eq!(ids(&acme.get(EVENTS).await.ok()["events"]), "7654321");
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let world = world().await;
    let acme = world.account("acme");
    let next = acme.get(&format!("{EVENTS}?limit=1")).await.ok()["next_cursor"].as_str().expect("a cursor").to_owned();
    let catalog = acme.get("/api/v1/integrations?limit=1").await.ok()["next_cursor"].as_str().expect("text").to_owned();
    let sentence = "The cursor does not belong to this list: start again without one, or keep account and filters";
    let long = "A".repeat(5_000);
    for (account, query, filter, cursor) in [
        ("other", "", json!({}), next.as_str()),
        ("acme", "outcome=succeeded&", json!({"outcome": "SUCCEEDED"}), &next),
        ("acme", "", json!({}), &catalog),
        ("acme", "", json!({}), ""),
        ("acme", "", json!({}), "nonsense"),
        ("acme", "", json!({}), &next[..20]),
        ("acme", "", json!({}), &long),
    ] {
        let client = world.account(account);
        let refused = client.get(&format!("{EVENTS}?{query}cursor={cursor}")).await;
        refused.assert_refused(400, "bad_user_input", sentence);
        let document = "query($filter: AuditEventFilter, $after: String) {
            installationEvents(filter: $filter, after: $after) { nodes { id } } }";
        let refused = client.graphql(document, json!({"filter": filter, "after": cursor})).await;
        assert_eq!(refused.graphql_code(), "BAD_USER_INPUT", "{cursor}");
        assert_eq!(refused.json()["errors"][0]["message"], sentence);
    }
}

#[tokio::test]
async fn a_malformed_question_is_told_what_it_may_be() {
    let world = World::start().await;
    let acme = world.account("acme");
    let moment = |name: &str| format!("{name} must be a moment like 2026-11-24T12:00:00Z");
    let actions = "installation.installed, installation.updated, installation.uninstalled, installation.purged, \
                   secrets.read, data_key.rotated, account.shredded, provider_key.rewrapped, provider_key.retired, \
                   integration.created, integration.updated, integration.deprecated, integration.deleted, api_key.created, \
                   api_key.revoked";
    for (query, sentence) in [
        ("limit=0", "limit must be a number from 1 to 200".to_owned()),
        ("limit=201", "limit must be a number from 1 to 200".into()),
        ("limit=-1", "limit must be a number from 1 to 200".into()),
        ("limit=", "limit must be a number from 1 to 200".into()),
        ("limit=99999999999999999999", "limit must be a number from 1 to 200".into()),
        ("action=installed", format!("action must be one of {actions}")),
        ("action=", format!("action must be one of {actions}")),
        ("outcome=SUCCEEDED", "outcome must be one of succeeded, failed".into()),
        ("since=yesterday", moment("since")),
        ("since=2026-11-24", moment("since")),
        ("until=", moment("until")),
        ("until=2026-13-01T00:00:00Z", moment("until")),
        ("actor=a%00b", "actor and integration must not contain the NUL character".into()),
        ("integration=%00", "actor and integration must not contain the NUL character".into()),
        ("actor=a&actor=b", "A query parameter is malformed or stands twice".into()),
    ] {
        acme.get(&format!("{EVENTS}?{query}")).await.assert_refused(400, "bad_user_input", &sentence);
    }
    for arguments in [
        "(first: 0)",
        "(first: 201)",
        "(first: -1)",
        r#"(filter: {actor: "a\u0000b"})"#,
        r#"(filter: {integration: {name: "\u0000"}})"#,
    ] {
        let refused =
            acme.graphql(&format!("{{ installationEvents{arguments} {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(refused.graphql_code(), "BAD_USER_INPUT", "{arguments}");
    }
    // Nothing that is asked here is too much to ask.
    acme.get(&format!("{EVENTS}?actor={}&integration={0}", "x".repeat(5_000))).await.ok();
    for edge in ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"] {
        acme.get(&format!("{EVENTS}?since={edge}&until={edge}")).await.ok();
    }
}

#[tokio::test]
async fn who_lacks_the_scope_reads_nothing() {
    let token = "0123456789abcdef0123456789abcdef";
    let settings =
        [("auth.mode", "gateway"), ("auth.gateway_token", token), ("auth.gateway_scopes", "installations:write")];
    let world = World::with(&settings).await;
    let acme = world.account("acme").header("x-gateway-token", token);
    install(&acme, STRIPE, json!({})).await;
    let refused = acme.get(EVENTS).await;
    assert_eq!((refused.status.as_u16(), refused.error_code()), (403, "forbidden"), "{}", refused.text());
    let refused = acme.graphql("{ installationEvents { nodes { id } } }", json!({})).await;
    assert_eq!(refused.graphql_code(), "FORBIDDEN");
}

#[tokio::test]
async fn the_operators_log_is_no_accounts() {
    let world = World::start().await;
    super::add_events(&world, "_operator", chrono::Utc::now(), 3).await;
    for account in ["_operator", "operator", "acme"] {
        let answer = world.account(account).get(EVENTS).await;
        match account {
            "_operator" => assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "account_invalid")),
            _ => assert_eq!(answer.ok()["events"], json!([]), "{account}"),
        }
    }
}

#[tokio::test]
async fn an_unchanged_page_is_a_304_until_something_happens() {
    let world = world().await;
    let acme = world.account("acme");
    let tag = acme.get(EVENTS).await.header("etag").expect("a tag").to_owned();
    let again = acme.clone().header("if-none-match", &tag);
    assert_eq!(again.get(EVENTS).await.status.as_u16(), 304);
    uninstall(&acme, STRIPE).await;
    assert_eq!(again.get(EVENTS).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_page_is_one_statement_and_counted_at_its_size() {
    let world = world().await;
    let acme = world.account("acme");
    let (answer, statements) = world.statements_of(acme.get(EVENTS)).await;
    answer.ok();
    assert_eq!(statements.len(), 1, "{statements:#?}");
    let limited = World::with(&[("graphql.max_complexity", "300")]).await;
    let ask = async |first: u32| {
        let document = format!("{{ installationEvents(first: {first}) {{ nodes {{ id at }} }} }}");
        limited.account("acme").graphql(&document, json!({})).await.json()["errors"].is_null()
    };
    assert_eq!((ask(100).await, ask(200).await), (true, false));
}

#[tokio::test]
async fn a_log_that_cannot_be_read_says_only_that() {
    let world = world().await;
    let acme = world.account("acme");
    world.sql("ALTER TABLE audit_events RENAME TO hidden_away").await;
    acme.get(EVENTS).await.assert_refused(500, "database_error", "Database error");
    let failed = acme.graphql("{ installationEvents { nodes { id } } }", json!({})).await;
    assert_eq!(failed.graphql_code(), "DATABASE_ERROR");
}
