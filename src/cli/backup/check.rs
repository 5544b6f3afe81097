//! Whether a backup is whole, can be used by this binary, and opens with the keys at hand. Writes nothing.

use std::fs;
use std::io::sink;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::files::digest;
use super::manifest::Manifest;
use crate::app;
use crate::cli::bar::byte_bar;
use crate::cli::print::{count, sentence};
use crate::config::Config;
use crate::service::{Pepper, compare_keys};
use crate::store::{Contents, Copied};

/// A backup that passed.
pub(super) struct Checked {
    pub(super) manifest: Manifest,
    pub(super) contents: Contents,
}

pub(super) async fn check(config: &Config, backup: &Path, keys: bool, stop: &AtomicBool) -> Result<Checked, String> {
    if backup.is_dir() {
        return Err(format!("{} is a folder: name one of the backups in it", backup.display()));
    }
    let manifest = Manifest::read(backup)?;
    refuse_other_bytes(backup, &manifest, stop)?;
    let contents = look_into(backup).await?;
    refuse_newer(backup, &contents, &manifest)?;
    if keys {
        refuse_other_keys(config, &contents).await?;
    }
    Ok(Checked { manifest, contents })
}

fn refuse_other_bytes(backup: &Path, manifest: &Manifest, stop: &AtomicBool) -> Result<(), String> {
    let file = backup.display();
    let bytes = fs::metadata(backup).map_err(|e| format!("cannot read {file}: {e}"))?.len();
    let other = "it was damaged or cut off on its way, or the manifest is of another backup";
    if bytes != manifest.bytes {
        return Err(format!("{file} has {bytes} bytes, and its manifest says {}: {other}", manifest.bytes));
    }
    let bar = byte_bar("checking", bytes)?;
    let sha256 = digest(backup, &mut sink(), &bar, stop);
    bar.finish_and_clear();
    match sha256? == manifest.sha256 {
        true => Ok(()),
        false => Err(format!("{file} has another SHA-256 than its manifest says: {other}")),
    }
}

/// Of a file that is as it was written; it was not whole then if this fails.
async fn look_into(backup: &Path) -> Result<Contents, String> {
    let unusable = |error| format!("{} cannot be used: {}", backup.display(), sentence(error));
    let copied = Copied::open(backup).await.map_err(unusable)?;
    let fault = copied.fault().await.map_err(unusable)?;
    let contents = copied.contents().await;
    copied.close().await;
    match fault {
        None => contents.map_err(unusable),
        Some(fault) => Err(format!("{} is damaged: {fault}", backup.display())),
    }
}

fn refuse_newer(backup: &Path, contents: &Contents, manifest: &Manifest) -> Result<(), String> {
    match contents.unknown_steps().as_slice() {
        [] => Ok(()),
        unknown => Err(format!(
            "{} has a newer schema than this Patchbay {} knows ({}): use Patchbay {} or newer",
            backup.display(),
            env!("CARGO_PKG_VERSION"),
            unknown.join(", "),
            manifest.patchbay
        )),
    }
}

async fn refuse_other_keys(config: &Config, contents: &Contents) -> Result<(), String> {
    let refused = |refusal| format!("the keys at hand are not the ones of this backup: {refusal}. {WITHOUT_KEYS}");
    let checks = contents.key_checks.clone();
    compare_keys(&app::vault_at_hand(config).await?, checks).await.map_err(refused)?;
    let Some(needed) = &contents.pepper else { return Ok(()) };
    let keys = count(contents.counts.api_keys, "API key");
    let at_hand: Vec<_> = app::pepper_at_hand(config)?.iter().map(Pepper::fingerprint).collect();
    if at_hand.contains(needed) {
        return Ok(());
    }
    let at_hand = match at_hand.first() {
        Some(other) => format!("the pepper at hand has fingerprint {other}"),
        None => "there is no pepper at hand".to_owned(),
    };
    Err(format!(
        "the pepper at hand is not the one of this backup: it has {keys} made with a pepper of fingerprint {needed}, and \
         {at_hand}. Put the file pepper back beside the database, or set PATCHBAY_AUTH_PEPPER to what it held. \
         {WITHOUT_KEYS}"
    ))
}

const WITHOUT_KEYS: &str = "To go on without them, say --without-keys";
