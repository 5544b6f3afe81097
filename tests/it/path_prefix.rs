//! A server behind a path of a proxy, `/`, and paths with a slash at the end.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::support::World;

const PREFIX: &str = "/tools/patchbay";
const PAGES: [&str; 3] = ["/ui", "/graphiql", "/docs/"];

#[tokio::test]
async fn requests_are_served_with_the_prefix_and_without() {
    let world = World::with(&[("server.path_prefix", PREFIX)]).await;
    let acme = world.account("acme");
    for prefix in [PREFIX, ""] {
        for path in
            ["/api/v1/integrations/stripe", "/healthz", "/readyz", "/metrics", "/ui", "/ui/stripe", "/graphiql", "/"]
        {
            let answer = acme.get(&format!("{prefix}{path}")).await;
            assert_eq!(answer.status, 200, "{prefix}{path}: {}", answer.text());
        }
        let query = json!({"query": "{ integrations(first: 1) { totalCount } }"});
        acme.post(&format!("{prefix}/graphql"), &query).await.data();
    }
    for path in ["/tools/patchbayer/healthz", "/tools/healthz", "/tools/patchbay/tools/patchbay/healthz"] {
        acme.get(path).await.assert_refused(404, "route_not_found", "No such route");
    }
    let plain = World::start().await;
    plain.account("acme").get(&format!("{PREFIX}/healthz")).await.assert_refused(
        404,
        "route_not_found",
        "No such route",
    );
}

#[tokio::test]
async fn links_pages_and_documents_start_with_the_prefix() {
    let world = World::with(&[("server.path_prefix", PREFIX)]).await;
    let acme = world.account("acme");
    let page = acme.get("/api/v1/integrations?limit=1").await;
    let link = page.header("link").expect("a link");
    assert!(link.starts_with(&format!("<{PREFIX}/api/v1/integrations?")), "{link}");
    let next = link[1..].split('>').next().expect("an address");
    acme.get(next).await.ok();
    let redirect = acme.get(&format!("{PREFIX}/docs")).await;
    assert_eq!(redirect.header("location"), Some(&*format!("{PREFIX}/docs/")));
    let redirect = acme.get(&format!("{PREFIX}/ui/stripe/")).await;
    assert_eq!(redirect.header("location"), Some(&*format!("{PREFIX}/ui/stripe")));
    let document = acme.get("/api/v1/openapi.json").await.ok();
    assert_eq!(document["servers"], json!([{"url": PREFIX}]));
    let settings = acme.get("/docs/swagger-initializer.js").await.text();
    assert!(settings.contains(&format!("{PREFIX}/api/v1/openapi.json")), "{settings}");
    for path in PAGES {
        let html = acme.get(path).await.text();
        for (name, _) in html.match_indices("src=\"/").chain(html.match_indices("href=\"/")) {
            let address = html[name..].split('"').nth(1).expect("an address");
            assert!(address.starts_with(PREFIX), "{path}: {address}");
            assert_eq!(acme.get(address).await.status, 200, "{path}: {address}");
        }
        // Left out of a build without npm.
        if html.contains("patchbay-base") {
            assert!(html.contains(&format!("name=\"patchbay-base\" content=\"{PREFIX}\"")), "{path}: {html}");
            assert!(html.contains(&format!("src=\"{PREFIX}{path}/assets/")), "{path}: {html}");
        }
    }
    let index = acme.get("/").await.ok();
    assert_eq!(index["rest"], format!("{PREFIX}/api/v1"));
}

#[tokio::test]
async fn root_redirects_browsers_to_the_gallery_and_lists_paths() {
    for (gallery, is_on) in [("true", true), ("false", false)] {
        let world = World::with(&[("server.gallery", gallery)]).await;
        let index = world.nobody().get("/").await.ok();
        assert_eq!(index["graphql"], "/graphql");
        assert_eq!(index.get("gallery").is_some(), is_on);
        let browser = world.nobody().header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").get("/").await;
        match is_on {
            true => assert_eq!((browser.status.as_u16(), browser.header("location")), (307, Some("/ui"))),
            false => assert_eq!(browser.status, 200),
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_known_path_is_redirected() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (path, location) in [
        ("/api/v1/integrations/", "/api/v1/integrations"),
        ("/api/v1/integrations/stripe/?a=b", "/api/v1/integrations/stripe?a=b"),
        ("/graphql/", "/graphql"),
        ("/graphql/ws/", "/graphql/ws"),
        ("/healthz/", "/healthz"),
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = acme.send(method, path, Body::empty()).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (308, Some(location)), "{path}");
        }
    }
    for (path, location) in [("/ui/stripe/", "/ui/stripe"), ("/ui/stripe/?a=/b/", "/ui/stripe?a=/b/")] {
        let answer = acme.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (308, Some(location)), "{path}");
    }
    for path in [
        "/nothing/",
        "//evil.example/",
        "//api/v1/",
        "//ui/stripe/",
        "/api/v1//",
        "/%5cevil.example/",
        "/healthzfoo/",
        "/healthz/foo/",
        "/graphqlfoo/",
        "/api/v1foo/",
        "/api/v1/",
        "/ui//",
        "/ui/stripe//",
        "/ui/Stripe/",
        "/ui/stripe%2F",
    ] {
        acme.get(path).await.assert_refused(404, "route_not_found", "No such route");
    }
}

#[tokio::test]
async fn plus_in_a_timestamp_gets_a_hint_at_its_encoding() {
    let world = World::start().await;
    let answer = world.account("acme").get("/api/v1/events?since=2026-11-24T12:00:00+01:00").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("%2B"), "{}", answer.text());
    world.account("acme").get("/api/v1/events?since=2026-11-24T12:00:00%2B01:00").await.ok();
}
