//! Asking a running server whether it is ready.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::print::print;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Succeeds when `/readyz` of the server answers 200.
pub(super) async fn check(listen: SocketAddr) -> Result<(), String> {
    let address = reachable(listen);
    let answer = tokio::time::timeout(TIMEOUT, ask(address)).await;
    let answer = answer.map_err(|_| format!("{address} did not answer within {} s", TIMEOUT.as_secs()))?;
    let answer = answer.map_err(|e| format!("{address}: {e}. Is the server running there?"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        print(&format!("ready: {body}\n"))
    } else {
        Err(format!("{address} is not ready: {body}"))
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A server that listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}
