//! The API reference at `/docs`: inside the binary, nothing from anywhere else.

use crate::support::World;

#[tokio::test]
async fn the_reference_is_served_whole_from_the_binary() {
    let world = World::start().await;
    let page = world.nobody().get("/docs/").await;
    assert_eq!((page.status.as_u16(), page.content_type()), (200, "text/html"));
    let text = page.text();
    let assets: Vec<_> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|key| text.split(key).skip(1).filter_map(|rest| rest.split('"').next()))
        .collect();
    assert!(assets.len() >= 3, "{text}");
    for asset in assets {
        assert!(!asset.contains("//"), "from elsewhere: {asset}");
        let path = format!("/docs/{}", asset.trim_start_matches("./"));
        let answer = world.nobody().get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("http"), "{policy}");
    let script = world.nobody().get("/docs/swagger-initializer.js").await.text();
    assert!(script.contains("/api/v1/openapi.json"), "{script}");
}

#[tokio::test]
async fn the_reference_can_be_switched_off() {
    let world = World::with(&[("server.docs", "false")]).await;
    for path in ["/docs", "/docs/", "/docs/index.html"] {
        world.nobody().get(path).await.assert_refused(404, "route_not_found", "No such route");
    }
    assert_eq!(world.nobody().get("/api/v1/openapi.json").await.status, 200);
}

#[tokio::test]
async fn every_answer_carries_the_protective_headers() {
    let world = World::start().await;
    for path in ["/api/v1/integrations", "/api/v1/nothing", "/docs/", "/healthz"] {
        let answer = world.nobody().get(path).await;
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
        {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
    }
}
