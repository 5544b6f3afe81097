//! `{id}` is a hyphenated UUID in any case, or a name; whatever else it is, nobody has it.

use axum::body::Body;
use axum::http::Method;

use super::rows::Rows;
use crate::support::{Answer, World};

/// Every way to name an integration in a path.
async fn ask(world: &World, id: &str) -> [Answer; 3] {
    let acme = world.account("acme");
    let path = format!("/api/v1/integrations/{id}");
    [
        acme.get(&path).await,
        acme.send(Method::POST, &format!("{path}/install"), Body::empty()).await,
        acme.send(Method::POST, &format!("{path}/uninstall"), Body::empty()).await,
    ]
}

#[tokio::test]
async fn a_uuid_in_any_case_and_the_name_are_the_same_integration() {
    let world = World::start().await;
    let id = "c5c44806-6981-5408-a812-edbd36c0eef2";
    for reference in [id, &id.to_uppercase(), "C5c44806-6981-5408-A812-edbd36c0eef2", "stripe", "str%69pe"] {
        let [shown, installed, uninstalled] = ask(&world, reference).await;
        assert_eq!(shown.ok()["id"], id, "{reference}");
        assert_eq!(installed.ok()["integration"]["name"], "stripe", "{reference}");
        assert_eq!(uninstalled.ok()["changed"], true, "{reference}");
    }
}

#[tokio::test]
async fn everything_else_is_a_name_that_nobody_has() {
    let world = World::start().await;
    let long = "x".repeat(8_000);
    for id in [
        "c5c4480669815408a812edbd36c0eef2",
        "%7Bc5c44806-6981-5408-a812-edbd36c0eef2%7D",
        "urn:uuid:c5c44806-6981-5408-a812-edbd36c0eef2",
        "c5c44806-6981-5408-a812-edbd36c0eef3",
        "00000000-0000-0000-0000-000000000000",
        "c5c44806-6981-5408-a812-edbd36c0eefg",
        "Stripe",
        "STRIPE",
        "stripe%20",
        "%20stripe",
        "stripe%00",
        "%FF",
        "%F0%9F%92%B3",
        "stripe%2Finstall",
        "stripe'%20OR%201=1--",
        "%25",
        "_",
        "nobody_has_this",
        &long,
    ] {
        for answer in ask(&world, id).await {
            assert_eq!(answer.status, 404, "{id}");
            answer.assert_refused(404, "integration_not_found", "Integration not found");
        }
    }
    assert!(Rows::read(&world.connect().await).await.is_empty());
}
