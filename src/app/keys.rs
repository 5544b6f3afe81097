//! The keys in force: a key ring, or a key service; with the embedded database a key ring is made on the very first run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::make_folder_of;
use crate::config::{Config, KeysSection};
use crate::store::WholeClaim;
use crate::vault::{Guarded, Keyring, LOCAL, Local, Provider, TRANSIT, Transit, Vault, VaultObserver};

/// A vault over every provider that is configured, and over these key services, which wrap before any other.
///
/// # Errors
/// A sentence for the operator when what is configured cannot be used.
pub(crate) async fn vault(
    config: &Config,
    key_services: Vec<Arc<dyn Provider>>,
    observer: VaultObserver,
) -> Result<Vault, String> {
    let ring = keyring(config)?.map(|ring| local(config, ring));
    let vault = vault_over(config, ring, key_services, observer).await?;
    if vault.providers().next().is_none() {
        tracing::warn!("no key ring is configured: secrets cannot be stored until PATCHBAY_KEYRING_FILE names one");
    }
    Ok(vault)
}

/// A vault over what there is, to compare it with what a backup needs. Makes no key ring.
///
/// # Errors
/// Those of [`vault`].
pub(crate) async fn vault_at_hand(config: &Config) -> Result<Vault, String> {
    let ring = keyring_at_hand(config)?.map(|ring| local(config, ring));
    vault_over(config, ring, Vec::new(), Arc::new(|_| {})).await
}

/// The keys of a ring, which are read again from its file where it has one.
fn local(config: &Config, ring: Keyring) -> Local {
    match keyring_file(config) {
        Ok(file) => Local::from_file(ring, file),
        Err(_) => Local::new(ring),
    }
}

async fn vault_over(
    config: &Config,
    ring: Option<Local>,
    key_services: Vec<Arc<dyn Provider>>,
    observer: VaultObserver,
) -> Result<Vault, String> {
    let keys = &config.keys;
    let guarded = |service| -> Arc<dyn Provider> { Arc::new(Guarded::new(service, keys.timeout, observer.clone())) };
    let mut providers: Vec<_> = key_services.into_iter().map(guarded).collect();
    providers.extend(ring.map(|ring| -> Arc<dyn Provider> { Arc::new(ring) }));
    if let Some(settings) = &keys.transit {
        providers.push(guarded(Arc::new(Transit::new(settings)?)));
    }
    providers.extend(aws_kms(config).await?.map(guarded));
    if let Some(first) = &keys.provider {
        let at = providers.iter().position(|provider| provider.name() == first);
        let at = at.ok_or_else(|| format!("keys.provider is {first}, which is not configured: {}", needs(first)))?;
        providers[..=at].rotate_right(1);
    }
    Ok(Vault::new(providers, keys.cache).observed_by(observer))
}

/// The key in AWS KMS, if one is configured. Nobody is asked yet.
#[cfg(feature = "aws-kms")]
async fn aws_kms(config: &Config) -> Result<Option<Arc<dyn Provider>>, String> {
    use crate::vault::{AwsKms, sdk_config};
    let Some(kms) = config.keys.kms.clone() else { return Ok(None) };
    let sdk = sdk_config(&kms.key_id, kms.region, kms.endpoint_url).await?;
    Ok(Some(Arc::new(AwsKms::new(&sdk, kms.key_id))))
}

#[cfg(not(feature = "aws-kms"))]
async fn aws_kms(config: &Config) -> Result<Option<Arc<dyn Provider>>, String> {
    match &config.keys.kms {
        None => Ok(None),
        Some(_) => Err("keys.kms_key_id: this build has no aws-kms: build with --features aws-kms".into()),
    }
}

/// The setting that a provider cannot do without.
fn needs(provider: &str) -> &'static str {
    match provider {
        TRANSIT => "set keys.transit_url",
        "aws-kms" => "set keys.kms_key_id",
        _ => "point PATCHBAY_KEYRING_FILE at a key ring",
    }
}

/// Whether a key ring is to wrap, as far as the settings tell.
fn is_local(keys: &KeysSection) -> bool {
    match &keys.provider {
        Some(provider) => provider == LOCAL,
        None => keys.transit.is_none() && keys.kms.is_none(),
    }
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

/// The key ring in force; made on the very first run with the embedded database and no key service, and never otherwise.
pub(crate) fn keyring(config: &Config) -> Result<Option<Keyring>, String> {
    // Asked in this order, because a first run makes the key ring before the database: another process on its first
    // run at the same moment can then never be taken for a database whose key ring is gone.
    let has_database = config.embedded_database().is_none_or(|path| path.exists());
    let at_hand = keyring_at_hand(config)?;
    // Secrets may have been sealed with a key that is gone: a new one would only hide that.
    if at_hand.is_some() || has_database || !is_local(&config.keys) {
        return Ok(at_hand);
    }
    create_keyring(&default_keyring(config))?;
    keyring_at_hand(config)
}

/// Refuses an empty database file beside its key ring: the database that belongs to the ring is gone. Another process that
/// is creating the file right now holds a claim on it.
pub(super) fn refuse_emptied_database(config: &Config, database: &Path) -> Result<(), String> {
    let is_empty = database.metadata().is_ok_and(|file| file.len() == 0);
    if !is_empty || !default_keyring(config).exists() {
        return Ok(());
    }
    match WholeClaim::is_to_be_had(database).map_err(super::database_sentence)? {
        false => Ok(()),
        true => Err(format!(
            "the database {} is empty, and a key ring lies beside it: put the database back, or restore a backup; for a \
             first start delete the empty file",
            database.display()
        )),
    }
}

/// The key ring in force, if there is one.
fn keyring_at_hand(config: &Config) -> Result<Option<Keyring>, String> {
    if !config.keys.keyring.is_empty() {
        return Keyring::parse(&config.keys.keyring).map(Some).map_err(|e| format!("keys.keyring: {e}"));
    }
    if let Some(path) = &config.keys.keyring_file {
        return Keyring::read(path).map(Some).map_err(|e| e.to_string());
    }
    let path = default_keyring(config);
    if config.embedded_database().is_none() || !path.exists() {
        return Ok(None);
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
