//! The protocol `graphql-transport-ws`: messages of one client in, messages for it out.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Request;
use async_graphql::http::ClientMessage;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::body;
use super::executor::{Caller, SocketExecutor};
use super::operation::{Answer, Content, Operation};
use crate::edge::{Permits, check_variables};

/// Close codes of the protocol.
const INVALID_MESSAGE: u16 = 4400;
const UNAUTHORIZED: u16 = 4401;
const SUBSCRIBER_EXISTS: u16 = 4409;
const TOO_MANY_INITIALISATIONS: u16 = 4429;
/// Longest id that a close frame repeats: its reason has at most 123 bytes.
const MAX_REPEATED_ID: usize = 64;

/// A message for the client.
pub(super) struct Outgoing {
    pub(super) message: Message,
    /// Held until the message is written.
    pub(super) permits: Permits,
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self { message, permits: Permits::default() }
    }
}

/// One client's side of a socket.
pub(super) struct Protocol<A> {
    executor: SocketExecutor,
    outgoing: Sender<Outgoing>,
    /// Admits the client by the payload of `connection_init`, once.
    admit: Option<A>,
    caller: Option<Caller>,
    running: HashMap<Arc<str>, Operation>,
    /// How many operations were started.
    started: u64,
    /// One waiting answer is enough: more would only take memory.
    answers: (Sender<Answer>, Receiver<Answer>),
}

/// The socket is closed, or its client is gone.
struct Closed;

impl<A, F> Protocol<A>
where
    A: FnOnce(Value) -> F,
    F: Future<Output = Result<Caller, CloseFrame>>,
{
    pub(super) fn new(executor: SocketExecutor, outgoing: Sender<Outgoing>, admit: A) -> Self {
        let (running, answers) = (HashMap::new(), channel(1));
        Self { executor, outgoing, admit: Some(admit), caller: None, running, started: 0, answers }
    }

    /// Serves until either side closes. The last message is the close frame, if the server closes.
    pub(super) async fn serve<E>(mut self, incoming: impl Stream<Item = Result<Message, E>>) {
        tokio::pin!(incoming);
        loop {
            let outcome = tokio::select! {
                message = incoming.next() => match message {
                    Some(Ok(message)) => self.receive(message).await,
                    Some(Err(_)) | None => Err(Closed),
                },
                Some(answer) = self.answers.1.recv() => self.answer(answer).await,
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), Closed> {
        let bytes: &[u8] = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Closed),
        };
        // Neither reason is passed on: it would quote the message.
        let message = check_variables(bytes).ok().and_then(|()| ClientMessage::from_bytes(bytes).ok());
        let Some(message) = message else { return self.close(INVALID_MESSAGE, "Malformed message").await };
        match message {
            ClientMessage::ConnectionInit { payload } => self.initialise(payload.unwrap_or_default()).await,
            ClientMessage::Start { id, payload } => self.start(id.into(), payload).await,
            ClientMessage::Stop { id } => match self.running.remove(&*id) {
                None => Ok(()),
                Some(_ended) => self.send(&json!({"type": "complete", "id": id})).await,
            },
            ClientMessage::Ping { .. } => self.send(&json!({"type": "pong"})).await,
            ClientMessage::Pong { .. } => Ok(()),
            ClientMessage::ConnectionTerminate => Err(Closed),
        }
    }

    async fn initialise(&mut self, payload: Value) -> Result<(), Closed> {
        let Some(admit) = self.admit.take() else {
            return self.close(TOO_MANY_INITIALISATIONS, "Too many initialisation requests").await;
        };
        match admit(payload).await {
            Ok(caller) => {
                self.caller = Some(caller);
                self.send(&json!({"type": "connection_ack"})).await
            }
            Err(CloseFrame { code, reason }) => self.close(code, reason).await,
        }
    }

    async fn start(&mut self, id: Arc<str>, request: Request) -> Result<(), Closed> {
        let Some(caller) = &self.caller else {
            return self.close(UNAUTHORIZED, "connection_init must come first").await;
        };
        if self.running.contains_key(&id) {
            let reason = match id.len() {
                ..=MAX_REPEATED_ID => format!("Subscriber for {id} already exists"),
                _ => "Subscriber already exists".to_owned(),
            };
            return self.close(SUBSCRIBER_EXISTS, reason).await;
        }
        self.started += 1;
        let name = (id.clone(), self.started);
        let operation = Operation::start(&self.executor, name, request, caller.clone(), self.answers.0.clone());
        self.running.insert(id, operation);
        Ok(())
    }

    /// Passes on an answer, unless its operation was ended meanwhile.
    async fn answer(&mut self, Answer { id, number, content }: Answer) -> Result<(), Closed> {
        if self.running.get(&id).is_none_or(|operation| operation.number != number) {
            return Ok(());
        }
        let (payload, permits) = match content {
            Content::Next(payload, permits) => (payload, permits),
            Content::Error(errors) => {
                self.running.remove(&id);
                return self.send(&json!({"type": "error", "id": id, "payload": errors})).await;
            }
            Content::Complete => {
                self.running.remove(&id);
                return self.send(&json!({"type": "complete", "id": id})).await;
            }
        };
        let mut message = b"{\"type\":\"next\",\"id\":".to_vec();
        body::write(&&*id, &mut message);
        message.extend_from_slice(b",\"payload\":");
        message.extend_from_slice(&payload);
        message.push(b'}');
        // JSON of this process is UTF-8.
        let text = Utf8Bytes::try_from(message).map_err(|_| Closed)?;
        self.outgoing.send(Outgoing { message: Message::Text(text), permits }).await.map_err(|_| Closed)
    }

    async fn send(&mut self, message: &Value) -> Result<(), Closed> {
        self.outgoing.send(Message::Text(message.to_string().into()).into()).await.map_err(|_| Closed)
    }

    async fn close(&mut self, code: u16, reason: impl Into<Utf8Bytes>) -> Result<(), Closed> {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = self.outgoing.send(Message::Close(Some(frame)).into()).await;
        Err(Closed)
    }
}
