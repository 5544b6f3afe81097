//! Commands that change provider keys stop before running servers that the change would cut off.

use super::Force;
use crate::cli::print::sentence;
use crate::service::{Blocked, KeyKeeper};

/// Refuses while a running server does not know this provider key.
pub(super) async fn require_known(
    keys: &KeyKeeper,
    provider: &str,
    kek_ref: &str,
    force: &Force,
) -> Result<(), String> {
    if force.force {
        return Ok(());
    }
    let blocked = keys.wait_until_known(provider, kek_ref).await.map_err(sentence)?;
    refuse_unknown(blocked, kek_ref)
}

/// Refuses while a running server does not know the provider key that wraps new data keys.
pub(super) async fn require_current_known(keys: &KeyKeeper, force: &Force) -> Result<(), String> {
    // Without a usable key the command itself says why.
    let Ok((provider, kek_ref)) = keys.current_key().await else { return Ok(()) };
    if force.force {
        return Ok(());
    }
    let blocked = keys.wait_until_current(provider, &kek_ref).await.map_err(sentence)?;
    refuse_unknown(blocked, &kek_ref)
}

/// Refuses while a running server wraps new data keys with this provider key.
pub(super) async fn require_unused(keys: &KeyKeeper, kek_ref: &str, force: &Force) -> Result<(), String> {
    if force.force {
        return Ok(());
    }
    let blocked = keys.wait_until_unused(kek_ref).await.map_err(sentence)?;
    refuse(blocked, &format!("not wrap new data keys with another key than {kek_ref} yet"))
}

fn refuse_unknown(blocked: Option<Blocked>, kek_ref: &str) -> Result<(), String> {
    refuse(blocked, &format!("not know {kek_ref}, and could not open data keys that it wraps"))
}

fn refuse(blocked: Option<Blocked>, reason: &str) -> Result<(), String> {
    let Some(Blocked { servers }) = blocked else { return Ok(()) };
    let who = if servers == 1 { "1 running server does".to_owned() } else { format!("{servers} running servers do") };
    Err(format!(
        "{who} {reason}: bring the key ring file to every server and send it SIGHUP, or restart it. A server that was \
         killed counts for 90 seconds. --force does it anyway"
    ))
}
