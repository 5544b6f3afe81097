//! Input meant to do harm: a clear 4xx or a GraphQL error, never a panic or a 5xx.

use serde_json::{Value, json};

use super::{INSTALL, acme, assert_field_failed, assert_refused, errors};
use crate::support::{Answer, Client};

/// Within the largest body.
const DEEP: usize = 100_000;
/// Within the largest document.
const DEEP_DOCUMENT: usize = 60_000;

async fn poison(client: &Client, query: &str) -> Answer {
    let answer = client.graphql(query, json!({})).await;
    assert!(!answer.status.is_server_error(), "{}", answer.text());
    assert!(!errors(&answer).is_empty(), "not refused: {:.80}", query);
    super::assert_quotes_nothing(&answer);
    answer
}

#[tokio::test]
async fn documents_nested_without_end_are_refused() {
    let (_world, acme) = acme().await;
    for open in [
        "{", "{a", "[", "(", "{a(b:", "{a:", "...{", "...on A{", "@a(b:[", "!", "$", ":", "-", "\"", "#", "\\", "&",
        "|", "=",
    ] {
        let open = open.repeat(DEEP_DOCUMENT / open.len());
        for start in ["", "{ a(x: ", "{ a(x: [", "query($x: ", "query($x: [Int] = ", "{ a @b(c: "] {
            poison(&acme, &format!("{start}{open}")).await;
        }
    }
}

#[tokio::test]
async fn brackets_cannot_be_hidden_behind_strings_or_comments() {
    let (_world, acme) = acme().await;
    let open = "[".repeat(DEEP_DOCUMENT);
    let objects = "{a:".repeat(DEEP_DOCUMENT / 3);
    for hide in [
        "\"\"",
        "\"\\\"\"",
        "\"\\\\\"",
        "\"\"\"\"\"\"",
        "\"\"\" \\\"\"\" \"\"\"",
        "\"\"\"\\\"\"\"\"\"\"",
        "\"\"\"\\\\\"\"\"",
        "\"\"\"\"\"",
        "\"\"\"a\" ",
        "\"\" \"\"\" \\\"\"\" \"\"\" ",
        "# \"\"\"\n",
        "# \"\r",
        "#\"\"\"\r\n",
        "\"#\" ",
        "\"\"\"#\"\"\" ",
        "\u{feff}",
    ] {
        for brackets in [&open, &objects] {
            poison(&acme, &format!("{{ a(x: [{hide} {brackets}")).await;
            poison(&acme, &format!("{{ a(x: [{hide}{brackets}")).await;
        }
        let is_whole = poison(&acme, &format!("{{ a(x: [{hide} 1]) }}")).await.graphql_code() != "GRAPHQL_PARSE_FAILED";
        // Too few to stop the parser, and whole, so that everything after it recurses as well.
        for levels in [250, 1_000, 3_000, 10_000] {
            let hidden = format!("{{ a(x: [{hide} {}{}]) }}", "[".repeat(levels), "]".repeat(levels));
            let code = poison(&acme, &hidden).await.graphql_code();
            assert!(code == "QUERY_TOO_COMPLEX" || !is_whole, "{hide} {levels}: {code}");
        }
    }
}

#[tokio::test]
async fn json_nested_without_end_is_refused() {
    let (_world, acme) = acme().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let times = DEEP.min(250_000 / (open.len() + close.len()));
        for value in [
            format!("{}1{}", open.repeat(times), close.repeat(times)),
            open.repeat(times),
            format!("{}1{}", open.repeat(130), close.repeat(130)),
        ] {
            for body in [
                value.clone(),
                format!("{{\"query\": {value}}}"),
                format!("{{\"query\": \"{{ __typename }}\", \"variables\": {{\"v\": {value}}}}}"),
                format!("{{\"query\": \"{{ __typename }}\", \"extensions\": {{\"v\": {value}}}}}"),
            ] {
                assert_refused(&acme.post_text("/graphql", body).await, 400, "BAD_USER_INPUT");
            }
        }
    }
}

#[tokio::test]
async fn supplied_json_nests_at_most_64_levels() {
    let (_world, acme) = acme().await;
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    for part in ["params", "secrets"] {
        let input = |levels| json!({"input": {"integration": {"name": "stripe"}, part: nested(levels)}});
        let fits = acme.graphql(INSTALL, input(64)).await.data();
        assert_eq!(fits["installIntegration"]["changed"], true, "{part}");
        assert_field_failed(&acme.graphql(INSTALL, input(66)).await, "installIntegration", "BAD_USER_INPUT");
        let literal = format!("{}1{}", "{a: ".repeat(66), "}".repeat(66));
        let query = format!(
            "mutation {{ installIntegration(input: {{integration: {{name: \"stripe\"}}, {part}: {literal}}}) {{ changed }} }}"
        );
        assert_field_failed(&acme.graphql(&query, json!({})).await, "installIntegration", "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn lone_surrogates_are_refused() {
    let (_world, acme) = acme().await;
    for text in ["\\uD800", "\\uDFFF", "\\uD800x", "\\uDC00\\uD800", "\\uD83D\\u0041"] {
        let query = format!("{{ integration(by: {{name: \"CANARY{text}\"}}) {{ id }} }}");
        assert_refused(&acme.graphql(&query, json!({})).await, 200, "GRAPHQL_PARSE_FAILED");
        let body = format!(
            "{{\"query\": \"query($v: String!) {{ integration(by: {{name: $v}}) {{ id }} }}\", \"variables\": {{\"v\": \"CANARY{text}\"}}}}"
        );
        assert_refused(&acme.post_text("/graphql", body).await, 400, "BAD_USER_INPUT");
        let key = format!("{{\"query\": \"{{ __typename }}\", \"variables\": {{\"CANARY{text}\": 1}}}}");
        assert_refused(&acme.post_text("/graphql", key).await, 400, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn numbers_out_of_range_are_refused() {
    let (_world, acme) = acme().await;
    let long = "9".repeat(400);
    for number in ["1e400", "-1e400", "1e99999999999999999999", long.as_str()] {
        for query in [
            format!("{{ integrations(first: {number}) {{ totalCount }} }}"),
            format!(
                "mutation {{ installIntegration(input: {{integration: {{name: \"stripe\"}}, params: {{n: {number}}}}}) {{ changed }} }}"
            ),
        ] {
            // An integer is refused for its range, with its position; a float that no double holds does not parse.
            let code = if number == long { "BAD_USER_INPUT" } else { "GRAPHQL_PARSE_FAILED" };
            assert_eq!(poison(&acme, &query).await.graphql_code(), code, "{number:.20}");
        }
        let body = format!(
            "{{\"query\": \"query($v: Int) {{ integrations(first: $v) {{ totalCount }} }}\", \"variables\": {{\"v\": {number}}}}}"
        );
        assert_refused(&acme.post_text("/graphql", body).await, 400, "BAD_USER_INPUT");
    }
    for number in [
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1e2",
        "1.5",
        "1.0",
    ] {
        let answer = poison(&acme, &format!("{{ integrations(first: {number}) {{ totalCount }} }}")).await;
        assert_eq!(answer.graphql_code(), "BAD_USER_INPUT", "{number}");
        let body = format!(
            "{{\"query\": \"query($v: Int) {{ integrations(first: $v) {{ totalCount }} }}\", \"variables\": {{\"v\": {number}}}}}"
        );
        assert_eq!(acme.post_text("/graphql", body).await.graphql_code(), "BAD_USER_INPUT", "{number}");
    }
}

#[tokio::test]
async fn nul_is_refused_in_params_and_kept_in_secrets() {
    let (_world, acme) = acme().await;
    let input = |part: &str, value: Value| json!({"input": {"integration": {"name": "stripe"}, part: value}});
    for params in [json!({"a": "\0"}), json!({"a\0b": 1}), json!({"a": [{"b": "x\0CANARY"}]})] {
        let answer = acme.graphql(INSTALL, input("params", params)).await;
        assert_field_failed(&answer, "installIntegration", "BAD_USER_INPUT");
        super::assert_quotes_nothing(&answer);
    }
    let kept =
        acme.graphql(INSTALL, input("secrets", json!({"other": "sk_CANARY\0", "deep": [{"a\0": "\0"}]}))).await.data();
    assert_eq!(kept["installIntegration"]["integration"]["secretNames"], json!(["deep", "other"]));
    let named = acme.graphql(INSTALL, input("secrets", json!({"a\0": 1}))).await.data();
    assert_eq!(named["installIntegration"]["userErrors"][0]["code"], "SECRETS_INVALID");
}

#[tokio::test]
async fn the_last_of_duplicate_keys_wins() {
    let (_world, acme) = acme().await;
    let query = "query($v: String!) { integration(by: {name: $v}) { name } }";
    let body =
        format!("{{\"query\": 1, \"query\": \"{query}\", \"variables\": {{\"v\": \"aws\", \"v\": \"stripe\"}}}}");
    assert_eq!(acme.post_text("/graphql", body).await.data(), json!({"integration": {"name": "stripe"}}));
}

#[tokio::test]
async fn odd_documents_are_refused_politely() {
    let (_world, acme) = acme().await;
    for query in [
        "\0",
        "\u{feff}",
        "#",
        "{}",
        "{ }",
        "query",
        "query {}",
        "{ integrations() { totalCount } }",
        "{ __typename",
        "} {",
        "{ a(b: \"\u{202e}CANARY\") ",
        "type Query { a: Int }",
        "extend type Query { a: Int }",
        "fragment on on Query { __typename }",
        "{ ...on }",
        "{ a(b: 01) }",
        "{ a(b: 1x) }",
        "{ a(b: \"\\x\") }",
        "{ a(b: \"\n\") }",
        "é",
        "{ é }",
    ] {
        poison(&acme, query).await;
    }
}
