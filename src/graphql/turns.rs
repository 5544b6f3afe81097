//! Shares the processor between requests: the fields of one request use it one after another, and yield to other tasks
//! in between. A timer fires only while its task is not running.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::yield_now;

/// How long a request may use the processor before it yields.
pub(super) const TIME_SLICE: Duration = Duration::from_millis(1);

/// The turns of one request's fields. Holds when the request last yielded.
pub(super) struct CpuTurns(Mutex<Instant>);

impl CpuTurns {
    /// Starts the first time slice.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Waits until no other field of the request computes, and yields when the time slice is used up. The turn ends when
    /// the guard is dropped.
    pub(super) async fn take(&self) -> MutexGuard<'_, Instant> {
        let mut since = self.0.lock().await;
        if since.elapsed() >= TIME_SLICE {
            yield_now().await;
            *since = Instant::now();
        }
        since
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn fields_that_compute_let_other_tasks_run_between_them() {
        let turns = CpuTurns::new();
        let order = std::sync::Mutex::new(Vec::new());
        let field = async |name: usize| {
            let _turn = turns.take().await;
            std::thread::sleep(TIME_SLICE);
            order.lock().unwrap().push(name);
        };
        let other = async {
            for _ in 0..3 {
                yield_now().await;
                order.lock().unwrap().push(99);
            }
        };
        tokio::join!(join_all([field(0), field(1), field(2), field(3)]), other);
        let order = order.into_inner().unwrap();
        let fields = order.iter().copied().filter(|name| *name != 99);
        assert!(fields.eq([0, 1, 2, 3]), "{order:?}");
        let position = |wanted| order.iter().position(|name| *name == wanted);
        assert!(position(99) < position(3), "{order:?}");
    }
}
