//! Request bodies that do not arrive.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::support::eventually;

const INSTALL: &str = "/api/v1/integrations/stripe/install";
const SLOW: (&str, &str) = ("server.anonymous_body_timeout_ms", "60000");

#[tokio::test]
async fn unfinished_bodies_take_no_permit_from_work() {
    let settings = [("server.max_concurrent_requests", "2"), ("server.body_idle_timeout_ms", "60000")];
    let (_world, served) = open(&settings).await;
    let mut unfinished = Vec::new();
    for path in [INSTALL, "/graphql", INSTALL, "/graphql"] {
        unfinished.push(begin_body(&served, path).await);
    }
    let wire = served.wire("acme").await;
    for _ in 0..5 {
        wire.get(LIST).await.ok();
        wire.post(INSTALL, &json!({})).await.ok();
    }
}

#[tokio::test]
async fn unfinished_bodies_of_anonymous_callers_leave_room_for_credentials() {
    let (world, served) = with_api_keys(&[("server.max_unfinished_bodies", "16"), SLOW]).await;
    let client = with_key(&world, &served).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(begin_body(&served, "/graphql").await);
    }
    eventually("an eighth is taken", PATIENCE, async || {
        let mut stream = begin_body(&served, "/graphql").await;
        tokio::time::timeout(Duration::from_secs(5), status(&mut stream)).await.is_ok_and(|code| code == "503")
    })
    .await;
    for _ in 0..5 {
        client.post(INSTALL, &json!({})).await.ok();
        client.graphql("{ integration(by: {name: \"stripe\"}) { name } }", json!({})).await.data();
    }
}

#[tokio::test]
async fn unfinished_bodies_are_bounded_by_bytes() {
    let settings = [("server.max_unfinished_body_bytes", "10000"), ("server.body_idle_timeout_ms", "60000")];
    let (_world, served) = open(&settings).await;
    let headers = "content-type: application/json\r\ncontent-length: 9000\r\n";
    let mut first = begin(&served, "POST", INSTALL, headers).await;
    first.write_all(&[b' '; 8_000]).await.expect("sent");
    eventually("the bytes are counted", PATIENCE, async || {
        let mut second = begin(&served, "POST", INSTALL, headers).await;
        second.write_all(&[b' '; 8_000]).await.expect("sent");
        tokio::time::timeout(Duration::from_secs(5), status(&mut second)).await.is_ok_and(|code| code == "503")
    })
    .await;
    first.write_all(&[b' '; 1_000]).await.expect("sent");
    assert_eq!(status(&mut first).await, "200");
    served.wire("acme").await.post(INSTALL, &json!({})).await.ok();
}

#[tokio::test]
async fn a_body_without_a_byte_ends_after_the_idle_timeout() {
    let (_world, served) = open(&[("server.body_idle_timeout_ms", "200")]).await;
    for path in [INSTALL, "/graphql", "/api/v1/integrations/stripe/uninstall"] {
        assert_eq!(status(&mut begin_body(&served, path).await).await, "408", "{path}");
    }
    // Each byte begins a new pause.
    let mut dripping = begin(&served, "POST", INSTALL, "content-length: 8\r\n").await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        dripping.write_all(b" ").await.expect("sent");
    }
    assert_eq!(status(&mut dripping).await, "200");
}

#[tokio::test]
async fn anonymous_bodies_have_short_limits() {
    let (world, served) = with_api_keys(&[("server.anonymous_body_timeout_ms", "300")]).await;
    let nobody = Wire::new(&served.address.to_string(), "acme");
    // Without a byte, and with one now and then.
    let mut silent = begin_body(&served, "/graphql").await;
    let mut dripping = begin_body(&served, "/graphql").await;
    let drip = async {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if dripping.write_all(b" ").await.is_err() {
                break;
            }
        }
    };
    let (code, ()) = tokio::join!(status(&mut silent), drip);
    assert_eq!((code.as_str(), status(&mut dripping).await.as_str()), ("408", "408"));
    // REST answers before the body.
    assert_eq!(status(&mut begin_body(&served, INSTALL).await).await, "401");
    let padded = |length: usize| format!("{{\"query\":\"{{__typename}}\"{}}}", " ".repeat(length));
    assert_eq!(nobody.post_text("/graphql", &padded(8_000)).await.ok()["data"]["__typename"], "Query");
    assert_eq!(nobody.post_text("/graphql", &padded(8_200)).await.status, 413);
    let client = with_key(&world, &served).await;
    assert_eq!(client.post_text("/graphql", &padded(100_000)).await.ok()["data"]["__typename"], "Query");
}
