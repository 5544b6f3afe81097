//! Nothing tells a key but the answer that made it.

use sea_orm::EntityTrait;
use serde_json::json;
use tokio::net::TcpStream;

use super::asking::{PATH, WAYS, create, list, revoke};
use super::{bearer, world};
use crate::support::{Process, World, exchange};

#[tokio::test]
async fn no_key_is_in_a_log_an_error_a_list_or_the_database() {
    let world = world().await;
    let (url, data) = (world.database.url(), world.folder.path().display().to_string());
    let pepper = [("PATCHBAY_AUTH_PEPPER", super::PEPPER)];
    let ring = format!("keys.keyring_file={data}/keyring.json");
    let database = ["--data-dir", &*data, "--database-url", &url, "--set", &ring];
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
    for way in WAYS {
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
            let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("connected");
            told.push(exchange(stream, request.as_bytes()).await.text());
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
async fn dump(world: &World) -> String {
    let db = world.connect().await;
    let keys = entity::api_key::Entity::find().all(&db).await.expect("keys");
    let checks = entity::key_check::Entity::find().all(&db).await.expect("checks");
    db.close().await.expect("closed");
    assert_eq!(keys.len(), 3);
    // Bytes as text, in case a digest were none.
    let digests: String = keys.iter().map(|key| String::from_utf8_lossy(&key.digest).into_owned()).collect();
    format!("{keys:?} {checks:?} {digests}")
}
