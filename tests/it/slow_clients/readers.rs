//! Responses that are not read.

use tokio::io::AsyncReadExt;

use super::*;
use crate::support::eventually;

const ONE_PERMIT: (&str, &str) = ("server.max_concurrent_requests", "1");

#[tokio::test]
async fn a_permit_is_held_until_the_response_is_written() {
    let (_world, served) = open(&[ONE_PERMIT]).await;
    let wire = served.wire("acme").await;
    let mut reader = begin(&served, "GET", LARGE_PAGE, "connection: close\r\n").await;
    let mut first = [0];
    reader.read_exact(&mut first).await.expect("the response has begun");
    assert_eq!(wire.get(LIST).await.status, 503);
    assert!(read_to_end(&mut reader).await > 1_000_000);
    eventually("the permit is free", PATIENCE, async || wire.get(LIST).await.status == 200).await;
}

#[tokio::test]
async fn a_response_that_is_not_read_ends_and_frees_its_permit() {
    let (_world, served) = open(&[ONE_PERMIT, ("server.write_timeout_ms", "300")]).await;
    let wire = served.wire("acme").await;
    let mut reader = begin(&served, "GET", LARGE_PAGE, "").await;
    reader.read_exact(&mut [0]).await.expect("the response has begun");
    assert_eq!(wire.get(LIST).await.status, 503);
    eventually("the permit is free", PATIENCE, async || wire.get(LIST).await.status == 200).await;
    assert!(read_to_end(&mut reader).await < 1_400_000, "the rest was given up");
}

#[tokio::test]
async fn a_slow_reader_that_makes_progress_is_served_to_the_end() {
    let (_world, served) = open(&[("server.write_timeout_ms", "1000")]).await;
    let mut reader = begin(&served, "GET", LARGE_PAGE, "connection: close\r\n").await;
    let (mut part, mut received) = (vec![0; 131_072], 0);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        match reader.read(&mut part).await.expect("read") {
            0 => break,
            read => received += read,
        }
    }
    assert!(received > 1_400_000, "{received}");
}
