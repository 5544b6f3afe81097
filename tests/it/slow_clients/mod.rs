//! Clients that send slowly, read slowly or stay for ever: they hold no permit that work needs, and they are ended.

mod bodies;
mod http2;
mod peers;
mod probes;
mod readers;
mod sockets;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PEPPER, Served, Wire, World, make_key};

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(20);
const LIST: &str = "/api/v1/integrations";
/// More than all buffers between server and client hold.
const LARGE_PAGE: &str = "/docs/swagger-ui-bundle.js";

/// A server that asks for API keys, with these settings beside.
async fn with_api_keys(settings: &[(&str, &str)]) -> (World, Served) {
    let mode = [("auth.mode", "api_key"), ("auth.pepper", PEPPER), ("limits.rate", "false")];
    let world = World::builder().set(&mode).set(settings).start().await;
    let served = world.serve().await;
    (world, served)
}

/// A server in mode `open` with these settings.
async fn open(settings: &[(&str, &str)]) -> (World, Served) {
    let world = World::builder().set(&[("auth.mode", "open")]).set(settings).start().await;
    let served = world.serve().await;
    (world, served)
}

/// A client with a key of acme.
async fn with_key(world: &World, served: &Served) -> Wire {
    let key = make_key(&world.app, &["admin"], &["acme"], None).await;
    let wire = Wire::new(&served.address.to_string(), "acme");
    wire.header("authorization", &format!("Bearer {}", key.secret.expose()))
}

/// Sends a head and no more.
async fn begin(served: &Served, method: &str, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-account-id: acme\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

/// Sends a head whose body never comes.
async fn begin_body(served: &Served, path: &str) -> TcpStream {
    begin(served, "POST", path, "content-type: application/json\r\ncontent-length: 100\r\n").await
}

/// The status that comes next.
async fn status(stream: &mut TcpStream) -> String {
    let mut head = [0; 512];
    let reading = async {
        let read = stream.read(&mut head).await.expect("read");
        String::from_utf8_lossy(&head[..read]).into_owned()
    };
    let head = tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time");
    head.get(9..12).unwrap_or_default().to_owned()
}

/// Reads until the connection ends, by whichever side.
async fn read_to_end(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end in time");
    bytes.len()
}
