//! The keys in force: a key ring, or a key service; with the embedded database a key ring is made on the very first run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::make_folder_of;
use crate::config::Config;
use crate::vault::{Keyring, Local, Provider, Vault};

/// A vault over every provider that is configured, the one that wraps first.
///
/// # Errors
/// A sentence for the operator when what is configured cannot be used.
pub(crate) fn vault(config: &Config) -> Result<Vault, String> {
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    if let Some(ring) = keyring(config)? {
        providers.push(Arc::new(Local::new(ring)));
    }
    if providers.is_empty() {
        tracing::warn!("no key ring is configured: secrets cannot be stored until PATCHBAY_KEYRING_FILE names one");
    }
    Ok(Vault::new(providers, config.keys.cache))
}

/// The file of the key ring in force.
///
/// # Errors
/// A sentence for the operator when the key ring is not in a file, or there is none.
pub(crate) fn keyring_file(config: &Config) -> Result<PathBuf, String> {
    if !config.keys.keyring.is_empty() {
        return Err(
            "the key ring comes from PATCHBAY_KEYRING (keys.keyring), not from a file: change it where that is \
                    set, or name a file with --file"
                .to_owned(),
        );
    }
    let file = config.keys.keyring_file.clone();
    let file = file.or_else(|| config.embedded_database().is_some().then(|| default_keyring(config)));
    file.ok_or_else(|| "no key ring file is configured: set PATCHBAY_KEYRING_FILE, or name one with --file".to_owned())
}

/// The key ring in force; made on the very first run with the embedded database, and never otherwise.
pub(crate) fn keyring(config: &Config) -> Result<Option<Keyring>, String> {
    if !config.keys.keyring.is_empty() {
        return Keyring::parse(&config.keys.keyring).map(Some).map_err(|e| format!("keys.keyring: {e}"));
    }
    if let Some(path) = &config.keys.keyring_file {
        return Keyring::read(path).map(Some).map_err(|e| e.to_string());
    }
    let Some(database) = config.embedded_database() else { return Ok(None) };
    let path = default_keyring(config);
    // Asked in this order, because a first run makes the key ring before the database: another process on its first
    // run at the same moment can then never be taken for a database whose key ring is gone.
    let has_database = database.exists();
    if !path.exists() {
        if has_database {
            // Secrets may have been sealed with a key that is gone: a new one would only hide that.
            return Ok(None);
        }
        create_keyring(&path)?;
    }
    Keyring::read_new(&path).map(Some).map_err(|e| e.to_string())
}

fn default_keyring(config: &Config) -> PathBuf {
    config.server.data_dir.join("keyring.json")
}

fn create_keyring(path: &Path) -> Result<(), String> {
    make_folder_of(path)?;
    match Keyring::create(path) {
        Ok(()) => {
            tracing::info!(file = %path.display(), key = 1, "made a key ring: keep a copy, secrets cannot be read without it");
            Ok(())
        }
        // Another process on its first run was faster.
        Err(_) if path.exists() => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
