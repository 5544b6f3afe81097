//! Cursors: a position in a list, bound to the list it came from.

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::{AccountId, Cursor};
use crate::error::Error;

/// Bytes of the digest that binds a cursor to its list.
const BYTES: usize = 8;

/// A digest of account, order and filters: a cursor of another list is told apart, which keeps no secret but prevents
/// pages that silently skip entries.
pub(super) struct Binding([u8; BYTES]);

impl Binding {
    pub(super) fn of(order: &str, account: &AccountId, filter: &impl Debug) -> Self {
        let digest = Sha256::digest(format!("{order}\0{account}\0{filter:?}"));
        let mut binding = [0; BYTES];
        binding.copy_from_slice(&digest[..BYTES]);
        Self(binding)
    }

    /// The cursor of this position.
    pub(super) fn cursor(&self, position: &[u8]) -> Cursor {
        Cursor(URL_SAFE_NO_PAD.encode([&self.0, position].concat()))
    }

    /// The position of a cursor of this list; `None` for any other text.
    pub(super) fn position(&self, Cursor(text): &Cursor) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.strip_prefix(&self.0).map(<[u8]>::to_vec)
    }
}

/// What a cursor of another list is answered with.
pub(super) fn foreign() -> Error {
    Error::bad_input("The cursor does not belong to this list: start again without one, or keep account and filters")
}
