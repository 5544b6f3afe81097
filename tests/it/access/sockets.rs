//! Sockets end with the credential that opened them.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::asking::{Way, revoke};
use super::{builder, holder, key, key_until, world};
use crate::graphql::socket::{PROTOCOL, Said, Socket};

/// The most that may pass between the end of a credential and that of its socket.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_socket_is_closed_within_a_second_of_its_keys_revocation_through_any_replica() {
    let world = world().await;
    let replica = builder().beside(&world).await;
    let (here, there) = (world.serve().await, replica.serve().await);
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let made = key(&world, &["installations:read"], &["acme"]).await;
    let authorization = format!("Bearer {}", made.secret.expose());
    let mut sockets = Vec::new();
    for served in [&here, &there] {
        let mut by_header =
            Socket::open(served, &[PROTOCOL, ("authorization", &authorization)]).await.expect("upgraded");
        by_header.init(json!({})).await;
        let mut by_message = Socket::open(served, &[PROTOCOL]).await.expect("upgraded");
        by_message.init(json!({"Authorization": authorization})).await;
        by_message.follow().await;
        sockets.extend([by_header, by_message]);
    }
    let bystander = key(&world, &["installations:read"], &["acme"]).await;
    let mut other = Socket::open(&here, &[PROTOCOL]).await.expect("upgraded");
    other.init(json!({"Authorization": format!("Bearer {}", bystander.secret.expose())})).await;
    revoke(&admin, Way::Rest, &made.key.public_id).await.expect("revoked");
    let revoked = Instant::now();
    for socket in &mut sockets {
        loop {
            match socket.next().await {
                Said::Closed(code, reason) => {
                    assert_eq!((code, &*reason), (4403, "Revoked credentials"));
                    break;
                }
                // Its subscription may be ended first.
                Said::Json(said) => assert_ne!(said["type"], "next", "{said}"),
            }
        }
        assert!(revoked.elapsed() < SOON, "{:?}", revoked.elapsed());
    }
    assert_eq!(other.answer("{ integration(by: {name: \"stripe\"}) { name } }").await["errors"], json!(null));
}

#[tokio::test]
async fn a_socket_is_closed_within_a_second_of_its_keys_end() {
    let world = world().await;
    let served = world.serve().await;
    let end = Utc::now() + TimeDelta::milliseconds(1_500);
    let made = key_until(&world, &["installations:read"], &["acme"], Some(end)).await;
    let mut socket = Socket::open(&served, &[PROTOCOL]).await.expect("upgraded");
    socket.init(json!({"Authorization": format!("Bearer {}", made.secret.expose())})).await;
    assert_eq!(socket.closed().await, (4403, "Expired credentials".to_owned()));
    let late = Utc::now() - end;
    assert!(late >= TimeDelta::zero() && late < TimeDelta::seconds(1), "{late}");
}

#[tokio::test]
async fn a_socket_is_not_opened_with_what_proves_nothing() {
    let world = world().await;
    let served = world.serve().await;
    let mut socket = Socket::open(&served, &[PROTOCOL]).await.expect("upgraded");
    socket.send(&json!({"type": "connection_init", "payload": {"Authorization": "Bearer pb_live_x"}})).await;
    assert_eq!(socket.closed().await, (4401, "Invalid credentials".to_owned()));
    let refused = Socket::open(&served, &[PROTOCOL, ("authorization", "Bearer pb_live_x")]).await.err();
    assert_eq!(refused.expect("refused").status, 401);
}
