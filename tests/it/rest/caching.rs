//! ETag, 304, and what a cache may do with an answer.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{INSTALL, LIST, PROBLEM, STRIPE, UNINSTALL};
use crate::support::{Answer, World};

const READS: [&str; 5] = [LIST, STRIPE, "/api/v1/mcp-connections", "/api/v1/native-tools", "/api/v1/openapi.json"];

fn assert_revalidated(answer: &Answer, at: &str) {
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"), "{at}");
    let vary = answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok());
    let vary: BTreeSet<_> = vary.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase()).collect();
    for name in ["accept", "authorization", "x-account-id"] {
        assert!(vary.contains(name), "{at}: {vary:?}");
    }
}

#[tokio::test]
async fn every_read_has_a_tag_and_is_not_sent_again_to_who_has_it() {
    let world = World::start().await;
    let acme = world.account("acme");
    for path in READS {
        let first = acme.get(path).await;
        first.ok();
        assert_revalidated(&first, path);
        let tag = first.header("etag").expect("a tag").to_owned();
        assert_eq!(acme.get(path).await.header("etag"), Some(&*tag), "{path}");
        let strong = tag.trim_start_matches("W/");
        for given in [
            tag.clone(),
            strong.to_owned(),
            "*".to_owned(),
            format!("\"x\", {tag}"),
            format!("{strong},\"y\""),
            format!("W/\"a\" , W/\"b\",{tag} , \"c\""),
            " * ".to_owned(),
        ] {
            let again = acme.clone().header("if-none-match", &given).get(path).await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}: {given}");
            assert_eq!((again.header("etag"), again.header("content-type")), (Some(&*tag), None), "{path}");
            assert_revalidated(&again, path);
        }
        let in_two = acme.clone().header("if-none-match", "\"x\"").header("if-none-match", &tag);
        assert_eq!(in_two.get(path).await.status, 304, "{path}");
        let bare = strong.trim_matches('"').to_owned();
        for other in ["\"x\"".to_owned(), "W/\"x\"".to_owned(), String::new(), bare, format!("\"{tag}\"")] {
            let again = acme.clone().header("if-none-match", &other).get(path).await;
            assert_eq!((again.status.as_u16(), &again.body), (200, &first.body), "{path}: {other}");
        }
    }
}

#[tokio::test]
async fn a_tag_changes_with_what_is_answered_and_with_nothing_else() {
    let world = World::start().await;
    let acme = world.account("acme");
    let tag = async |path: &str| acme.get(path).await.header("etag").expect("a tag").to_owned();
    let queries =
        ["", "?include=schemas", "?category=payments", "?search=stripe", "?limit=1", "?limit=2", "?status=installed"];
    let mut tags = BTreeSet::new();
    for query in queries {
        assert!(tags.insert(tag(&format!("{LIST}{query}")).await), "{query}");
    }
    let (list, stripe, slack) = (tag(LIST).await, tag(STRIPE).await, tag("/api/v1/integrations/slack").await);
    acme.post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
    assert_ne!(tag(LIST).await, list);
    assert_ne!(tag(STRIPE).await, stripe);
    assert_eq!(tag("/api/v1/integrations/slack").await, slack);
    let installed = tag(STRIPE).await;
    let holder = acme.clone().header("if-none-match", &installed);
    assert_eq!(holder.get(STRIPE).await.status, 304);
    acme.post(UNINSTALL, &json!({})).await.ok();
    assert_eq!(holder.get(STRIPE).await.ok()["status"], "available");
}

#[tokio::test]
async fn a_tag_of_one_account_is_none_of_another_with_other_data() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"params": {"a": 1}})).await.ok();
    for path in [LIST, STRIPE] {
        let tag = acme.get(path).await.header("etag").expect("a tag").to_owned();
        let theirs = world.account("globex").header("if-none-match", &tag).get(path).await;
        assert_eq!(theirs.status, 200, "{path}");
        assert_ne!(theirs.header("etag"), Some(&*tag), "{path}");
    }
}

#[tokio::test]
async fn a_tag_neither_hides_an_error_nor_stops_a_write() {
    let world = World::start().await;
    let anything = world.account("acme").header("if-none-match", "*");
    let absent = anything.get("/api/v1/integrations/nobody_has_this").await;
    absent.assert_refused(404, "integration_not_found", "Integration not found");
    assert_eq!(anything.post(INSTALL, &json!({})).await.ok()["changed"], true);
    let nobody = world.nobody().header("if-none-match", "*").get(LIST).await;
    assert_eq!(nobody.status, 400);
}

#[tokio::test]
async fn no_cache_mixes_errors_and_changes_of_accounts() {
    let world = World::start().await;
    for accept in ["*/*", PROBLEM] {
        let acme = world.account("acme").header("accept", accept);
        for path in ["/api/v1/integrations/nobody_has_this", "/api/v1/nothing", "/api/v1/integrations?limit=0"] {
            let answer = acme.get(path).await;
            assert_revalidated(&answer, path);
            assert_eq!(answer.header("etag"), None, "{path}");
        }
        for path in [INSTALL, UNINSTALL] {
            assert_revalidated(&acme.post(path, &json!({})).await, path);
        }
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let world = World::start().await;
    let acme = world.account("acme");
    for path in READS {
        let head = acme.send(Method::HEAD, path, Body::empty()).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("etag"), acme.get(path).await.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_compressed_answer_has_the_same_tag() {
    let world = World::start().await;
    let plain = world.account("acme").get(LIST).await;
    let zipped = world.account("acme").header("accept-encoding", "gzip").get(LIST).await;
    assert_eq!((zipped.header("content-encoding"), zipped.header("etag")), (Some("gzip"), plain.header("etag")));
    assert!(zipped.body.len() < plain.body.len() / 2);
    assert_revalidated(&zipped, LIST);
}
