//! The pepper in force: the one that is set, or, with the embedded database, a file beside it that is made at the first
//! need.

use std::path::Path;

use zeroize::Zeroizing;

use crate::config::Config;
use crate::service::Pepper;
use crate::store::Store;
use crate::vault::private_file;

const FILE: &str = "pepper";
const WHAT: &str = "pepper";
/// Bytes of a new one.
const FRESH: usize = 32;

/// The pepper, if there is one; `is_needed` when nothing works without.
///
/// # Errors
/// A sentence for the operator when one is needed and there is none, or the one that is set is no good.
pub(crate) async fn pepper(config: &Config, store: &Store, is_needed: bool) -> Result<Option<Pepper>, String> {
    if !config.auth.pepper.is_empty() {
        return set_pepper(config).map(Some);
    }
    let found = match config.embedded_database() {
        Some(_) => of_file(&config.server.data_dir.join(FILE), store).await.map(Some),
        None if is_needed => {
            Err("API keys need a pepper, the same on every replica: make one with `openssl rand -hex 32` \
             and set it as PATCHBAY_AUTH_PEPPER, or a file that holds it as PATCHBAY_AUTH_PEPPER_FILE"
                .to_owned())
        }
        None => Ok(None),
    };
    match found {
        Err(cause) if !is_needed => {
            tracing::warn!(cause, "there is no pepper: no API key can be made");
            Ok(None)
        }
        found => found,
    }
}

/// The pepper, if there is one, to compare it with the one that a backup needs. Makes none.
///
/// # Errors
/// A sentence for the operator when the one that is set is no good.
pub(crate) fn pepper_at_hand(config: &Config) -> Result<Option<Pepper>, String> {
    if !config.auth.pepper.is_empty() {
        return set_pepper(config).map(Some);
    }
    let path = config.server.data_dir.join(FILE);
    if config.embedded_database().is_none() || !path.exists() {
        return Ok(None);
    }
    read(&path).map(Some)
}

fn set_pepper(config: &Config) -> Result<Pepper, String> {
    Pepper::new(&config.auth.pepper).map_err(|e| format!("auth.pepper: {e}"))
}

async fn of_file(path: &Path, store: &Store) -> Result<Pepper, String> {
    if !path.exists() {
        if !store.api_keys().is_empty().await.map_err(super::database_sentence)? {
            // A new one would only hide that every key has become void.
            return Err(format!(
                "this database has API keys, but {} is not there: put it back, or set PATCHBAY_AUTH_PEPPER to what it held",
                path.display()
            ));
        }
        create(path)?;
    }
    read(path)
}

fn read(path: &Path) -> Result<Pepper, String> {
    let text = private_file::read_new(path, WHAT)?;
    Pepper::new(text.trim_end()).map_err(|e| format!("{}: {e}", path.display()))
}

fn create(path: &Path) -> Result<(), String> {
    super::make_folder_of(path)?;
    let mut bytes = Zeroizing::new([0; FRESH]);
    getrandom::fill(&mut bytes[..]).map_err(|_| "the operating system gave no randomness".to_owned())?;
    let text: Zeroizing<String> = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    match private_file::create(path, &text) {
        Ok(()) => {
            tracing::info!(file = %path.display(), "made a pepper: keep a copy, API keys are void without it");
            Ok(())
        }
        // Another process at its first need was faster.
        Err(_) if path.exists() => Ok(()),
        Err(e) => Err(format!("cannot write {WHAT} {}: {e}", path.display())),
    }
}
