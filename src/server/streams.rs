//! The open streams of an HTTP/2 connection: whether it is idle, and whether its responses are read.
//!
//! PINGs and window updates open no stream, so they count neither as activity nor as progress.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Streams of one connection.
pub(super) struct Streams(Mutex<Table>);

struct Table {
    next_id: u64,
    open: usize,
    idle_since: Instant,
    /// When each response that is being written last made progress.
    progress: HashMap<u64, Instant>,
}

/// One open stream; it closes when dropped.
pub(super) struct Stream {
    id: u64,
    streams: Arc<Streams>,
}

impl Default for Streams {
    fn default() -> Self {
        let table = Table { next_id: 0, open: 0, idle_since: Instant::now(), progress: HashMap::new() };
        Self(Mutex::new(table))
    }
}

impl Streams {
    /// Opens a stream.
    pub(super) fn open(self: &Arc<Self>) -> Stream {
        let mut table = self.lock();
        table.open += 1;
        table.next_id += 1;
        Stream { id: table.next_id, streams: self.clone() }
    }

    /// Since when no stream is open; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let table = self.lock();
        (table.open == 0).then_some(table.idle_since)
    }

    /// The last progress of the response that has waited longest for its reader; `None` when none waits.
    pub(super) fn oldest_progress(&self) -> Option<Instant> {
        self.lock().progress.values().min().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// The protocol library takes a part of the response.
    pub(super) fn progress(&self) {
        self.streams.lock().progress.insert(self.id, Instant::now());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut table = self.streams.lock();
        table.open -= 1;
        table.progress.remove(&self.id);
        if table.open == 0 {
            table.idle_since = Instant::now();
        }
    }
}
