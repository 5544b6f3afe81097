//! Subscriptions over WebSocket, protocol `graphql-transport-ws`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::GraphqlState;
use super::executor::{Caller, SocketExecutor};
use super::protocol::{Outgoing, Protocol};
use super::socket_slots::SocketSlot;
use crate::domain::Principal;
use crate::edge::{ACCOUNT_HEADER, ACTOR_HEADER, Failure, GATEWAY_TOKEN_HEADER, Peer, RequestId, Visitor};
use crate::error::Error;
use crate::service::Services;

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to send `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a client that says nothing is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(12);
/// A client that did not even answer a ping for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a message may take to be handed to the client.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is asked whether the credential that a socket was opened with still stands.
const STANDING_EVERY: Duration = Duration::from_millis(250);
/// Messages that wait for a slow client before its subscriptions wait too.
const OUTGOING_MAX: usize = 16;

/// Close codes of RFC 6455, section 7.4.1, and of the protocol.
const GOING_AWAY: u16 = 1001;
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;
const INIT_TIMED_OUT: u16 = 4408;
const TRY_AGAIN_LATER: u16 = 1013;

pub(super) async fn upgrade(
    State(state): State<GraphqlState>,
    Extension(request_id): Extension<RequestId>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    if !speaks_protocol(&parts.headers) {
        return Err(Error::bad_input("The WebSocket sub-protocol must be graphql-transport-ws").into());
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return Err(Error::bad_input("This address is for WebSocket connections").into());
    };
    let peer = parts.extensions.get::<Peer>().copied();
    let connection = Connection { state, visitor, headers: parts.headers, peer, request_id };
    let limit = connection.state.edge.max_body_bytes;
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(limit).max_frame_size(limit);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let sockets = connection.state.sockets.clone();
        sockets.track_future(connection.serve(socket)).await;
    }))
}

fn speaks_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|protocol| protocol.trim() == PROTOCOL)
}

/// One socket and what is known of its client.
struct Connection {
    state: GraphqlState,
    /// As the upgrade's headers have it.
    visitor: Visitor,
    headers: HeaderMap,
    peer: Option<Peer>,
    request_id: RequestId,
}

impl Connection {
    /// [`Protocol`] is on one side of a short queue; on the other, messages are written to the client. Neither waits for the
    /// other while there is room, and what takes too long ends the connection.
    async fn serve(self, socket: WebSocket) {
        let stopping = self.state.stopping.clone();
        let executor = SocketExecutor {
            executor: self.state.executor.clone(),
            edge: self.state.edge.clone(),
            request_id: self.request_id.clone(),
            timeout: self.state.request_timeout,
        };
        let (sink, stream) = socket.split();
        let (queue, outgoing) = mpsc::channel(OUTGOING_MAX);
        // Holds a ping for each 12 seconds that the client reads nothing, and the close frame.
        let (own, own_messages) = mpsc::unbounded_channel();
        let writing = write(sink, outgoing, own_messages);
        let heard = Arc::new(Notify::new());
        let notified = heard.clone();
        let incoming = stream.inspect(move |_| notified.notify_one());
        let initialised = Arc::new(AtomicBool::new(false));
        let seen = initialised.clone();
        let admitted = Arc::new(OnceLock::new());
        let slot = Arc::new(OnceLock::new());
        // Held until the socket is closed.
        let _slot = slot.clone();
        let fallen = fallen(self.state.edge.services.clone(), admitted.clone());
        let admit = move |payload: Value| async move {
            seen.store(true, Ordering::Relaxed);
            self.admit(&payload, &admitted, &slot).await.map_err(|error| refusal(&error))
        };
        let mut protocol = Box::pin(Protocol::new(executor, queue, admit).serve(incoming));
        tokio::pin!(writing, fallen);
        let init_deadline = Instant::now() + INIT_TIMEOUT;
        let mut last_heard = Instant::now();
        let mut next_ping = last_heard + PING_EVERY;
        let mut is_over = false;
        let last = loop {
            tokio::select! {
                biased;
                () = &mut writing => return,
                () = &mut protocol, if !is_over => is_over = true,
                () = heard.notified() => last_heard = Instant::now(),
                reason = &mut fallen => break close(FORBIDDEN, reason),
                () = stopping.cancelled() => break close(GOING_AWAY, "Server is stopping"),
                () = sleep_until(init_deadline), if !initialised.load(Ordering::Relaxed) => {
                    break close(INIT_TIMED_OUT, "Connection initialisation timeout");
                }
                () = sleep_until(last_heard + SILENCE_MAX) => return,
                () = sleep_until(next_ping) => {
                    next_ping = Instant::now() + PING_EVERY;
                    let _ = own.send(Message::Ping(Default::default()));
                }
            }
        };
        let _ = own.send(last);
        // Ends all operations. Messages that wait already are written before the close frame.
        drop(protocol);
        writing.await;
    }

    /// Finds the caller of the connection by the upgrade's headers and those that `connection_init` gives: a browser
    /// cannot set headers on an upgrade.
    async fn admit(
        self,
        payload: &Value,
        admitted: &OnceLock<Arc<Principal>>,
        slot: &OnceLock<SocketSlot>,
    ) -> Result<Caller, Error> {
        let edge = &self.state.edge;
        let init = init_headers(payload);
        let visitor = match init.is_empty() {
            true => self.visitor,
            false => edge.visitor(&self.headers, &init, self.peer, &self.request_id).await?,
        };
        let (account, call) = visitor.may_enter()?;
        let counted = self.state.slots.open(&call.principal.actor, account)?;
        slot.get_or_init(|| counted);
        admitted.get_or_init(|| call.principal.clone());
        Ok(Caller { tenant: edge.services_of(&visitor), visitor, request_id: self.request_id })
    }
}

/// Reads the headers that `connection_init` gives. Names have any case; one that is given twice is there twice, and a
/// value that is not text is empty, so that both are refused as in HTTP.
fn init_headers(payload: &Value) -> HeaderMap {
    let given = payload.as_object().into_iter().flatten();
    let headers = given.filter_map(|(name, value)| {
        let name = INIT_HEADERS.into_iter().find(|header| name.eq_ignore_ascii_case(header.as_str()))?;
        let value = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        Some((name, value.unwrap_or_else(|| HeaderValue::from_static(""))))
    });
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    map
}

/// Writes messages until there are no more, one is a close frame, or one takes too long.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut outgoing: Receiver<Outgoing>,
    mut own_messages: UnboundedReceiver<Message>,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = outgoing.recv() => next.or_else(|| own_messages.try_recv().ok().map(Outgoing::from)),
            Some(message) = own_messages.recv() => Some(message.into()),
        };
        let Some(Outgoing { message, permits }) = next else { return };
        let is_last = matches!(message, Message::Close(_));
        let sent = timeout(SEND_TIMEOUT, sink.send(message)).await;
        drop(permits);
        if is_last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// Ends when the credential that a socket was opened with no longer stands, with the reason.
async fn fallen(services: Services, admitted: Arc<OnceLock<Arc<Principal>>>) -> String {
    loop {
        sleep(STANDING_EVERY).await;
        let Some(principal) = admitted.get() else { continue };
        // While the database is away nothing is known, and nothing is sent either.
        if let Err(error @ Error::Unauthenticated(_)) = services.check_standing(principal).await {
            return error.public_message().into_owned();
        }
    }
}

/// The headers that `connection_init` is read for. The edge decides which of them count.
const INIT_HEADERS: [HeaderName; 4] = [header::AUTHORIZATION, ACCOUNT_HEADER, ACTOR_HEADER, GATEWAY_TOKEN_HEADER];

/// The close frame for a connection that is not let in, in the protocol's codes.
fn refusal(error: &Error) -> CloseFrame {
    let (code, reason) = match error {
        Error::AccountRequired => (FORBIDDEN, "Missing X-Account-ID in header or connection_init".into()),
        Error::AccountInvalid => (FORBIDDEN, "Invalid X-Account-ID in connection_init".into()),
        Error::Unauthenticated(_) | Error::AccountClaimInvalid { .. } => (UNAUTHORIZED, error.public_message()),
        Error::Forbidden(_) => (FORBIDDEN, error.public_message()),
        _ => (TRY_AGAIN_LATER, error.public_message()),
    };
    CloseFrame { code, reason: reason.into_owned().into() }
}

fn close(code: u16, reason: impl Into<Utf8Bytes>) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((name(), inner), 0..6).prop_map(|pairs| Value::Object(Map::from_iter(pairs))),
            ]
        })
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["(?i:x-account-id|authorization|x-actor-id|x-gateway-token)", "\\PC{0,20}"]
    }

    proptest! {
        #[test]
        fn init_headers_have_known_names_and_given_values(payload in value()) {
            let headers = init_headers(&payload);
            let given = payload.as_object().map_or(0, Map::len);
            prop_assert!(headers.len() <= given);
            for (name, value) in &headers {
                prop_assert!(INIT_HEADERS.contains(name));
                let is_given = |(key, text): (&String, &Value)| {
                    name.as_str().eq_ignore_ascii_case(key) && text.as_str().map(str::as_bytes) == Some(value.as_bytes())
                };
                prop_assert!(value.is_empty() || payload.as_object().into_iter().flatten().any(is_given));
            }
        }
    }
}
