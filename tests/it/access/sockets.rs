//! Sockets end with the credential that opened them; and nothing tells a key.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::asking::{PATH, Way, create, list, revoke};
use super::{bearer, builder, holder, key, key_until, world};
use crate::graphql::socket::{PROTOCOL, Said, Socket};
use crate::support::Process;

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

#[tokio::test]
async fn no_key_is_in_a_log_an_error_a_list_or_the_database() {
    let world = world().await;
    let (url, data) = (world.database.url(), world.folder.path().display().to_string());
    let pepper = [("PATCHBAY_AUTH_PEPPER", super::PEPPER)];
    let database = ["--data-dir", &*data, "--database-url", &url];
    let made = Process::run_with(
        &[&["api-keys", "create", "--name", "x", "--scope", "admin", "--all-accounts"][..], &database].concat(),
        &pepper,
    );
    let admin = String::from_utf8(made.stdout).expect("UTF-8").trim().to_owned();
    let serve = ["--listen", "127.0.0.1:0", "--set", "auth.mode=api_key", "--set", "log.level=trace"];
    let process = Process::serve_with(&[&serve[..], &database].concat(), &pepper);
    let client = bearer(&world, &admin, Some("acme"));
    let mut told = Vec::new();
    let mut secrets = vec![admin.clone()];
    for way in super::asking::WAYS {
        let made = create(&client, way, &json!({"name": "y", "scopes": ["admin"]})).await.expect("made");
        secrets.push(made["key"].as_str().expect("key").to_owned());
        told.push(list(&client, way, None, None).await.expect("listed").to_string());
        told.push(
            revoke(&client, way, made["api_key"]["id"].as_str().expect("id")).await.expect("revoked").to_string(),
        );
    }
    // The server of its own logs everything, right and wrong.
    let port = process.url.rsplit(':').next().expect("port").to_owned();
    for secret in secrets.iter().map(String::as_str).chain([&*admin[..65].to_owned(), &format!("{admin}0")]) {
        for path in [PATH, "/graphql", "/nowhere"] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nx-account-id: acme\r\nauthorization: Bearer {secret}\r\nconnection: close\r\n\r\n"
            );
            let stream = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("connected");
            told.push(crate::support::exchange(stream, request.as_bytes()).await.text());
        }
    }
    let (out, log) = process.stop();
    told.extend([out, log, String::from_utf8(made.stderr).expect("UTF-8"), dump(&world).await]);
    for secret in &secrets {
        for text in &told {
            assert!(!text.contains(&secret[17..60]), "a key is told: {text}");
        }
    }
    assert!(told.iter().all(|text| !text.contains(super::PEPPER)), "the pepper is told");
}

/// Every row that is about keys.
async fn dump(world: &crate::support::World) -> String {
    use sea_orm::EntityTrait;
    let db = world.connect().await;
    let keys = entity::api_key::Entity::find().all(&db).await.expect("keys");
    let checks = entity::key_check::Entity::find().all(&db).await.expect("checks");
    db.close().await.expect("closed");
    assert_eq!(keys.len(), 3);
    // Bytes as text, in case a digest were none.
    let digests: String = keys.iter().map(|key| String::from_utf8_lossy(&key.digest).into_owned()).collect();
    format!("{keys:?} {checks:?} {digests}")
}
