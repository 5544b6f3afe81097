//! Key services that hold the provider keys: the real ones, one in process that fails as it is told, and what happens when
//! they are away or refuse.

mod bao;
mod journey;
#[cfg(feature = "aws-kms")]
mod kms;
#[cfg(not(feature = "aws-kms"))]
mod kms_absent;
#[cfg(feature = "aws-kms")]
mod kms_server;
mod openbao;
mod transit;

use patchbay::domain::AccountId;
use patchbay::vault::{CacheSettings, Fault, KeyBytes, KeyPlace, TransitSettings, Vault, WrappedKey};
use tempfile::TempDir;

use crate::support::{TestDatabase, account_id};

const INSTALL: &str = "/api/v1/integrations/stripe/install";
const UNAVAILABLE: &str = "Secret encryption service unavailable";

/// No data key is kept, so that each is asked for.
const NO_CACHE: CacheSettings = CacheSettings { entries: 0, ttl: std::time::Duration::ZERO };

/// A database, and servers on it. Starting one blocks the thread: what it asks meanwhile needs another.
struct Place {
    folder: TempDir,
    database: TestDatabase,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let database = TestDatabase::create(&folder).await;
        Self { folder, database }
    }
}

/// The transit engine at this URL, with its key `patchbay`.
fn settings_for(url: &str, token: &str) -> TransitSettings {
    TransitSettings {
        url: url.to_owned(),
        mount: "transit".into(),
        key: "patchbay".into(),
        token: token.to_owned().into(),
        token_file: None,
        namespace: String::new(),
        ca_file: None,
        key_per_account: false,
    }
}

fn data_key() -> KeyBytes {
    [7; 32].into()
}

fn place(account: &AccountId, key_id: u32) -> KeyPlace<'_> {
    KeyPlace { account, key_id }
}

/// What a refusal says of bytes that are no good.
fn corrupt<T>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Err(Fault::Corrupt(cause)) => cause,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("no fault"),
    }
}

/// Whether the vault gives the data key out.
async fn opens(vault: &Vault, account: &str, wrapped: &WrappedKey) -> bool {
    vault.data_key(&account_id(account), wrapped).await.is_ok()
}
