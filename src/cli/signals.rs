//! SIGTERM, Ctrl-C and SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::service::KeyKeeper;

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

/// SIGHUP, which asks a server to read its key ring again.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// From now on it does not end the process.
    pub(super) fn listen() -> Result<Self, String> {
        signal(SignalKind::hangup()).map(Self).map_err(|e| e.to_string())
    }

    /// Has the key ring read again at each signal. Never ends.
    pub(super) async fn follow(mut self, keys: KeyKeeper) {
        while self.0.recv().await.is_some() {
            tracing::info!("SIGHUP: reading the key ring again; settings, tokens and the pepper need a restart");
            keys.reload_ring().await;
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
