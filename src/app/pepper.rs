//! The pepper in force: the one that is set, or, with the embedded database, a file beside it that is made at the first
//! need.

use std::path::Path;

use zeroize::Zeroizing;

use crate::config::{Config, trim_secret};
use crate::error::{Error, StartError};
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
pub(crate) async fn pepper(config: &Config, store: &Store, is_needed: bool) -> Result<Option<Pepper>, StartError> {
    if !config.auth.pepper.is_empty() {
        return in_force(set_peppers(config)?, "auth.pepper", store).await.map(Some);
    }
    let found = match config.embedded_database() {
        Some(_) => of_file(&config.server.data_dir.join(FILE), store).await.map(Some),
        None if is_needed => {
            Err("API keys need a pepper, the same on every replica: make one with `openssl rand -hex 32` \
             and set it as PATCHBAY_AUTH_PEPPER, or a file that holds it as PATCHBAY_AUTH_PEPPER_FILE"
                .to_owned()
                .into())
        }
        None => Ok(None),
    };
    match found {
        Err(error) if !is_needed => {
            let cause = String::from(error);
            tracing::warn!(cause, "there is no pepper: no API key can be made");
            Ok(None)
        }
        found => found,
    }
}

/// The peppers that the configured one may be, to compare them with the one that a backup needs; empty when there is none.
/// Makes none.
///
/// # Errors
/// A sentence for the operator when the one that is set is no good.
pub(crate) fn pepper_at_hand(config: &Config) -> Result<Vec<Pepper>, String> {
    if !config.auth.pepper.is_empty() {
        return set_peppers(config);
    }
    let path = config.server.data_dir.join(FILE);
    if config.embedded_database().is_none() || !path.exists() {
        return Ok(Vec::new());
    }
    read(&path)
}

fn set_peppers(config: &Config) -> Result<Vec<Pepper>, String> {
    candidates(&config.auth.pepper).map_err(|e| format!("auth.pepper: {e}"))
}

/// The pepper of a text: without the white space around it; then, for keys that an earlier version made, as a variable with
/// a line break at the end held it.
fn candidates(text: &str) -> Result<Vec<Pepper>, String> {
    let pepper = trim_secret(text);
    let before = [text.to_owned(), text.trim_end().to_owned(), format!("{pepper}\n"), format!("{pepper}\r\n")];
    let before = before.into_iter().map(|text| Pepper::new(&text));
    std::iter::once(Pepper::new(pepper)).chain(before).collect()
}

/// The candidate that the API keys of the database were made with, the first if none was.
async fn in_force(peppers: Vec<Pepper>, source: &str, store: &Store) -> Result<Pepper, StartError> {
    let recorded = store.api_keys().recorded_pepper().await.map_err(failed)?;
    let is_recorded = |pepper: &Pepper| recorded.as_deref() == Some(&*pepper.fingerprint());
    let at = peppers.iter().position(is_recorded).unwrap_or_default();
    if at > 0 {
        tracing::warn!(
            source,
            "API keys of this database were made with white space around the pepper, such as the line break of a file: \
             Patchbay goes on using that pepper"
        );
    }
    peppers.into_iter().nth(at).ok_or_else(|| "no pepper".to_owned().into())
}

fn failed(error: Error) -> StartError {
    StartError::Transient(super::database_sentence(error))
}

async fn of_file(path: &Path, store: &Store) -> Result<Pepper, StartError> {
    if !path.exists() {
        if !store.api_keys().is_empty().await.map_err(failed)? {
            // A new one would only hide that every key has become void.
            return Err(format!(
                "this database has API keys, but {} is not there: put it back, or set PATCHBAY_AUTH_PEPPER to what it held",
                path.display()
            )
            .into());
        }
        create(path)?;
    }
    in_force(read(path)?, FILE, store).await
}

fn read(path: &Path) -> Result<Vec<Pepper>, String> {
    let text = private_file::read_new(path, WHAT)?;
    candidates(&text).map_err(|e| format!("{}: {e}", path.display()))
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
