//! Installing and uninstalling.

use serde_json::{Value, json};

use super::{INSTALL, UNINSTALL, acme, assert_field_failed, assert_refused, install};
use crate::support::Client;

async fn uninstall(client: &Client, name: &str) -> Value {
    let input = json!({"input": {"integration": {"name": name}}});
    client.graphql(UNINSTALL, input).await.data()["uninstallIntegration"].take()
}

async fn installed(client: &Client) -> Vec<Value> {
    let query = "{ integrations(status: INSTALLED) { nodes { name } } }";
    let data = client.graphql(query, json!({})).await.data();
    data["integrations"]["nodes"].as_array().expect("nodes").iter().map(|node| node["name"].clone()).collect()
}

#[tokio::test]
async fn an_installation_lives_through_its_whole_life() {
    let (_world, acme) = acme().await;
    let region = json!({"region": "eu-west-1"});
    let first =
        install(&acme, "aws", json!({"params": region, "secrets": {"secret_access_key": "sk_test_CANARY_1"}})).await;
    assert_eq!((&first["changed"], &first["userErrors"]), (&json!(true), &json!([])));
    assert_eq!(first["integration"]["status"], "INSTALLED");
    let nothing = install(&acme, "aws", json!({})).await;
    assert_eq!(nothing["changed"], false);
    assert_eq!(nothing["integration"], first["integration"]);
    let merged =
        install(&acme, "aws", json!({"secrets": {"session_token": "CANARY_2", "secret_access_key": null}})).await;
    assert_eq!(merged["changed"], true);
    assert_eq!(merged["integration"]["secretNames"], json!(["session_token"]));
    assert_eq!(merged["integration"]["params"], region, "params that are not supplied stay");
    assert_eq!(merged["integration"]["installedAt"], first["integration"]["installedAt"]);
    let gone = uninstall(&acme, "aws").await;
    assert_eq!((&gone["changed"], &gone["integration"]["status"]), (&json!(true), &json!("AVAILABLE")));
    assert_eq!(gone["integration"]["installedAt"], Value::Null);
    assert_eq!(gone["integration"]["params"], region);
    assert_eq!(gone["integration"]["secretNames"], json!(["session_token"]));
    let again = uninstall(&acme, "aws").await;
    assert_eq!((&again["changed"], &again["userErrors"]), (&json!(false), &json!([])));
    let back = install(&acme, "aws", json!({})).await;
    assert_eq!(back["changed"], true);
    assert_eq!(back["integration"]["params"], region, "an uninstall does not purge");
    let cleared = install(&acme, "aws", json!({"params": {}})).await;
    assert_eq!((&cleared["changed"], &cleared["integration"]["params"]), (&json!(true), &json!({})));
}

#[tokio::test]
async fn changed_says_whether_anything_was_supplied() {
    let (_world, acme) = acme().await;
    install(&acme, "stripe", json!({})).await;
    for (supplied, changed) in [
        (json!({"params": null, "secrets": null}), false),
        (json!({"secrets": {}}), false),
        (json!({"params": {}}), true),
        (json!({"secrets": {"never_there": null}}), true),
    ] {
        assert_eq!(install(&acme, "stripe", supplied.clone()).await["changed"], changed, "{supplied}");
    }
    assert_eq!(uninstall(&acme, "slack").await["changed"], false, "never installed");
}

#[tokio::test]
async fn an_unknown_integration_is_a_user_error() {
    let (_world, acme) = acme().await;
    let error =
        json!({"message": "Integration not found", "field": ["input", "integration"], "code": "INTEGRATION_NOT_FOUND"});
    let plain = "c5c4480669815408a812edbd36c0eef2";
    for reference in [
        json!({"name": "nobody"}),
        json!({"name": "STRIPE"}),
        json!({"id": "stripe"}),
        json!({"id": plain}),
        json!({"id": uuid::Uuid::new_v4()}),
    ] {
        let input = json!({"input": {"integration": reference}});
        let expected = json!({"integration": null, "changed": false, "userErrors": [error]});
        let data = acme.graphql(INSTALL, input.clone()).await.data();
        assert_eq!(data["installIntegration"], expected, "{reference}");
        let data = acme.graphql(UNINSTALL, input).await.data();
        assert_eq!(data["uninstallIntegration"], expected, "{reference}");
    }
}

#[tokio::test]
async fn values_that_break_the_entrys_rules_are_user_errors_with_the_way_to_the_field() {
    let (_world, acme) = acme().await;
    let many: serde_json::Map<_, _> = (0..65).map(|i| (format!("name_{i}"), json!("x"))).collect();
    for (name, supplied, expected) in [
        (
            "stripe",
            json!({"params": {"api_version": 5}}),
            vec![(json!(["input", "params", "api_version"]), "PARAMS_INVALID")],
        ),
        (
            "postgres",
            json!({"params": {"port": "CANARY", "sslmode": "CANARY"}}),
            vec![
                (json!(["input", "params", "port"]), "PARAMS_INVALID"),
                (json!(["input", "params", "sslmode"]), "PARAMS_INVALID"),
            ],
        ),
        (
            "stripe",
            json!({"secrets": {"api_key": 5}}),
            vec![(json!(["input", "secrets", "api_key"]), "SECRETS_INVALID")],
        ),
        (
            "stripe",
            json!({"params": {"api_version": "CANARY"}, "secrets": {"api_key": ["CANARY"]}}),
            vec![
                (json!(["input", "params", "api_version"]), "PARAMS_INVALID"),
                (json!(["input", "secrets", "api_key"]), "SECRETS_INVALID"),
            ],
        ),
        (
            "stripe",
            json!({"secrets": {"": 1, "a b": 1}}),
            vec![
                (json!(["input", "secrets", ""]), "SECRETS_INVALID"),
                (json!(["input", "secrets", "a b"]), "SECRETS_INVALID"),
            ],
        ),
        (
            "stripe",
            json!({"secrets": {"a".repeat(129): 1}}),
            vec![(json!(["input", "secrets", "a".repeat(129)]), "SECRETS_INVALID")],
        ),
        ("stripe", json!({"secrets": many}), vec![(json!(["input", "secrets"]), "SECRETS_INVALID")]),
        (
            "stripe",
            json!({"params": {"long": "x".repeat(70_000)}}),
            vec![(json!(["input", "params"]), "PARAMS_INVALID")],
        ),
        (
            "stripe",
            json!({"secrets": {"long": "x".repeat(70_000)}}),
            vec![(json!(["input", "secrets"]), "SECRETS_INVALID")],
        ),
    ] {
        let payload = install(&acme, name, supplied).await;
        assert_eq!((&payload["integration"], &payload["changed"]), (&Value::Null, &json!(false)));
        let told: Vec<_> = payload["userErrors"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|error| {
                let message = error["message"].as_str().expect("text");
                assert!(!message.is_empty() && !message.contains("CANARY"), "{message}");
                (error["field"].clone(), error["code"].as_str().expect("a code"))
            })
            .collect();
        assert_eq!(told, expected);
    }
    assert_eq!(installed(&acme).await, [""; 0], "nothing was stored");
}

#[tokio::test]
async fn fields_the_entry_does_not_know_are_stored() {
    let (_world, acme) = acme().await;
    let payload =
        install(&acme, "stripe", json!({"params": {"own": [1, {"a": null}]}, "secrets": {"own.secret-1": {"a": 1}}}))
            .await;
    assert_eq!(payload["integration"]["params"], json!({"own": [1, {"a": null}]}));
    assert_eq!(payload["integration"]["secretNames"], json!(["own.secret-1"]));
}

#[tokio::test]
async fn values_may_stand_in_the_document() {
    let (_world, acme) = acme().await;
    let query = "mutation($region: String) { installIntegration(input: {integration: {name: \"aws\"},
        params: {region: $region, list: [1, 2.5, true, null, {a: \"b\"}]}, secrets: {x: \"CANARY\"}}) { integration { params secretNames } } }";
    let data = acme.graphql(query, json!({"region": "eu-west-1"})).await.data();
    assert_eq!(
        data["installIntegration"]["integration"],
        json!({"params": {"region": "eu-west-1", "list": [1, 2.5, true, null, {"a": "b"}]}, "secretNames": ["x"]})
    );
}

#[tokio::test]
async fn one_failing_alias_does_not_wipe_the_others() {
    let (_world, acme) = acme().await;
    let query = "mutation($bad: JSONObject) {
        before: installIntegration(input: {integration: {name: \"stripe\"}}) { changed }
        broken: installIntegration(input: {integration: {name: \"aws\"}, params: $bad}) { changed }
        unknown: installIntegration(input: {integration: {name: \"nobody\"}}) { changed userErrors { code } }
        after: uninstallIntegration(input: {integration: {name: \"stripe\"}}) { changed }
    }";
    let answer = acme.graphql(query, json!({"bad": {"nul": "\0"}})).await;
    assert_field_failed(&answer, "broken", "BAD_USER_INPUT");
    assert_eq!(
        answer.json()["data"],
        json!({
            "before": {"changed": true}, "broken": null,
            "unknown": {"changed": false, "userErrors": [{"code": "INTEGRATION_NOT_FOUND"}]}, "after": {"changed": true},
        }),
        "in turn, as they stand"
    );
}

#[tokio::test]
async fn a_wrong_value_refuses_the_request_before_any_mutation_ran() {
    let (_world, acme) = acme().await;
    let second = |declared: &str, input: &str| {
        format!(
            "mutation{declared} {{ a: installIntegration(input: {{integration: {{name: \"stripe\"}}}}) {{ changed }}
             ...B }} fragment B on Mutation {{ b: installIntegration(input: {input}) {{ changed }} }}"
        )
    };
    for (declared, input, variables) in [
        ("", "{integration: {name: \"aws\"}, params: 5}", json!({})),
        ("", "{integration: {name: \"aws\"}, params: \"CANARY\"}", json!({})),
        ("", "{integration: {name: \"aws\"}, params: [CANARY]}", json!({})),
        ("", "{integration: {name: \"aws\"}, params: {a: CANARY}}", json!({})),
        ("", "{integration: {name: \"aws\"}, secrets: {a: [{b: CANARY}]}}", json!({})),
        ("", "{integration: {name: CANARY}}", json!({})),
        ("", "{integration: {name: \"aws\", id: \"CANARY\"}}", json!({})),
        ("", "{integration: {name: null}}", json!({})),
        ("", "{integration: {}}", json!({})),
        ("", "{integration: null}", json!({})),
        ("", "{integration: CANARY}", json!({})),
        ("", "{integration: \"CANARY\"}", json!({})),
        ("", "{integration: [{name: \"CANARY\"}]}", json!({})),
        ("", "CANARY", json!({})),
        ("", "\"CANARY\"", json!({})),
        ("", "[]", json!({})),
        ("", "{}", json!({})),
        ("", "{integration: {name: \"aws\"}, CANARY: 1}", json!({})),
        ("($input: InstallIntegrationInput!)", "$input", json!({})),
        ("($input: InstallIntegrationInput!)", "$input", json!({"input": null})),
        ("($input: InstallIntegrationInput!)", "$input", json!({"input": "CANARY"})),
        ("($input: InstallIntegrationInput!)", "$input", json!({"input": {"integration": "CANARY"}})),
        (
            "($input: InstallIntegrationInput!)",
            "$input",
            json!({"input": {"integration": {"name": "aws"}, "CANARY": 1}}),
        ),
        ("($input: InstallIntegrationInput! = {integration: {}})", "$input", json!({})),
        ("($ref: IntegrationRef!)", "{integration: $ref}", json!({})),
        ("($ref: IntegrationRef!)", "{integration: $ref}", json!({"ref": {"name": "aws", "id": "CANARY"}})),
        ("($name: String)", "{integration: {name: $name}}", json!({})),
        ("($name: String)", "{integration: {name: $name}}", json!({"name": null})),
        ("($name: String)", "{integration: {name: $name, id: \"CANARY\"}}", json!({})),
        ("($name: String!)", "{integration: {name: $name}}", json!({"name": ["CANARY"]})),
        ("($params: JSONObject)", "{integration: {name: \"aws\", id: \"CANARY\"}, params: $params}", json!({})),
        ("($params: JSONObject)", "{integration: {name: \"aws\"}, params: $params}", json!({"params": "CANARY"})),
        ("($params: JSONObject = {a: CANARY})", "{integration: {name: \"aws\"}, params: $params}", json!({})),
    ] {
        let answer = acme.graphql(&second(declared, input), variables.clone()).await;
        assert_eq!(installed(&acme).await, [""; 0], "{declared} {input} {variables}: {}", answer.text());
        let code = answer.graphql_code();
        assert!(["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code.as_str()), "{}", answer.text());
        assert_refused(&answer, 200, &code);
    }
}

#[tokio::test]
async fn optional_variables_may_be_left_out() {
    let (_world, acme) = acme().await;
    let query = "mutation($ref: IntegrationRef! = {name: \"stripe\"}, $params: JSONObject, $secrets: JSONObject = {a: \"b\"}) {
        installIntegration(input: {integration: $ref, params: $params, secrets: $secrets}) { integration { name params secretNames } } }";
    let data = acme.graphql(query, json!({})).await.data();
    assert_eq!(
        data["installIntegration"]["integration"],
        json!({"name": "stripe", "params": {}, "secretNames": ["a"]})
    );
}
