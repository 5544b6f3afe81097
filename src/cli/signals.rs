//! SIGTERM and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Asked to stop, by either.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    pub(super) fn listen() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|e| e.to_string());
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the first one. The second does not wait for anything.
    pub(super) async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(1);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Becomes true with the first one: for work that stops where it is good to stop.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, String> {
    let (signals, flag) = (Signals::listen()?, Arc::new(AtomicBool::new(false)));
    let raised = flag.clone();
    tokio::spawn(async move {
        signals.first().await;
        raised.store(true, Ordering::Release);
    });
    Ok(flag)
}
