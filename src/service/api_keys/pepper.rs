//! The pepper: what the server alone knows, so that a stolen table of digests proves no key and lets none be guessed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::ApiKeySecret;

/// Digested under the pepper to tell peppers apart; no key has this form.
const CHECK_PURPOSE: &[u8] = b"patchbay.pepper.v1";

/// A pepper, ready to digest with. Has no `Debug`.
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// Fewest characters of one.
    pub const SHORTEST: usize = 32;

    /// The pepper of this text.
    ///
    /// # Errors
    /// A sentence for the operator when it is too short to be one.
    pub fn new(text: &str) -> Result<Self, String> {
        let given = text.chars().count();
        let too_short = format!(
            "the pepper has {given} characters, {} are the least: make one with `openssl rand -hex 32`",
            Self::SHORTEST
        );
        if given < Self::SHORTEST {
            return Err(too_short);
        }
        Hmac::new_from_slice(text.as_bytes()).map(Self).map_err(|e| e.to_string())
    }

    /// A digest that stands for the key.
    pub(super) fn digest(&self, key: &ApiKeySecret) -> [u8; 32] {
        self.0.clone().chain_update(key.expose()).finalize().into_bytes().into()
    }

    /// A key of its own for this purpose, which no API key is the text of.
    pub(super) fn derive(&self, purpose: &[u8]) -> Hmac<Sha256> {
        // A whole block, so that no length can be wrong: HMAC fills shorter keys up with zeros itself.
        let mut key = Zeroizing::new([0; 64]);
        key[..32].copy_from_slice(&self.0.clone().chain_update(purpose).finalize().into_bytes());
        Hmac::new(&(*key).into())
    }

    /// A short digest of the pepper itself, safe to print and to store.
    pub fn fingerprint(&self) -> String {
        let digest = self.0.clone().chain_update(CHECK_PURPOSE).finalize().into_bytes();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
