//! Requests over a real connection, byte for byte.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Answer;

/// Acts for one account on a server at an address, with a connection per request.
#[derive(Clone)]
pub struct Wire {
    address: String,
    account: String,
    /// Further lines of every head.
    headers: String,
}

impl Wire {
    /// `server` is `http://ADDRESS:PORT`, or without the scheme.
    pub fn new(server: &str, account: &str) -> Self {
        Self {
            address: server.trim_start_matches("http://").to_owned(),
            account: account.to_owned(),
            headers: String::new(),
        }
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nx-account-id: {}\r\n", self.account), "").await
    }

    /// Posts text as JSON, which it may not be.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nx-account-id: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.account,
            body.len()
        );
        self.send(&head, body).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.post("/graphql", &json!({"query": query, "variables": variables})).await
    }

    /// Sends a head without its last lines, and a body.
    pub async fn send(&self, head: &str, body: &str) -> Answer {
        let stream = TcpStream::connect(&self.address).await.expect("connected");
        exchange(stream, format!("{head}{}host: localhost\r\nconnection: close\r\n\r\n{body}", self.headers).as_bytes())
            .await
    }
}

/// Sends bytes and reads the one answer until the server closes.
pub async fn exchange(mut stream: TcpStream, request: &[u8]) -> Answer {
    // A server that refuses early may close before everything is written; what it said is still there to read.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    answer(&bytes)
}

fn answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).expect("ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
        headers.append(name, HeaderValue::from_str(value).expect("value"));
    }
    let status = status.and_then(|code: u16| StatusCode::from_u16(code).ok()).expect("status");
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}
