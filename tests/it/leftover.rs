//! Clients that are still sending when they are refused.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending_and_its_connection_lives_on() {
    let world = World::start().await;
    let served = world.serve().await;
    for (account, path, size, status) in [
        ("acme", "/api/v1/integrations/stripe/install", 4_000_000, "413"),
        ("Not An Account", "/api/v1/integrations/stripe/install", 200_000, "400"),
        ("acme", "/api/v1/nothing_of_the_kind", 200_000, "404"),
        ("acme", "/api/v1/native-tools", 200_000, "405"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-account-id: {account}\r\ncontent-type: application/json\r\n\
             content-length: {size}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..size / 1_000 {
            stream.write_all(&[b' '; 1_000]).await.unwrap();
        }
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert!(answers.starts_with(&format!("HTTP/1.1 {status}")), "{answers}");
        assert!(answers.contains("HTTP/1.1 200"), "{answers}");
    }
}
