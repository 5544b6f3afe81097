//! Accepting connections, on a thread of its own that also answers probes.
//!
//! Requests may keep every worker thread of the main runtime busy. A connection whose first request is a probe therefore
//! stays on this thread, for that one request; every other connection moves to the main runtime.

use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::Server;
use super::connection::{Client, Lifetime, serve_connection};
use super::layers::PROBES;
use super::peers::{PeerConnection, Peers};
use crate::config::ServerSection;
use crate::edge::Peer;

/// A pause after a failed accept, such as with no file descriptor free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long probes may go on when the server stops.
const PROBE_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of a request that suffice to recognize a probe.
const PEEKED_BYTES: usize = 32;

/// What every connection is served with. Cheap to clone.
#[derive(Clone)]
struct Shared {
    server: Server,
    router: Router,
    settings: Arc<ServerSection>,
    workers: Handle,
}

/// A connection that was accepted, and what it holds.
struct Accepted {
    stream: StdStream,
    peer: SocketAddr,
    /// `None` for a peer without limits.
    counted: Option<PeerConnection>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Accepts connections until the server stops, and those that wait then; each is served by a task that
/// [`Server::drained`] waits for.
///
/// # Errors
/// When the thread cannot be started.
pub async fn serve(server: Server, listener: TcpListener, router: Router, settings: &ServerSection) -> io::Result<()> {
    // Also when the caller drops this future.
    let _stop = server.stopping.clone().drop_guard();
    let settings = Arc::new(settings.clone());
    let listener = listener.into_std()?;
    let shared = Shared { server, router, settings, workers: Handle::current() };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = oneshot::channel();
    let accepting = move || {
        let outcome = runtime.block_on(accept(shared, listener));
        let _ = ended.send(outcome);
    };
    thread::Builder::new().name("accept".to_owned()).spawn(accepting)?;
    end.await.unwrap_or(Ok(()))
}

async fn accept(shared: Shared, listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let Shared { server, settings, .. } = &shared;
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let peers = Peers::new(settings.peers.clone());
    let first_requests = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            () = server.stopping.cancelled() => break,
            permit = permits.clone().acquire_owned() => permit.ok(),
        };
        let (stream, peer) = tokio::select! {
            () = server.stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Ok(counted) = peers.connect(peer.ip()) else {
            tracing::debug!("a peer has too many connections");
            continue;
        };
        first_requests.spawn(shared.clone().route(stream, peer, counted, permit));
    }
    for (stream, peer) in waiting(listener) {
        shared.serve_on_workers(Accepted { stream, peer, counted: None, permit: None });
    }
    first_requests.close();
    // Out of time: a probe that is not read by now is none.
    let _ = timeout(PROBE_DRAIN_TIMEOUT, first_requests.wait()).await;
    Ok(())
}

impl Shared {
    /// Serves a probe here, and hands every other connection to the workers.
    async fn route(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        counted: Option<PeerConnection>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let is_probe = tokio::select! {
            is_probe = timeout(self.settings.header_timeout, begins_with_probe(&stream)) => is_probe.unwrap_or(false),
            () = self.server.stopping.cancelled() => false,
        };
        if is_probe {
            let client = Client { stream, peer: Peer(peer.ip()), counted, lifetime: Lifetime::OneRequest };
            return serve_connection(self.server, client, self.router, &self.settings).await;
        }
        if let Ok(stream) = stream.into_std() {
            self.serve_on_workers(Accepted { stream, peer, counted, permit });
        }
    }

    fn serve_on_workers(&self, accepted: Accepted) {
        let Self { server, router, settings, workers } = self.clone();
        let tasks = server.tasks.clone();
        let serving = async move {
            let Accepted { stream, peer, counted, permit } = accepted;
            // Registers the connection with the runtime of the workers.
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            let client = Client { stream, peer: Peer(peer.ip()), counted, lifetime: Lifetime::ManyRequests };
            serve_connection(server, client, router, &settings).await;
            drop(permit);
        };
        tasks.spawn_on(serving, &workers);
    }
}

/// Waits for the first bytes of a connection; whether they ask for a probe.
async fn begins_with_probe(stream: &TcpStream) -> bool {
    let mut bytes = [0; PEEKED_BYTES];
    let read = stream.peek(&mut bytes).await.unwrap_or_default();
    asks_for_probe(&bytes[..read])
}

fn asks_for_probe(head: &[u8]) -> bool {
    let Some(target) = head.strip_prefix(b"GET ").or_else(|| head.strip_prefix(b"HEAD ")) else { return false };
    let is_followed = |rest: &[u8]| matches!(rest.first(), Some(b' ' | b'?'));
    PROBES.iter().any(|probe| target.strip_prefix(probe.as_bytes()).is_some_and(is_followed))
}

/// The connections in the listener's backlog: their clients may have sent requests.
fn waiting(listener: TcpListener) -> Vec<(StdStream, SocketAddr)> {
    // The standard listener, because the runtime may not have been notified yet.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    accepted.filter(|(stream, _)| stream.set_nonblocking(true).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_the_first_bytes() {
        for probe in ["GET /healthz HTTP/1.1\r\n", "HEAD /readyz HTTP/1.1\r\n", "GET /readyz?strict=1", "GET /metrics "]
        {
            assert!(asks_for_probe(probe.as_bytes()), "{probe}");
        }
        for other in [
            "",
            "GET",
            "GET /healthz",
            "GET /healthzz ",
            "POST /healthz ",
            "GET /api/v1/integrations ",
            "PRI * HTTP/2.0",
        ] {
            assert!(!asks_for_probe(other.as_bytes()), "{other}");
        }
    }
}
