//! The threads that requests run on, as a probe sees them from its own thread.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// How long the worker threads may leave a task alone before they count as busy. On a machine with more load than
/// processors a task waits for tenths of a second, and a shorter time takes a healthy replica out of rotation.
const BUSY_AFTER: Duration = Duration::from_millis(500);

/// The main runtime. Cheap to clone.
#[derive(Clone)]
pub(super) struct Workers(Handle);

impl Workers {
    /// The runtime that this is called on.
    pub(super) fn current() -> Self {
        Self(Handle::current())
    }

    /// Runs a task on the worker threads; `None` when they start no task for [`BUSY_AFTER`]. The task
    /// still runs to completion.
    pub(super) async fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut running = self.0.spawn(task);
        loop {
            let is_alive = timeout(BUSY_AFTER, self.0.spawn(async {}));
            tokio::select! {
                biased;
                outcome = &mut running => return outcome.ok(),
                is_alive = is_alive => if is_alive.is_err() {
                    return None;
                },
            }
            tokio::select! {
                biased;
                outcome = &mut running => return outcome.ok(),
                () = sleep(BUSY_AFTER) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_workers_are_reported_and_idle_ones_run_the_task() {
        let main = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let workers = Workers(main.handle().clone());
        assert_eq!(own.block_on(workers.run(async { 1 })), Some(1));
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        main.spawn(async move { blocked.recv() });
        assert_eq!(own.block_on(workers.run(std::future::pending::<()>())), None);
        release.send(()).expect("released");
        // A slow task is no busy worker.
        assert_eq!(own.block_on(workers.run(async { sleep(4 * BUSY_AFTER).await })), Some(()));
    }
}
