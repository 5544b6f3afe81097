//! No copy of the memory, which holds keys and secrets, reaches a disk or another process of the same user.

/// Ends core dumps of this process and, on Linux, reads of its memory by processes without `CAP_SYS_PTRACE`. What the system
/// refuses stays as it was: a service manager may have set it already (`LimitCORE=0`).
pub(super) fn prevent() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // See prctl(2), PR_SET_DUMPABLE.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
