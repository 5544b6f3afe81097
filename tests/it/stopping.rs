//! Stopping: what is under way is finished, what is new is turned away, and nobody waits for ever.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Process, Wire, World, eventually, exchange};

/// A body that waits for its test is no idle one.
const PATIENT: [&str; 2] = ["--set", "server.body_idle_timeout_ms=60000"];
const LONG: Duration = Duration::from_secs(30);

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A request whose body is on its way.
async fn half_a_request(address: &str) -> (TcpStream, &'static [u8]) {
    const BODY: &[u8] = br#"{"params": {"n": 1}}"#;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST /api/v1/integrations/stripe/install HTTP/1.1\r\nhost: localhost\r\nx-account-id: acme\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.write_all(&BODY[..5]).await.expect("written");
    (stream, &BODY[5..])
}

async fn wait_until_in_flight(process: &Process) {
    let wire = Wire::new(&process.url, "acme");
    eventually("the request is being worked on", LONG, async || {
        // The question itself is the other one in flight.
        wire.get("/metrics").await.text().contains("patchbay_http_requests_in_flight 2")
    })
    .await;
}

fn address(process: &Process) -> String {
    process.url.trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn sigterm_finishes_the_request_under_way_and_ends_with_0() {
    let folder = tempfile::tempdir().expect("folder");
    let mut process = Process::serve(&["--data-dir", &text(&folder.path().join("data")), PATIENT[0], PATIENT[1]]);
    let address = address(&process);
    let (stream, rest) = half_a_request(&address).await;
    wait_until_in_flight(&process).await;
    process.signal("TERM");
    eventually("no new connection is taken", LONG, async || TcpStream::connect(&address).await.is_err()).await;
    let answer = exchange(stream, rest).await;
    assert_eq!(answer.ok()["integration"]["status"], "installed");
    assert_eq!(process.wait(Duration::from_secs(10)), Some(0), "{}", process.log());
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up_at_the_deadline() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    let mut process =
        Process::serve(&["--data-dir", &data, "--set", "server.drain_timeout_ms=300", PATIENT[0], PATIENT[1]]);
    let (_stream, _rest) = half_a_request(&address(&process)).await;
    wait_until_in_flight(&process).await;
    process.signal("INT");
    assert_eq!(process.wait(Duration::from_secs(5)), Some(0));
    assert!(process.log().contains("did not finish in time"), "{}", process.log());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    let mut process =
        Process::serve(&["--data-dir", &data, "--set", "server.drain_timeout_ms=600000", PATIENT[0], PATIENT[1]]);
    let address = address(&process);
    let (_stream, _rest) = half_a_request(&address).await;
    wait_until_in_flight(&process).await;
    process.signal("TERM");
    eventually("no new connection is taken", LONG, async || TcpStream::connect(&address).await.is_err()).await;
    let second = Instant::now();
    process.signal("TERM");
    assert_eq!(process.wait(Duration::from_secs(3)), Some(1));
    assert!(second.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn while_it_stops_it_is_not_ready() {
    let world = World::with(&[("server.body_idle_timeout_ms", "60000")]).await;
    assert_eq!(world.nobody().get("/readyz").await.ok()["state"], "serving");
    let served = world.serve().await;
    let (stream, rest) = half_a_request(&served.address.to_string()).await;
    eventually("the request is being worked on", LONG, async || {
        world.nobody().get("/metrics").await.text().contains("patchbay_http_requests_in_flight 2")
    })
    .await;
    served.begin_stop();
    eventually("it says that it is stopping", LONG, async || {
        let answer = world.nobody().get("/readyz").await;
        answer.status.as_u16() == 503 && answer.json()["state"] == "stopping"
    })
    .await;
    assert_eq!(world.nobody().get("/healthz").await.text(), "ok\n");
    assert_eq!(exchange(stream, rest).await.status.as_u16(), 200);
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_was_on_its_way_when_it_stopped_is_answered_and_told_that_it_was_the_last() {
    let world = World::start().await;
    let served = world.serve().await;
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let ask = b"GET /api/v1/native-tools HTTP/1.1\r\nhost: localhost\r\nx-account-id: acme\r\n\r\n";
    let mut answer = [0; 4096];
    stream.write_all(ask).await.expect("written");
    let length = stream.read(&mut answer).await.expect("answered");
    assert!(String::from_utf8_lossy(&answer[..length]).starts_with("HTTP/1.1 200"));
    served.begin_stop();
    let address = served.address;
    eventually("no new connection is taken", LONG, async || TcpStream::connect(address).await.is_err()).await;
    // To the connection that rested meanwhile.
    stream.write_all(ask).await.expect("written");
    let mut last = String::new();
    stream.read_to_string(&mut last).await.expect("answered, and ended");
    assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");
    served.stop().await;
}
