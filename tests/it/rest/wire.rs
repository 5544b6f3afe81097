//! Bytes on a real socket, below what an HTTP library would let us say.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Wire {
    stream: TcpStream,
    /// Read already, but part of a later answer.
    ahead: Vec<u8>,
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("connected"), ahead: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// Sends what the other side may have stopped reading.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next answer: its head, and its body by `Content-Length`.
    pub async fn answer(&mut self) -> (String, String) {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer in time")
    }

    /// The next answer, or `None` when there is none within this time.
    pub async fn answer_within(&mut self, limit: Duration) -> Option<(String, String)> {
        timeout(limit, self.read_answer()).await.ok()
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.ahead);
        // A reset is an end like any other here.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await.expect("closed in time");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn read_answer(&mut self) -> (String, String) {
        let head = loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.take(end + 4);
            }
            self.read_more().await;
        };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        while self.ahead.len() < length {
            self.read_more().await;
        }
        (head, self.take(length))
    }

    async fn read_more(&mut self) {
        let mut chunk = [0; 4_096];
        let read = self.stream.read(&mut chunk).await.expect("read");
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.ahead));
        self.ahead.extend_from_slice(&chunk[..read]);
    }

    fn take(&mut self, length: usize) -> String {
        String::from_utf8(self.ahead.drain(..length).collect()).expect("UTF-8")
    }
}
