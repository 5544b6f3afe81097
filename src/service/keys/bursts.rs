//! Leaving room for others where one process writes at a time.
//!
//! SQLite has no queue: whoever finds the file locked looks again after 1, 2, 5, 10, 15, 20 and then 25 ms. Between the
//! writes of a run, one after the other, a server would find it free by chance alone, and its clients would wait for
//! seconds. So a run writes for a while and then rests for longer than anybody who came meanwhile waits before looking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long a run writes without a rest.
const BURST: Duration = Duration::from_millis(100);
/// How long it rests.
const REST: Duration = Duration::from_millis(50);

/// The writes of this process that others should not have to wait for. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Bursts {
    /// When the first write since the last rest was done.
    begun: Arc<Mutex<Option<Instant>>>,
}

impl Bursts {
    /// Has something written, and rests when it is time.
    pub(super) async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        // Kept while resting: then everybody rests.
        let mut begun = self.begun.lock().await;
        let written = write.await;
        if begun.get_or_insert_with(Instant::now).elapsed() > BURST {
            tokio::time::sleep(REST).await;
            *begun = None;
        }
        written
    }
}
