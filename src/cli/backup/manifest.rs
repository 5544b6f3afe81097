//! What a backup says of itself: a JSON document beside it, free of keys and values.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{Contents, Counts};

/// Of the document. Another one is refused.
const FORMAT: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The version that made it.
    pub(super) patchbay: String,
    pub(super) made_at: DateTime<Utc>,
    pub(super) bytes: u64,
    /// Of the whole file, in hexadecimal.
    pub(super) sha256: String,
    /// Steps of the schema that had been taken.
    schema: Vec<String>,
    /// The provider keys that it takes to open the secrets.
    pub(super) keys: Vec<NeededKey>,
    /// The fingerprint of the pepper that it takes to prove the API keys; none without API keys.
    pub(super) pepper: Option<String>,
    pub(super) accounts: u64,
    pub(super) installations: u64,
    pub(super) secrets: u64,
    pub(super) api_keys: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NeededKey {
    pub(super) provider: String,
    pub(super) key: String,
    /// Empty where the provider tells nothing of its keys.
    pub(super) fingerprint: String,
}

/// What is understood of every document, also of a later format.
#[derive(Deserialize)]
struct Head {
    format: u32,
    patchbay: String,
}

impl Manifest {
    pub(super) fn of(contents: &Contents, made_at: DateTime<Utc>, bytes: u64, sha256: String) -> Self {
        let Contents { steps, key_checks, pepper, counts } = contents;
        let Counts { accounts, installations, secrets, api_keys } = *counts;
        let keys = key_checks.iter().map(|check| NeededKey {
            provider: check.provider.clone(),
            key: check.kek_ref.clone(),
            fingerprint: check.fingerprint.clone(),
        });
        Self {
            format: FORMAT,
            patchbay: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            bytes,
            sha256,
            schema: steps.clone(),
            keys: keys.collect(),
            pepper: pepper.clone(),
            accounts,
            installations,
            secrets,
            api_keys,
        }
    }

    /// Where the manifest of a backup lies.
    pub(super) fn place(backup: &Path) -> PathBuf {
        let mut name = backup.as_os_str().to_owned();
        name.push(".manifest.json");
        name.into()
    }

    pub(super) fn read(backup: &Path) -> Result<Self, String> {
        let path = Self::place(backup);
        let text = fs::read_to_string(&path).map_err(|e| {
            format!(
                "cannot read {}: {e}. The manifest that was written with a backup has to lie beside it",
                path.display()
            )
        })?;
        let unread = |e: serde_json::Error| format!("{} is no manifest of a backup: {e}", path.display());
        let head: Head = serde_json::from_str(&text).map_err(unread)?;
        if head.format != FORMAT {
            return Err(format!(
                "{} has format {}, and this is Patchbay {}, which reads format {FORMAT}: use Patchbay {} or newer",
                path.display(),
                head.format,
                env!("CARGO_PKG_VERSION"),
                head.patchbay
            ));
        }
        serde_json::from_str(&text).map_err(unread)
    }

    pub(super) fn text(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|e| e.to_string())
    }
}

impl NeededKey {
    pub(super) fn in_words(&self) -> String {
        match self.fingerprint.is_empty() {
            true => self.key.clone(),
            false => format!("{}, fingerprint {}", self.key, self.fingerprint),
        }
    }
}
