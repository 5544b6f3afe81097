//! Serving connections, each within its bounds.
//!
//! The stock loop of the framework waits for ever for the end of a request's headers. Here a client has a few seconds
//! for each head, while a connection between two requests may rest for longer.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tower::ServiceExt;

use super::peers::PeerConnection;
use super::streams::Streams;
use super::supervision::{Supervision, Verdict};
use super::written::{self, Held};
use super::{Server, leftover};
use crate::config::ServerSection;
use crate::edge::Peer;

/// Room for a head beyond the largest sum of headers, so that our own answer to a large one gets out.
const HEAD_BUFFER: usize = 512 * 1_024;
/// Most headers of a request; more are answered 431 by the protocol library itself.
const HEADERS_MAX: usize = 200;
/// At shutdown a connection that waits for its next request is kept for so long.
const FAREWELL: Duration = Duration::from_millis(500);

/// A connection that was accepted.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) peer: Peer,
    /// `None` for a peer without limits.
    pub(super) counted: Option<PeerConnection>,
    pub(super) lifetime: Lifetime,
}

/// How many requests a connection carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    OneRequest,
    ManyRequests,
}

pub(super) async fn serve_connection(server: Server, client: Client, router: Router, settings: &ServerSection) {
    let Client { stream, peer, counted, lifetime } = client;
    let counted = counted.map(Arc::new);
    // Answers are written whole; waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let phase = Arc::new(Phase(AtomicU8::new(Phase::HEAD)));
    let io = HeadTimer::new(stream, phase.clone(), settings);
    let phase_of_requests = phase.clone();
    let streams = Arc::new(Streams::default());
    let mut supervision = Supervision::new(settings, streams.clone());
    let draining = server.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, phase, server) = (router.clone(), phase_of_requests.clone(), draining.clone());
        let version = request.version();
        let stream = (version == Version::HTTP_2).then(|| streams.open());
        let counted = counted.clone();
        async move {
            phase.serving(version);
            let (request, leftover) = leftover::lend(request);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let counted = counted.map(|peer| peer.begin_request()).transpose();
            let peer = counted.unwrap_or_else(|refused| {
                request.extensions_mut().insert(refused);
                None
            });
            let Ok(mut response) = router.oneshot(request).await;
            leftover.drain().await;
            let is_last = server.is_draining() || lifetime == Lifetime::OneRequest;
            if is_last && version < Version::HTTP_2 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            phase.served(response.status());
            Ok::<_, Infallible>(written::hold(response, Held { stream, peer }))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BUFFER)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BUFFER as u32)
        .keep_alive_interval(settings.keep_alive)
        .keep_alive_timeout(settings.header_timeout);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
    tokio::pin!(connection);
    let stopping = async {
        server.stopping.cancelled().await;
        // A request may be on its way: the next one is still answered, and told that it was the last. Who is in the middle
        // of one is told with its answer, and HTTP/2 has a word for it.
        if phase.is_between_requests() {
            sleep(FAREWELL.min(settings.drain_timeout / 2)).await;
        }
    };
    tokio::pin!(stopping);
    let supervising = sleep(supervision.first_look());
    tokio::pin!(supervising);
    let (mut told, mut is_supervised) = (false, true);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(error, "connection ended");
                }
                return;
            }
            () = &mut stopping, if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            () = &mut supervising, if is_supervised => match phase.current() {
                Phase::HTTP2 => match supervision.look(Instant::now()) {
                    Verdict::LookAgain(at) => supervising.as_mut().reset(at),
                    Verdict::Drain(at) => {
                        supervising.as_mut().reset(at);
                        connection.as_mut().graceful_shutdown();
                    }
                    Verdict::Close => return,
                },
                // No request was read yet: the version of the protocol is not known.
                Phase::HEAD => supervising.as_mut().reset(Instant::now() + supervision.first_look()),
                _ => is_supervised = false,
            }
        }
    }
}

/// What a connection is doing, told by the service and read by the timer.
struct Phase(AtomicU8);

impl Phase {
    /// A request's head is expected or under way.
    const HEAD: u8 = 0;
    /// A request is being worked on.
    const SERVING: u8 = 1;
    /// Between two requests.
    const IDLE: u8 = 2;
    /// HTTP/2 interleaves requests and watches its own connections.
    const HTTP2: u8 = 3;
    /// A WebSocket: no head comes any more, and the socket keeps its own time.
    const UPGRADED: u8 = 4;

    fn serving(&self, version: Version) {
        self.0.store(if version == Version::HTTP_2 { Self::HTTP2 } else { Self::SERVING }, Ordering::Relaxed);
    }

    fn served(&self, status: StatusCode) {
        let next = if status == StatusCode::SWITCHING_PROTOCOLS { Self::UPGRADED } else { Self::IDLE };
        let _ = self.0.compare_exchange(Self::SERVING, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn begin_head(&self) -> bool {
        self.0.compare_exchange(Self::IDLE, Self::HEAD, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn is_between_requests(&self) -> bool {
        matches!(self.current(), Self::HEAD | Self::IDLE)
    }

    fn current(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
    x-error-code: headers_timeout\r\ncontent-length: 29\r\n\r\nRequest headers took too long";

/// A stream that ends when a head, or the pause between two requests, takes too long, and when its client reads nothing.
struct HeadTimer<S> {
    stream: S,
    phase: Arc<Phase>,
    header_timeout: Duration,
    keep_alive: Duration,
    write_timeout: Duration,
    /// Set while the client reads nothing of what is to be written.
    stall: Option<Pin<Box<Sleep>>>,
    timer: Pin<Box<Sleep>>,
    /// The phase that the timer was set for.
    timed: u8,
    has_read: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> HeadTimer<S> {
    fn new(stream: S, phase: Arc<Phase>, settings: &ServerSection) -> Self {
        let &ServerSection { header_timeout, keep_alive, write_timeout, .. } = settings;
        let timer = Box::pin(sleep(header_timeout));
        let (stall, timed, has_read) = (None, Phase::HEAD, false);
        Self { stream, phase, header_timeout, keep_alive, write_timeout, stall, timer, timed, has_read }
    }

    /// Returns the result of a write, and fails it when the client has read nothing for too long.
    fn poll_progress<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let timer = self.stall.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn set_timer(&mut self, phase: u8) {
        let limit = if phase == Phase::IDLE { self.keep_alive } else { self.header_timeout };
        self.timer.as_mut().reset(Instant::now() + limit);
        self.timed = phase;
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let phase = self.phase.current();
        if !matches!(phase, Phase::HEAD | Phase::IDLE) {
            self.timed = phase;
            return Poll::Pending;
        }
        if phase != self.timed {
            self.set_timer(phase);
        }
        ready!(self.timer.as_mut().poll(cx));
        if phase == Phase::HEAD && self.has_read {
            // No answer is under way, so one of ours can be said; whether it arrives does not matter.
            let _ = Pin::new(&mut self.stream).poll_write(cx, TOO_SLOW);
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for HeadTimer<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            this.has_read |= buffer.filled().len() > before;
            if this.phase.begin_head() {
                this.set_timer(Phase::HEAD);
            }
            return Poll::Ready(read);
        }
        this.poll_timer(cx).map(Err)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HeadTimer<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_progress(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.poll_progress(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
