//! A client of `graphql-transport-ws` over a real socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Mode, Served};

pub const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");
/// How soon a change must arrive: the contract's figure.
pub const SOON: Duration = Duration::from_secs(2);
/// How long anything else may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(10);
pub const SUBSCRIPTION: &str = "subscription { integrationChanged { name status params } }";

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What the server says.
#[derive(Debug, PartialEq)]
pub enum Said {
    Json(Value),
    /// Code and reason of a close frame; 1006 when it went away without one.
    Closed(u16, String),
}

/// Why the server did not upgrade.
#[derive(Debug)]
pub struct NotUpgraded {
    pub status: u16,
    pub body: Value,
}

impl Socket {
    /// Holds what is good for several accounts, where that has to be proven.
    pub async fn open(served: &Served, headers: &[(&'static str, &str)]) -> Result<Self, NotUpgraded> {
        Self::open_for(served, None, headers).await
    }

    async fn open_for(
        served: &Served,
        account: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, NotUpgraded> {
        let proof = served.credentials.of(account).await;
        let proof = proof.iter().map(|(name, value)| (*name, value.as_str()));
        Self::open_at(&served.address.to_string(), &headers.iter().copied().chain(proof).collect::<Vec<_>>()).await
    }

    /// `address` is `ADDRESS:PORT`.
    pub async fn open_at(address: &str, headers: &[(&'static str, &str)]) -> Result<Self, NotUpgraded> {
        let mut request = format!("ws://{address}/graphql/ws").into_client_request().expect("request");
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("header"));
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(tungstenite::Error::Http(response)) => Err(NotUpgraded {
                status: response.status().as_u16(),
                body: serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap_or_default(),
            }),
            Err(error) => panic!("{error}"),
        }
    }

    /// A connection that acts for the account.
    pub async fn of(served: &Served, account: &str) -> Self {
        // A gateway names the account on the upgrade; `connection_init` may only repeat it.
        let is_named = matches!(served.credentials.mode(), Mode::Gateway);
        let headers: Vec<_> = is_named.then_some(("x-account-id", account)).into_iter().chain([PROTOCOL]).collect();
        let mut socket = Self::open_for(served, Some(account), &headers).await.expect("upgraded");
        socket.init(json!({"X-Account-ID": account})).await;
        socket
    }

    /// A connection that acts for the account and follows its changes.
    pub async fn following(served: &Served, account: &str) -> Self {
        let mut socket = Self::of(served, account).await;
        socket.follow().await;
        socket
    }

    pub async fn init(&mut self, payload: Value) {
        self.send(&json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(self.next().await, Said::Json(json!({"type": "connection_ack"})));
    }

    /// Subscribes, and waits until that is in force: nothing tells, but questions that take as long as reading the
    /// account's position are answered after it.
    pub async fn follow(&mut self) {
        self.subscribe("changes", SUBSCRIPTION).await;
        for _ in 0..3 {
            let answer = self.answer("{ integrations { totalCount } }").await;
            assert_eq!(answer.get("errors"), None, "{answer}");
        }
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(&json!({"id": id, "type": "subscribe", "payload": {"query": query}})).await;
    }

    /// Ends a subscription.
    pub async fn complete(&mut self, id: &str) {
        let complete = json!({"type": "complete", "id": id});
        self.send(&complete).await;
        assert_eq!(self.next().await, Said::Json(complete));
    }

    /// Runs one query to its end. A request that is refused has errors alone.
    pub async fn answer(&mut self, query: &str) -> Value {
        self.subscribe("query", query).await;
        let Said::Json(next) = self.next().await else { panic!("closed instead of answered") };
        if next["type"] == "error" {
            assert_eq!(next["id"], "query", "{next}");
            return json!({"errors": next["payload"]});
        }
        assert_eq!((&next["type"], &next["id"]), (&json!("next"), &json!("query")), "{next}");
        assert_eq!(self.next().await, Said::Json(json!({"type": "complete", "id": "query"})));
        next["payload"].clone()
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    /// Whether the connection was open still.
    pub async fn try_send_text(&mut self, text: &str) -> bool {
        self.0.send(Message::text(text)).await.is_ok()
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.expect("sent");
    }

    /// The next message that is not a sign of life.
    pub async fn next(&mut self) -> Said {
        self.next_within(DEADLINE).await
    }

    async fn next_within(&mut self, deadline: Duration) -> Said {
        self.try_next(deadline).await.unwrap_or_else(|| panic!("nothing was said within {deadline:?}"))
    }

    /// The same, or nothing for so long.
    pub async fn try_next(&mut self, deadline: Duration) -> Option<Said> {
        let said = timeout(deadline, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Said::Json(serde_json::from_str(&text).expect("JSON"));
                    }
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Said::Closed(frame.code.into(), frame.reason.to_string());
                    }
                    Some(Ok(Message::Close(None)) | Err(_)) | None => return Said::Closed(1006, String::new()),
                    Some(Ok(_)) => {}
                }
            }
        });
        said.await.ok()
    }

    /// Whether the server asks for a sign of life.
    pub async fn is_pinged_within(&mut self, deadline: Duration) -> bool {
        let pinged = timeout(deadline, async {
            while let Some(Ok(message)) = self.0.next().await {
                if matches!(message, Message::Ping(_)) {
                    return true;
                }
            }
            false
        });
        pinged.await.unwrap_or(false)
    }

    /// The next change, `(name, status, params)`.
    pub async fn change(&mut self) -> (String, String, Value) {
        match self.next_within(SOON).await {
            Said::Json(next) if next["type"] == "next" && next["id"] == "changes" => {
                let changed = &next["payload"]["data"]["integrationChanged"];
                let text = |key: &str| changed[key].as_str().unwrap_or_else(|| panic!("{next}")).to_owned();
                (text("name"), text("status"), changed["params"].clone())
            }
            other => panic!("not a change: {other:?}"),
        }
    }

    /// The code and reason with which the server closes.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Said::Closed(code, reason) => (code, reason),
            Said::Json(json) => panic!("still open: {json}"),
        }
    }
}
