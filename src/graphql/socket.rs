//! Subscriptions over WebSocket, protocol `graphql-transport-ws`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_graphql::http::{WebSocket as GraphqlSocket, WebSocketProtocols, WsMessage};
use async_graphql::{Data, Error as GraphqlError};
use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{SinkExt, StreamExt, future};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};

use super::GraphqlState;
use super::executor::{Caller, SocketExecutor};
use crate::domain::AccountId;
use crate::edge::{Failure, RequestId, account_in};
use crate::error::Error;

const PROTOCOL: &str = "graphql-transport-ws";
/// Answered with a pong, by the protocol.
const PING: &str = "{\"type\":\"ping\"}";
/// How long a client may take to send `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a client is asked for a sign of life: most only listen.
const PING_EVERY: Duration = Duration::from_secs(12);
/// A client that does not answer for so long is taken to be gone.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a message may take to be handed to the client.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Close codes of RFC 6455 and of the protocol.
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
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|_| Error::bad_input("This address is for WebSocket connections"))?;
    if !speaks_protocol(&parts.headers) {
        return Err(Error::bad_input("The WebSocket sub-protocol must be graphql-transport-ws").into());
    }
    let limit = state.edge.max_body_bytes;
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(limit).max_frame_size(limit);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let tracker = state.sockets.clone();
        tracker.track_future(serve(socket, state, account, request_id)).await;
    }))
}

fn speaks_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all("sec-websocket-protocol").iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|protocol| protocol.trim() == PROTOCOL)
}

async fn serve(socket: WebSocket, state: GraphqlState, account: Option<AccountId>, request_id: RequestId) {
    let stopping = state.stopping.clone();
    let executor = SocketExecutor { executor: state.executor.clone(), request_id: request_id.clone() };
    let (mut sink, stream) = socket.split();
    let texts = stream.take_while(|message| future::ready(message.is_ok())).filter_map(async |message| match message {
        Ok(Message::Text(text)) => Some(Vec::from(text.as_bytes())),
        Ok(Message::Binary(bytes)) => Some(bytes.into()),
        _ => None,
    });
    let initialised = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(OnceLock::new());
    let (seen, told) = (initialised.clone(), refused.clone());
    let on_init = async move |payload: Value| {
        seen.store(true, Ordering::Relaxed);
        connect(&state, account, &payload, request_id).map_err(|reason| {
            // The library's close code for this is the one for a malformed message.
            let _ = told.set(reason);
            GraphqlError::new(reason)
        })
    };
    let mut messages = Box::pin(
        GraphqlSocket::new(executor, Box::pin(texts), WebSocketProtocols::GraphQLWS)
            .keepalive_timeout(KEEP_ALIVE)
            .on_connection_init(move |payload| Box::pin(on_init(payload))),
    );
    let init_deadline = tokio::time::sleep(INIT_TIMEOUT);
    tokio::pin!(init_deadline);
    let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            // Ready messages first: what was to be said before the end is said.
            biased;
            message = messages.next() => message.map(|message| match message {
                WsMessage::Text(text) => Message::Text(text.into()),
                WsMessage::Close(code, reason) => translate(code, &reason, refused.get().copied()),
            }),
            () = stopping.cancelled() => Some(close(GOING_AWAY, "Server is stopping")),
            () = &mut init_deadline, if !initialised.load(Ordering::Relaxed) => {
                Some(close(INIT_TIMED_OUT, "Connection initialisation timeout"))
            }
            _ = pings.tick(), if initialised.load(Ordering::Relaxed) => Some(Message::Text(PING.into())),
        };
        let Some(message) = message else { break };
        let last = matches!(message, Message::Close(_));
        let sent = tokio::time::timeout(SEND_TIMEOUT, sink.send(message)).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
}

/// The caller of the connection: the account of `connection_init`, else of the upgrade.
fn connect(
    state: &GraphqlState,
    from_header: Option<AccountId>,
    payload: &Value,
    request_id: RequestId,
) -> Result<Data, &'static str> {
    let named = payload.as_object().into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("x-account-id"));
    let account = match named {
        None => from_header,
        Some((_, value)) => {
            let account = value.as_str().and_then(AccountId::parse);
            Some(account.ok_or("Invalid X-Account-ID in connection_init")?)
        }
    };
    let account = account.ok_or("Missing X-Account-ID in header or connection_init")?;
    let mut data = Data::default();
    data.insert(Caller { tenant: Some(state.edge.services.tenant(account)), request_id });
    Ok(data)
}

/// The library's close in the protocol's codes. Its reason for a malformed message quotes it.
fn translate(code: u16, reason: &str, refused: Option<&'static str>) -> Message {
    match (code, refused) {
        (PROTOCOL_ERROR, Some(reason)) => close(FORBIDDEN, reason),
        (PROTOCOL_ERROR, None) => close(INVALID_MESSAGE, "Malformed message"),
        (UNEXPECTED, _) => close(UNAUTHORIZED, "connection_init must come first"),
        (code, _) => close(code, reason),
    }
}

fn close(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}
