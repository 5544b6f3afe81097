//! What is put in order before the first request.

use std::time::Duration;

use crate::catalog;
use crate::domain::IntegrationId;
use crate::error::{Error, StartError};
use crate::store::{BuiltinRow, KeyCheckRow, Store};
use crate::vault::{Fault, KeyCheck, Vault};

/// Between two checks of a provider's keys, however soon it may be asked: the database may be what is away.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// Refuses a missing or wrong key, and records current keys that are new. A provider that is away is told of, and is not
/// used until its keys were checked.
pub(super) async fn check_keys(store: &Store, vault: &Vault) -> Result<(), StartError> {
    vault.refuse_absent_providers(&recorded(store).await.map_err(sentence)?)?;
    for provider in vault.providers() {
        match check_provider(store, vault, provider).await.map_err(sentence)? {
            Ok(()) => {}
            Err(Fault::Corrupt(refusal)) => return Err(refusal.into()),
            Err(fault) => {
                tracing::error!(
                    provider,
                    cause = fault.cause(),
                    "secrets cannot be stored until the key service answers"
                );
            }
        }
    }
    Ok(())
}

/// Checks the keys of a provider outside of this process again and again, as soon as it may be asked when it was away: so
/// that it is known to be away before somebody needs it, and to be back without anybody who does. Never ends.
pub(super) async fn follow_keys(store: &Store, vault: &Vault, provider: &'static str, every: Duration) {
    loop {
        tokio::time::sleep(vault.wait_for(provider).unwrap_or(every).max(LEAST_PAUSE).min(every)).await;
        // What the provider answers is logged by its guard.
        if let Err(error) = check_provider(store, vault, provider).await {
            tracing::warn!(provider, cause = error.cause(), "checking the keys of a key service");
        }
    }
}

/// Refuses a missing or wrong key, and a provider that is away.
pub(super) async fn require_keys(store: &Store, vault: &Vault) -> Result<(), StartError> {
    vault.refuse_absent_providers(&recorded(store).await.map_err(sentence)?)?;
    if vault.providers().next().is_none() {
        return Err("no key ring and no key service is configured: point PATCHBAY_KEYRING_FILE at the key ring that \
                    the server uses"
            .to_owned()
            .into());
    }
    for provider in vault.providers() {
        check_provider(store, vault, provider).await.map_err(sentence)?.map_err(|fault| match fault {
            Fault::Corrupt(refusal) => refusal,
            Fault::Unavailable(cause) | Fault::Denied(cause) => {
                format!(
                    "the keys of {provider} cannot be used: {cause}. Nothing was changed; run it again when they can"
                )
            }
        })?;
    }
    Ok(())
}

/// Compares the keys at hand with those that these checks are of, as of a backup. Records nothing.
///
/// # Errors
/// A sentence for the operator when a key is missing or another one, or a provider is away, so that it cannot be told.
pub async fn compare_keys(vault: &Vault, checks: Vec<KeyCheckRow>) -> Result<(), String> {
    let recorded: Vec<_> = checks.into_iter().map(from_row).collect();
    vault.refuse_absent_providers(&recorded)?;
    for provider in vault.providers() {
        match vault.check(provider, &recorded).await {
            Ok(_) => {}
            Err(Fault::Corrupt(refusal)) => return Err(refusal),
            Err(fault) => return Err(format!("the keys of {provider} cannot be used: {}", fault.cause())),
        }
    }
    Ok(())
}

/// Opens the recorded checks with the provider's keys, and records the current key if it is new. The keys are used from
/// then on; or no longer, if they are others.
async fn check_provider(
    store: &Store,
    vault: &Vault,
    provider: &'static str,
) -> crate::error::Result<Result<(), Fault>> {
    let checked = checked(store, vault, provider).await?;
    match &checked {
        Ok(()) if vault.trust(provider) => tracing::info!(provider, "keys checked: secrets can be stored"),
        Err(Fault::Corrupt(cause)) if vault.distrust(provider) => {
            tracing::error!(provider, cause, "the keys are not the ones that secrets were sealed with: none is stored");
        }
        _ => {}
    }
    Ok(checked)
}

async fn checked(store: &Store, vault: &Vault, provider: &'static str) -> crate::error::Result<Result<(), Fault>> {
    let fresh = match vault.check(provider, &recorded(store).await?).await {
        Ok(None) => return Ok(Ok(())),
        Ok(Some(fresh)) => fresh,
        Err(fault) => return Ok(Err(fault)),
    };
    store.system().insert_key_check(to_row(fresh)).await?;
    // Two processes with different keys may both have found no record: one of them must not go on.
    Ok(vault.check(provider, &recorded(store).await?).await.map(drop))
}

pub(super) async fn recorded(store: &Store) -> crate::error::Result<Vec<KeyCheck>> {
    Ok(store.system().key_checks().await?.into_iter().map(from_row).collect())
}

pub(super) async fn load_catalog(store: &Store) -> Result<(), StartError> {
    let builtin = catalog::builtin().map_err(|faults| faults.join("\n"))?;
    let rows: Vec<_> = builtin
        .into_iter()
        .map(|(file, definition)| BuiltinRow {
            id: IntegrationId::of_builtin(&file.name).0,
            name: file.name,
            definition,
            revision: file.revision,
        })
        .collect();
    let loaded = store.system().load_catalog(rows, catalog::retired()).await.map_err(sentence)?;
    if loaded != crate::store::Loaded::default() {
        tracing::info!(
            inserted = loaded.inserted,
            updated = loaded.updated,
            deprecated = loaded.deprecated,
            "catalog loaded"
        );
    }
    Ok(())
}

/// A failure of the database in words for an operator, who may see the cause.
pub(super) fn sentence(error: Error) -> StartError {
    StartError::Transient(match error.cause() {
        Some(cause) => format!("{}: {cause}", error.public_message()),
        None => error.public_message().into_owned(),
    })
}

fn from_row(row: KeyCheckRow) -> KeyCheck {
    KeyCheck { provider: row.provider, kek_ref: row.kek_ref, fingerprint: row.fingerprint, bytes: row.wrapped }
}

fn to_row(check: KeyCheck) -> KeyCheckRow {
    KeyCheckRow {
        provider: check.provider,
        kek_ref: check.kek_ref,
        fingerprint: check.fingerprint,
        wrapped: check.bytes,
    }
}
