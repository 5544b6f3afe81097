//! Probes beside requests that keep every worker thread busy.

use std::sync::mpsc;
use std::time::Instant;

use super::*;
use crate::support::exchange;

/// Longer than any probe may wait, and still far from what blocks the workers.
const BUSY: Duration = Duration::from_secs(20);
const QUICK: Duration = Duration::from_secs(5);

#[test]
fn probes_are_answered_while_every_worker_thread_is_busy() {
    let main = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let (world, served) = main.block_on(open(&[]));
    let ask = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.block_on(async { exchange(TcpStream::connect(served.address).await.unwrap(), head.as_bytes()).await })
    };
    assert_eq!(ask("/readyz").status, 200);
    let releases: Vec<_> = (0..2)
        .map(|_| {
            let (release, blocked) = mpsc::channel::<()>();
            let (entered, begun) = mpsc::channel();
            main.spawn(async move {
                entered.send(()).expect("waited for");
                let _ = blocked.recv_timeout(BUSY);
            });
            begun.recv_timeout(BUSY).expect("a worker is blocked");
            release
        })
        .collect();
    for (path, status) in [("/healthz", 200), ("/metrics", 200), ("/readyz", 503), ("/healthz", 200)] {
        let begun = Instant::now();
        let answer = ask(path);
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (status, Some("close")), "{path}");
        assert!(begun.elapsed() < QUICK, "{path}: {:?}", begun.elapsed());
    }
    drop(releases);
    assert_eq!(ask("/readyz").status, 200);
    main.block_on(served.stop());
    main.block_on(async move { drop(world) });
}
