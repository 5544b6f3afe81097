//! Ways around the wall that are not one operation alone.

use serde_json::{Value, json};

use super::{MARK, furnish};
use crate::support::{Answer, PEPPER, World};

const STRIPE: &str = "c5c44806-6981-5408-a812-edbd36c0eef2";

#[tokio::test]
async fn aliases_and_fragments_that_mix_ids_show_nothing_of_another_account() {
    let world = World::start().await;
    furnish(&world).await;
    let document = format!(
        r#"query($ref: IntegrationRef!) {{
            a: integration(by: {{name: "stripe"}}) {{ ...all }}
            b: integration(by: {{id: "{STRIPE}"}}) {{ ...all }}
            c: integration(by: {{name: "slack"}}) {{ ... on Integration {{ ...all }} }}
            d: node(id: "{STRIPE}") {{ ... on Integration {{ ...all }} }}
            e: node(id: "{STRIPE}") {{ id ...all }}
            f: integration(by: $ref) {{ ...all }}
            g: integrations(search: "stripe") {{ nodes {{ ...all }} edges {{ node {{ ...all }} }} }}
        }}
        fragment all on Integration {{ id status installedAt params secretNames missingFields updatedAt createdAt }}"#
    );
    let variables = json!({"ref": {"name": "stripe"}});
    let data = world.account("stranger").graphql(&document, variables.clone()).await.data();
    assert!(!data.to_string().contains(MARK), "{data}");
    for alias in ["a", "b", "c", "d", "e", "f"] {
        let seen = &data[alias];
        assert_eq!(seen["status"], "AVAILABLE", "{alias}");
        assert_eq!((&seen["params"], &seen["secretNames"]), (&json!({}), &json!([])), "{alias}");
        assert_eq!(seen["updatedAt"], seen["createdAt"], "{alias}");
    }
    assert_eq!(data["g"]["nodes"][0], data["a"]);
    // The same document does tell the account itself: the question is not an empty one.
    let own = world.account("acme").graphql(&document, variables).await.data();
    assert_eq!(own["d"]["params"]["note"], MARK);
}

#[tokio::test]
async fn one_failing_alias_tells_nothing_more_than_an_absent_one() {
    let world = World::start().await;
    furnish(&world).await;
    let stranger = world.account("stranger");
    let document = r#"mutation {
        a: uninstallIntegration(input: {integration: {name: "stripe"}}) { changed integration { params } userErrors { code } }
        b: uninstallIntegration(input: {integration: {name: "github"}}) { changed integration { params } userErrors { code } }
    }"#;
    let data = stranger.graphql(document, json!({})).await.data();
    assert_eq!(data["a"], data["b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_on_one_schema_never_share_a_loader() {
    let world = World::start().await;
    furnish(&world).await;
    let document = format!(
        r#"{{ a: integration(by: {{name: "stripe"}}) {{ params secretNames status }}
              b: node(id: "{STRIPE}") {{ ... on Integration {{ params secretNames status }} }}
              c: integration(by: {{name: "slack"}}) {{ params secretNames status }} }}"#
    );
    let accounts = ["acme", "stranger"];
    let mut alone = Vec::new();
    for account in accounts {
        alone.push(world.account(account).graphql(&document, json!({})).await.text());
    }
    assert_ne!(alone[0], alone[1]);
    let mut running = tokio::task::JoinSet::new();
    for i in 0..60 {
        let (client, document) = (world.account(accounts[i % 2]), document.clone());
        running.spawn(async move { (i % 2, client.graphql(&document, json!({})).await.text()) });
    }
    while let Some(ended) = running.join_next().await {
        let (which, text) = ended.expect("no panic");
        assert_eq!(text, alone[which], "{}", accounts[which]);
    }
}

#[tokio::test]
async fn an_etag_of_another_account_is_no_key_to_its_answer() {
    // With keys to list, which a pepper is needed for: two empty lists are the same to the byte.
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    furnish(&world).await;
    let (acme, stranger) = (world.account("acme"), world.account("stranger"));
    for path in [
        "/api/v1/integrations/stripe",
        "/api/v1/integrations",
        "/api/v1/integrations?status=installed",
        "/api/v1/events",
        "/api/v1/api-keys",
    ] {
        let own = stranger.get(path).await;
        let of_acme = acme.get(path).await;
        let tag = of_acme.header("etag").expect("tag").to_owned();
        let answer = stranger.clone().header("if-none-match", &tag).get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, own.text()), "{path}");
        assert_eq!(of_acme.header("vary"), Some("Accept, Authorization, X-Account-ID"), "{path}");
        assert_eq!(of_acme.header("cache-control"), Some("private, no-cache"), "{path}");
    }
}

#[tokio::test]
async fn a_cached_answer_ends_with_ones_own_write_and_not_with_anothers() {
    let world = World::start().await;
    let (acme, stranger) = (world.account("acme"), world.account("stranger"));
    let path = "/api/v1/integrations/stripe";
    let tag = stranger.get(path).await.header("etag").expect("tag").to_owned();
    assert_eq!(acme.get(path).await.header("etag"), Some(&*tag), "both see the same before anything is stored");
    furnish(&world).await;
    let cached = stranger.clone().header("if-none-match", &tag).get(path).await;
    assert_eq!((cached.status.as_u16(), cached.body.len()), (304, 0));
    assert_eq!(acme.header("if-none-match", &tag).get(path).await.ok()["status"], "installed");
}

/// Whoever wrote knows the rows from memory; only a cold replica reads what the account has.
#[tokio::test]
async fn a_replica_that_remembers_nothing_shows_each_account_its_own() {
    let world = World::start().await;
    furnish(&world).await;
    let own = json!({"params": {"mine": true}});
    world.account("stranger").post("/api/v1/integrations/github/install", &own).await.ok();
    let cold = World::builder().beside(&world).await;
    let document = "{ integrations(first: 200) { nodes { name status installedAt params secretNames } } }";
    for account in ["stranger", "acme"] {
        let [warm, cold] = [&world, &cold].map(|world| world.account(account));
        let seen = cold.get("/api/v1/integrations").await;
        assert_eq!(seen.ok(), warm.get("/api/v1/integrations").await.ok(), "{account}");
        assert_eq!(seen.text().contains(MARK), account == "acme");
        let seen = cold.graphql(document, json!({})).await.data();
        assert_eq!(seen, warm.graphql(document, json!({})).await.data(), "{account}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_account_is_refused_like_one_that_never_was() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    // Two keys and more than two events, so that each list has a second page.
    furnish(&world).await;
    furnish(&world).await;
    let (acme, stranger) = (world.account("acme"), world.account("stranger"));
    for (list, field) in [("integrations", "integrations"), ("events", "installationEvents"), ("api-keys", "apiKeys")] {
        let page = acme.get(&format!("/api/v1/{list}?limit=1")).await.ok();
        let foreign = page["next_cursor"].as_str().expect("cursor");
        let path = |cursor: &str| format!("/api/v1/{list}?limit=1&cursor={cursor}");
        acme.get(&path(foreign)).await.ok();
        let refused = stranger.get(&path(foreign)).await;
        let absent = stranger.get(&path("bm9ib2R5")).await;
        assert_eq!((refused.status.as_u16(), refused.error_code()), (400, "bad_user_input"), "{list}");
        assert_eq!((refused.text(), refused.status), (absent.text(), absent.status), "{list}");
        let document = format!("query($after: String) {{ {field}(first: 1, after: $after) {{ nodes {{ id }} }} }}");
        acme.graphql(&document, json!({"after": foreign})).await.data();
        let refused = told(&stranger.graphql(&document, json!({"after": foreign})).await);
        assert_eq!(refused.1, "BAD_USER_INPUT", "{field}");
        assert_eq!(refused, told(&stranger.graphql(&document, json!({"after": "bm9ib2R5"})).await), "{field}");
    }
}

/// Sentence and code of a GraphQL error.
fn told(answer: &Answer) -> (Value, Value) {
    let error = answer.json()["errors"][0].clone();
    (error["message"].clone(), error["extensions"]["code"].clone())
}

#[tokio::test]
async fn a_key_of_another_account_is_revoked_like_one_that_never_was() {
    let world = World::with(&[("auth.pepper", PEPPER)]).await;
    let (acme, stranger) = (world.account("acme"), world.account("stranger"));
    let made = acme.post("/api/v1/api-keys", &json!({"name": MARK, "scopes": ["admin"]})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let ids = made.json()["api_key"].clone();
    for id in [&ids["id"], &ids["public_id"]].map(|id| id.as_str().expect("id")) {
        let path = |id: &str| format!("/api/v1/api-keys/{id}/revoke");
        let refused = stranger.post(&path(id), &Value::Null).await;
        let absent = stranger.post(&path("nokeyyet"), &Value::Null).await;
        refused.assert_refused(404, "api_key_not_found", "API key not found");
        assert_eq!((refused.status, refused.text()), (absent.status, absent.text()));
        let document = "mutation($id: String!) {
            revokeApiKey(input: {id: $id}) { apiKey { id } userErrors { message field code } } }";
        let refused = stranger.graphql(document, json!({"id": id})).await.data();
        assert_eq!(refused, stranger.graphql(document, json!({"id": "nokeyyet"})).await.data());
    }
    let kept = acme.get("/api/v1/api-keys").await.ok();
    let key = kept["api_keys"].as_array().into_iter().flatten().find(|key| key["id"] == ids["id"]);
    assert_eq!(key.expect("the key")["revoked_at"], Value::Null);
}

#[tokio::test]
async fn the_same_name_in_two_accounts_is_two_installations() {
    let world = World::start().await;
    let clients = ["acme", "stranger"].map(|account| (account, world.account(account)));
    for (account, client) in &clients {
        let body = json!({"params": {"who": account}, "secrets": {"api_key": format!("sk_CANARY_{account}")}});
        client.post("/api/v1/integrations/stripe/install", &body).await.ok();
    }
    for (account, client) in &clients {
        assert_eq!(client.get("/api/v1/integrations/stripe").await.ok()["params"], json!({"who": account}));
        let opened = world.open_secrets_of(account).await;
        let key = (STRIPE.to_owned(), "api_key".to_owned());
        assert_eq!(opened[&key], Value::from(format!("sk_CANARY_{account}")));
    }
    clients[0].1.post("/api/v1/integrations/stripe/uninstall", &Value::Null).await.ok();
    assert_eq!(clients[1].1.get("/api/v1/integrations/stripe").await.ok()["status"], "installed");
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole() {
    let world = World::start().await;
    furnish(&world).await;
    let batch = json!([{"query": "{ nativeTools { totalCount } }"}, {"query": "{ integrations { totalCount } }"}]);
    let answer = world.account("stranger").post("/graphql", &batch).await;
    assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (400, "BAD_USER_INPUT"));
}
