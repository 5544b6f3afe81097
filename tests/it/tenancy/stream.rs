//! A subscriber over a real socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{MARK, steady};
use crate::support::{Served, World};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Longer than any change may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Subscribes as `account`, lets `others` act, installs something of its own, and returns what it hears of that.
pub(super) async fn first_change(
    world: &World,
    served: &Served,
    account: &str,
    document: &str,
    others: impl AsyncFnOnce(),
) -> Value {
    let mut socket = connect(served, account).await;
    send(&mut socket, json!({"type": "connection_init", "payload": {}})).await;
    assert_eq!(receive(&mut socket).await["type"], "connection_ack");
    send(&mut socket, json!({"id": "1", "type": "subscribe", "payload": {"query": document}})).await;
    // A query on the same socket is answered after the subscription was taken up.
    send(&mut socket, json!({"id": "2", "type": "subscribe", "payload": {"query": "{ __typename }"}})).await;
    while receive(&mut socket).await["id"] != "2" {}
    settle(world, account, &mut socket).await;
    others().await;
    let install = "/api/v1/integrations/github/install";
    world.account(account).post(install, &Value::Null).await.ok();
    let first = own_change(&mut socket).await;
    // Another's change may come behind the own one; then it stands before the next own one.
    world.account(account).post(install, &json!({"params": {"again": true}})).await.ok();
    own_change(&mut socket).await;
    first
}

/// The next change of what the subscriber installed last; nothing of anybody else may come before it.
async fn own_change(socket: &mut Socket) -> Value {
    loop {
        let heard = receive(socket).await;
        assert!(!heard.to_string().contains(MARK), "heard of another's change: {heard}");
        match heard["payload"]["data"]["integrationChanged"]["name"].as_str() {
            Some("github") => return steady(heard),
            // Its own earlier install, and the end of the query.
            Some("airtable") | None => assert_eq!(heard["payload"].get("errors"), None, "{heard}"),
            Some(other) => panic!("heard of {other}, which it never touched: {heard}"),
        }
    }
}

/// Installs again and again until the subscription tells of it: from then on it misses nothing.
async fn settle(world: &World, account: &str, socket: &mut Socket) {
    for _ in 0..50 {
        let airtable = json!({"params": {"x": 1}});
        world.account(account).post("/api/v1/integrations/airtable/install", &airtable).await.ok();
        let heard = tokio::time::timeout(Duration::from_millis(500), receive(socket)).await;
        if heard.is_ok_and(|heard| heard["id"] == "1") {
            return;
        }
    }
    panic!("the subscription never told of anything");
}

async fn connect(served: &Served, account: &str) -> Socket {
    let mut request = format!("ws://{}/graphql/ws", served.address).into_client_request().expect("request");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("value"));
    request.headers_mut().insert("x-account-id", account.parse().expect("value"));
    if let Some((name, value)) = served.credentials.of(Some(account)).await {
        request.headers_mut().insert(name, value.parse().expect("value"));
    }
    connect_async(request).await.expect("connected").0
}

async fn send(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.expect("sent");
}

async fn receive(socket: &mut Socket) -> Value {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message in time");
        match message.expect("open").expect("readable") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}
