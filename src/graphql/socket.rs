//! Subscriptions over WebSocket, protocol `graphql-transport-ws`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_graphql::{Data, Error as GraphqlError};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::PollSender;

use super::GraphqlState;
use super::executor::{Caller, SocketExecutor};
use crate::domain::AccountId;
use crate::edge::{Failure, RequestId, account_in};
use crate::error::Error;

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to send `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a client that says nothing is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(12);
/// A client that did not even answer a ping for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a message may take to be handed to the client.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that wait for a slow client before its subscriptions wait too.
const OUTGOING_MAX: usize = 16;

/// Close codes of RFC 6455, section 7.4.1, and of the protocol.
const GOING_AWAY: u16 = 1001;
const INVALID_MESSAGE: u16 = 4400;
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;
const INIT_TIMED_OUT: u16 = 4408;
/// What the library closes with where the protocol has a code of its own.
const PROTOCOL_ERROR: u16 = 1002;
const UNEXPECTED: u16 = 1011;

pub(super) async fn upgrade(
    State(state): State<GraphqlState>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Failure> {
    let account = account_in(request.headers())?;
    let (mut parts, _) = request.into_parts();
    if !speaks_protocol(&parts.headers) {
        return Err(Error::bad_input("The WebSocket sub-protocol must be graphql-transport-ws").into());
    }
    // The library would also take up the protocol's predecessor, if a client offers both.
    parts.headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &()).await;
    let (Ok(upgrade), Ok(protocol)) = (upgrade, protocol) else {
        return Err(Error::bad_input("This address is for WebSocket connections").into());
    };
    let limit = state.edge.max_body_bytes;
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(limit).max_frame_size(limit);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let sockets = state.sockets.clone();
        sockets.track_future(Connection { protocol, state, account, request_id }.serve(socket)).await;
    }))
}

fn speaks_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|protocol| protocol.trim() == PROTOCOL)
}

/// One socket and what is known of its client.
struct Connection {
    protocol: GraphQLProtocol,
    state: GraphqlState,
    account: Option<AccountId>,
    request_id: RequestId,
}

impl Connection {
    /// The library speaks the protocol on one side of a short queue; on the other, this loop hands messages to the
    /// client and ends what takes too long.
    async fn serve(self, socket: WebSocket) {
        let stopping = self.state.stopping.clone();
        let executor = SocketExecutor { executor: self.state.executor.clone(), request_id: self.request_id.clone() };
        let (mut sink, stream) = socket.split();
        let (queue, mut outgoing) = mpsc::channel(OUTGOING_MAX);
        let heard = Arc::new(Notify::new());
        let told = heard.clone();
        let incoming = stream.inspect(move |_| told.notify_one());
        let initialised = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(OnceLock::new());
        let (seen, refusal) = (initialised.clone(), refused.clone());
        let protocol = GraphQLWebSocket::new_with_pair(PollSender::new(queue), incoming, executor, self.protocol)
            .on_connection_init(move |payload: Value| async move {
                seen.store(true, Ordering::Relaxed);
                self.admit(&payload).map_err(|reason| {
                    // The library's close code for this is the one for a malformed message.
                    let _ = refusal.set(reason);
                    GraphqlError::new(reason)
                })
            })
            .serve();
        tokio::pin!(protocol);
        let init_deadline = Instant::now() + INIT_TIMEOUT;
        let mut last_heard = Instant::now();
        let mut next_ping = last_heard + PING_EVERY;
        let mut is_over = false;
        loop {
            let message = tokio::select! {
                // Ready messages first: what was to be said before the end is said.
                biased;
                message = outgoing.recv() => message.map(|message| translate(message, refused.get().copied())),
                () = &mut protocol, if !is_over => {
                    is_over = true;
                    continue;
                }
                () = heard.notified() => {
                    last_heard = Instant::now();
                    continue;
                }
                () = stopping.cancelled() => Some(close(GOING_AWAY, "Server is stopping")),
                () = sleep_until(init_deadline), if !initialised.load(Ordering::Relaxed) => {
                    Some(close(INIT_TIMED_OUT, "Connection initialisation timeout"))
                }
                () = sleep_until(last_heard + SILENCE_MAX) => None,
                () = sleep_until(next_ping) => {
                    next_ping = Instant::now() + PING_EVERY;
                    Some(Message::Ping(Default::default()))
                }
            };
            let Some(message) = message else { break };
            let is_last = matches!(message, Message::Close(_));
            let sent = timeout(SEND_TIMEOUT, sink.send(message)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
    }

    /// The caller of the connection: the account of `connection_init`, else of the upgrade.
    fn admit(self, payload: &Value) -> Result<Data, &'static str> {
        let named =
            payload.as_object().into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("x-account-id"));
        let account = match named {
            None => self.account,
            Some((_, value)) => {
                let account = value.as_str().and_then(AccountId::parse);
                Some(account.ok_or("Invalid X-Account-ID in connection_init")?)
            }
        };
        let account = account.ok_or("Missing X-Account-ID in header or connection_init")?;
        let mut data = Data::default();
        data.insert(Caller { tenant: Some(self.state.edge.services.tenant(account)), request_id: self.request_id });
        Ok(data)
    }
}

/// The library's close in the protocol's codes. Its reason for a malformed message quotes it.
fn translate(message: Message, refused: Option<&'static str>) -> Message {
    match (&message, refused) {
        (Message::Close(Some(frame)), Some(reason)) if frame.code == PROTOCOL_ERROR => close(FORBIDDEN, reason),
        (Message::Close(Some(frame)), None) if frame.code == PROTOCOL_ERROR => {
            close(INVALID_MESSAGE, "Malformed message")
        }
        (Message::Close(Some(frame)), _) if frame.code == UNEXPECTED => {
            close(UNAUTHORIZED, "connection_init must come first")
        }
        _ => message,
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}
