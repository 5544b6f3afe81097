//! Peak memory and CPU time of a piece of work.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Measurements exclude each other: the allocator counts for all threads together.
static ALONE: Mutex<()> = Mutex::new(());

/// Memory beyond the size of the request, per byte of it, and the allowance on top of that.
const MEMORY_PER_BYTE: usize = 20;
pub(crate) const MEMORY_ALLOWANCE: usize = 1 << 20;
/// One MiB more for request bodies: those of nothing but small objects exceed the promise (decision 42).
pub(crate) const BODY_ALLOWANCE: usize = 2 << 20;
/// CPU time per unit of the request.
const CPU_TIME: Duration = Duration::from_millis(50);
const CPU_UNIT: usize = 64 << 10;

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The highest memory in use beyond that before the work, in bytes.
    pub(crate) memory: usize,
    /// Of the thread that did the work.
    pub(crate) cpu: Duration,
}

/// Does the work, and measures it.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, started) = (ALLOCATOR.current_usage(), cpu_time());
    ALLOCATOR.reset_peak_usage();
    let done = work();
    let memory = ALLOCATOR.peak_usage().saturating_sub(before);
    (done, Cost { memory, cpu: cpu_time().saturating_sub(started) })
}

/// Why a request of this size may not cost that.
pub(crate) fn excess(size: usize, allowance: usize, cost: Cost) -> Option<String> {
    let memory = MEMORY_PER_BYTE * size + allowance;
    if cost.memory > memory {
        return Some(format!("{} bytes of memory for a request of {size} bytes, at most {memory}", cost.memory));
    }
    let cpu = CPU_TIME * u32::try_from(size.div_ceil(CPU_UNIT).max(1)).unwrap_or(u32::MAX);
    let counts_time = !cfg!(debug_assertions) || std::env::var_os("LONG_TESTS").is_some();
    (counts_time && cost.cpu > cpu)
        .then(|| format!("{:?} of CPU time for a request of {size} bytes, at most {cpu:?}", cost.cpu))
}

/// The CPU time of this thread until now; zero where the system does not say.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}
