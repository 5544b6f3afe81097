//! What is put in order before the first request.

use crate::catalog;
use crate::domain::IntegrationId;
use crate::error::Error;
use crate::store::{BuiltinRow, KeyCheckRow, Store};
use crate::vault::{KeyCheck, Vault};

/// Refuses a missing or wrong key, and records the primary key when it is new.
pub(super) async fn record_key_checks(store: &Store, vault: &Vault) -> Result<(), String> {
    let system = store.system();
    let recorded = system.key_checks().await.map_err(sentence)?;
    let recorded: Vec<_> = recorded.into_iter().map(from_row).collect();
    for check in vault.verify(&recorded)? {
        system.insert_key_check(to_row(check)).await.map_err(sentence)?;
    }
    // Two processes with different keys may both have found no record: one of them must not go on.
    let recorded: Vec<_> = system.key_checks().await.map_err(sentence)?.into_iter().map(from_row).collect();
    vault.verify(&recorded).map(drop)
}

pub(super) async fn load_catalog(store: &Store) -> Result<(), String> {
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

/// The error in words for an operator, who may see the cause.
pub(super) fn sentence(error: Error) -> String {
    match error.cause() {
        Some(cause) => format!("{}: {cause}", error.public_message()),
        None => error.public_message().into_owned(),
    }
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
