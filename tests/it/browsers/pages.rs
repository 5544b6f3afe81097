//! The gallery, GraphiQL, the API reference and introspection: there for whoever develops, and off where they are not wanted.

use std::io::Read;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::EVERYWHERE;
use crate::graphql::assert_refused;
use crate::support::{Process, World};

const PAGES: [&str; 8] =
    ["/ui", "/ui/", "/ui/stripe", "/graphiql", "/graphiql/", "/docs", "/docs/", "/docs/swagger-ui-bundle.js"];

#[tokio::test]
async fn pages_are_there_on_loopback_and_nowhere_else_unless_asked_for() {
    let on = [("server.docs", "true"), ("server.gallery", "true"), ("graphql.graphiql", "true")];
    let off = [("server.docs", "false"), ("server.gallery", "false"), ("graphql.graphiql", "false")];
    for (settings, are_there) in
        [(vec![], true), (off.to_vec(), false), (EVERYWHERE.to_vec(), false), ([&EVERYWHERE[..], &on].concat(), true)]
    {
        let world = World::with(&settings).await;
        for path in PAGES {
            let answer = world.nobody().get(path).await;
            if are_there {
                assert!(answer.status.is_success() || answer.status.is_redirection(), "{path}: {}", answer.status);
            } else {
                answer.assert_refused(404, "route_not_found", "No such route");
            }
        }
        assert_eq!(world.nobody().get("/api/v1/openapi.json").await.status, 200, "the document is no page");
    }
}

#[tokio::test]
async fn static_files_have_a_tag_and_the_same_content_in_every_coding() {
    let world = World::start().await;
    let (plain, gzip) = (world.nobody(), world.nobody().header("accept-encoding", "gzip, br"));
    for path in ["/ui", "/docs/", "/docs/swagger-ui-bundle.js", "/docs/swagger-initializer.js", "/api/v1/openapi.json"]
    {
        let whole = plain.get(path).await;
        let tag = whole.header("etag").unwrap_or_else(|| panic!("{path} has no tag")).to_owned();
        assert_eq!(whole.header("content-encoding"), None, "{path}");
        for _ in 0..2 {
            let small = gzip.get(path).await;
            assert_eq!((small.header("content-encoding"), small.header("etag")), (Some("gzip"), Some(&*tag)), "{path}");
            assert!(small.header("vary").is_some_and(|vary| vary.contains("accept-encoding")), "{path}");
            let mut content = Vec::new();
            flate2::read::GzDecoder::new(&*small.body).read_to_end(&mut content).expect("gzip");
            assert_eq!(content, whole.body, "{path}");
        }
        for client in [&plain, &gzip] {
            let head = client.send(Method::HEAD, path, Body::empty()).await;
            let length = client.get(path).await.body.len().to_string();
            assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
            assert_eq!((head.header("etag"), head.header("content-length")), (Some(&*tag), Some(&*length)), "{path}");
            let again = client.clone().header("if-none-match", &tag).get(path).await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}");
            assert_eq!(again.header("content-security-policy"), whole.header("content-security-policy"), "{path}");
        }
    }
}

#[tokio::test]
async fn the_gallery_answers_at_every_address_that_an_entry_can_have_and_at_no_other() {
    let world = World::start().await;
    let list = world.nobody().get("/ui").await;
    assert!(list.text().contains("gallery"), "{}", list.text());
    for path in ["/ui/", "/ui/stripe", "/ui/no_such_entry", "/ui?search=stripe&status=installed"] {
        let answer = world.nobody().get(path).await;
        assert_eq!((answer.status, answer.text()), (list.status, list.text()), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    }
    for path in ["/ui/Stripe", "/ui/stripe/x", "/ui/ui.html", "/ui/assets/none.js", "/ui/..%2fui.html", "/ui/%00"] {
        world.nobody().get(path).await.assert_refused(404, "route_not_found", "No such route");
    }
}

#[test]
fn only_pages_that_are_served_are_told_at_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data").display().to_string();
    let arguments = ["--data-dir", &data, "--listen", "0.0.0.0:0", "--insecure-trust-account-header"];
    let (stdout, _) = Process::serve_with(&arguments, &[]).stop();
    assert!(!stdout.contains("/ui") && !stdout.contains("/graphiql") && !stdout.contains("/docs"), "{stdout}");
    assert!(stdout.contains("/graphql\n") && stdout.contains("/api/v1\n"), "{stdout}");
    let (stdout, _) = Process::serve(&["--data-dir", &data, "--set", "server.docs=false"]).stop();
    assert!(stdout.contains("/ui\n") && stdout.contains("/graphiql\n") && !stdout.contains("/docs"), "{stdout}");
}

#[tokio::test]
async fn introspection_can_be_switched_off_and_then_no_name_is_suggested() {
    for (setting, is_on) in [("true", true), ("false", false)] {
        let world = World::with(&[("graphql.introspection", setting)]).await;
        let acme = world.account("acme");
        for query in [
            "{ __schema { queryType { name } } }",
            "{ __type(name: \"Query\") { name } }",
            "{ a: __typename ... on Query { b: __schema { types { name } } } }",
            "{ ...A } fragment A on Query { __type(name: \"Query\") { name } }",
            "query A { __typename } query B { __schema { queryType { name } } }",
        ] {
            let operation = query.contains("query A").then_some("A");
            let answer = acme.post("/graphql", &json!({"query": query, "operationName": operation})).await;
            if is_on {
                answer.data();
                continue;
            }
            assert_refused(&answer, 200, "GRAPHQL_VALIDATION_FAILED");
            let sentence = "The schema cannot be asked for here: graphql.introspection is off";
            assert_eq!(answer.json()["errors"][0]["message"], sentence, "{query}");
        }
        assert_eq!(acme.graphql("{ __typename }", json!({})).await.data(), json!({"__typename": "Query"}));
        let misspelt = acme.graphql("{ integration(by: {name: \"stripe\"}) { nam statu } }", json!({})).await;
        assert_eq!(misspelt.text().contains("Did you mean"), is_on, "{}", misspelt.text());
    }
}
