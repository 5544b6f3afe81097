//! What the operating system is told of this process.

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Keeps the secrets in memory out of core dumps, and from debuggers of the same user.
///
/// # Errors
/// A sentence for the log when the system refuses it.
#[cfg(target_os = "linux")]
pub(super) fn protect_memory() -> Result<(), String> {
    // Without this one a privileged reader of crashes gets a dump whatever the limit is.
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    dumpable.map_err(|e| format!("the memory of this process cannot be kept out of core dumps: {e}"))?;
    if getrlimit(Resource::Core).maximum != Some(0) {
        let limit = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, limit).map_err(|e| format!("the limit of core dumps cannot be set to 0: {e}"))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn protect_memory() -> Result<(), String> {
    Ok(())
}

/// The id of the user that this process acts as.
#[cfg(unix)]
pub(super) fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}
