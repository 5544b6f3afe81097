//! The bytes of a sealed value, formats 1 and 2.
//!
//! | format 1 | format 2 | meaning |
//! |---|---|---|
//! | 0 | 0 | `0xB1` |
//! | 1 | 1 | format version, 1 or 2 |
//! | 2 | 2 | algorithm, 1 = AES-256-GCM (NIST SP 800-38D) |
//! | 3 | 3 | flags, 0 |
//! | 4–7 | 4–7 | key id, big endian |
//! | – | 8–15 | counter, big endian |
//! | 8–19 | 16–27 | nonce, random |
//! | 20– | 28– | ciphertext, then the 16-byte tag |
//!
//! The associated data is the header (all before the ciphertext) followed by length-prefixed parts that name the purpose and
//! the place, so that bytes moved elsewhere do not open. Format 2 seals secrets: their record names the counter, so that an
//! earlier value does not open in place of a later one. Data keys and key checks have no counter and stay in format 1.

use std::fmt;

use aes_gcm::aead::{Aead, Generate, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::provider::KeyBytes;
use crate::domain::{AccountId, IntegrationId, SecretName};

const MAGIC: u8 = 0xB1;
/// Without a counter.
const FORMAT_1: u8 = 1;
/// With a counter.
const FORMAT_2: u8 = 2;
const AES_256_GCM: u8 = 1;
/// Magic, format version, algorithm, flags and key id.
const START: usize = 8;
const COUNTER: usize = 8;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Where a secret is stored: what its sealed bytes are bound to.
pub struct SecretPlace<'a> {
    /// The tenant.
    pub account: &'a AccountId,
    /// The catalog entry, resolved.
    pub integration: IntegrationId,
    /// The connection.
    pub connection: &'a str,
    /// The secret's name.
    pub name: &'a SecretName,
    /// The counter that its record names; `None` for a value of format 1.
    pub counter: Option<u64>,
}

impl SecretPlace<'_> {
    pub(super) fn context(&self) -> Vec<u8> {
        let id: Uuid = self.integration.0;
        context(&[
            b"patchbay.secret.v1",
            self.account.as_str().as_bytes(),
            id.as_bytes(),
            self.connection.as_bytes(),
            self.name.as_str().as_bytes(),
        ])
    }
}

/// In words for an operator; the names of secrets are none.
impl fmt::Display for SecretPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, integration, connection, name, counter: _ } = self;
        write!(f, "secret {} of {account}, integration {}, connection {connection}", name.as_str(), integration.0)
    }
}

/// The parts, each behind its length as four bytes, big endian.
pub(super) fn context(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|p| p.len() + 4).sum());
    for part in parts {
        // Every part is bounded by its grammar to far less than 4 GiB.
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Sealed bytes, taken apart and not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Which key it was sealed under.
    pub key_id: u32,
    /// The counter that it was sealed with; `None` in format 1.
    pub counter: Option<u64>,
    /// Never the same twice under one key.
    pub nonce: &'a [u8; 12],
    /// Ciphertext and tag, 16 bytes or more.
    pub ciphertext: &'a [u8],
}

/// Why bytes do not open. Each reason is its own; none leads to a second attempt with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than header and tag.
    Truncated,
    /// Not one of our envelopes.
    Magic,
    /// A format this version does not know.
    Version,
    /// An algorithm this version does not know.
    Algorithm,
    /// Flags this version does not know.
    Flags,
    /// Sealed under another key.
    KeyId,
    /// Sealed with another counter: an earlier value, or one of format 1.
    Counter,
    /// Changed, or sealed for another place.
    Refused,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated envelope",
            Self::Magic => "not an envelope",
            Self::Version => "unknown format version",
            Self::Algorithm => "unknown algorithm",
            Self::Flags => "unknown flags",
            Self::KeyId => "sealed under another key",
            Self::Counter => "not the latest value: its counter is not the one on record",
            Self::Refused => "changed, or sealed for another place",
        })
    }
}

/// Why nothing is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The operating system gave no randomness.
    Randomness,
    /// The cipher does not take a value of this length.
    Length,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Randomness => "the operating system gave no randomness",
            Self::Length => "the cipher does not take a value of this length",
        })
    }
}

/// A fresh 256-bit key.
pub(super) fn random_key() -> Result<KeyBytes, Refusal> {
    Key::<Aes256Gcm>::try_generate().map(|key| Zeroizing::new(key.into())).map_err(|_| Refusal::Randomness)
}

/// Seals under a random nonce; with a counter in format 2, else in format 1.
pub(super) fn seal(
    key_id: u32,
    key: &[u8; 32],
    counter: Option<u64>,
    context: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let nonce = <[u8; NONCE]>::try_generate().map_err(|_| Refusal::Randomness)?;
    seal_with(key_id, key, counter, &nonce, context, plain)
}

fn seal_with(
    key_id: u32,
    key: &[u8; 32],
    counter: Option<u64>,
    nonce: &[u8; NONCE],
    context: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(header_len(counter.is_some()) + plain.len() + TAG);
    bytes.extend_from_slice(&[MAGIC, if counter.is_some() { FORMAT_2 } else { FORMAT_1 }, AES_256_GCM, 0]);
    bytes.extend_from_slice(&key_id.to_be_bytes());
    bytes.extend(counter.into_iter().flat_map(u64::to_be_bytes));
    bytes.extend_from_slice(nonce);
    let associated = [&bytes, context].concat();
    bytes.extend_from_slice(&encrypt(key, nonce, &associated, plain).ok_or(Refusal::Length)?);
    Ok(bytes)
}

const fn header_len(has_counter: bool) -> usize {
    START + if has_counter { COUNTER } else { 0 } + NONCE
}

/// The key id in the header of well-formed bytes.
pub(super) fn key_id(bytes: &[u8]) -> Result<u32, Malformed> {
    Envelope::parse(bytes).map(|envelope| envelope.key_id)
}

/// The counter in the header of sealed bytes; `None` in format 1, and for bytes that are no envelope.
pub fn counter_of(bytes: &[u8]) -> Option<u64> {
    Envelope::parse(bytes).ok()?.counter
}

/// Opens what [`seal`] made with the same key, counter and context.
pub(super) fn open(
    expected_key_id: u32,
    key: &[u8; 32],
    expected_counter: Option<u64>,
    context: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Malformed> {
    let Envelope { key_id, counter, nonce, ciphertext } = Envelope::parse(bytes)?;
    if key_id != expected_key_id {
        return Err(Malformed::KeyId);
    }
    if counter != expected_counter {
        return Err(Malformed::Counter);
    }
    let associated = [&bytes[..header_len(counter.is_some())], context].concat();
    decrypt(key, nonce, &associated, ciphertext).ok_or(Malformed::Refused)
}

impl<'a> Envelope<'a> {
    /// Takes bytes of whatever origin apart.
    ///
    /// # Errors
    /// The first reason why they are not an envelope of these formats.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let truncated = Malformed::Truncated;
        let (start, rest) = bytes.split_first_chunk::<START>().ok_or(truncated)?;
        // The shortest of all: nothing shorter has any other reason.
        if rest.len() < NONCE + TAG {
            return Err(truncated);
        }
        let [magic, version, algorithm, flags, a, b, c, d] = *start;
        let has_counter = match (magic, version, algorithm, flags) {
            (MAGIC, FORMAT_1, AES_256_GCM, 0) => false,
            (MAGIC, FORMAT_2, AES_256_GCM, 0) => true,
            (MAGIC, FORMAT_1 | FORMAT_2, AES_256_GCM, _) => return Err(Malformed::Flags),
            (MAGIC, FORMAT_1 | FORMAT_2, ..) => return Err(Malformed::Algorithm),
            (MAGIC, ..) => return Err(Malformed::Version),
            _ => return Err(Malformed::Magic),
        };
        let (counter, rest) = match has_counter {
            true => {
                rest.split_first_chunk::<COUNTER>().map(|(counter, rest)| (Some(counter), rest)).ok_or(truncated)?
            }
            false => (None, rest),
        };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(truncated)?;
        if ciphertext.len() < TAG {
            return Err(truncated);
        }
        let counter = counter.copied().map(u64::from_be_bytes);
        Ok(Self { key_id: u32::from_be_bytes([a, b, c, d]), counter, nonce, ciphertext })
    }
}

/// Ciphertext and tag; `None` for a length that the cipher does not take.
fn encrypt(key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    cipher(key).encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad: associated }).ok()
}

/// The plaintext; `None` when the tag does not fit.
fn decrypt(key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let payload = Payload { msg: ciphertext, aad: associated };
    cipher(key).decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).ok()
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
}

#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let key = [7; 32];
        for counter in [None, Some(5)] {
            let sealed = seal(3, &key, counter, b"ctx", b"\"value\"").expect("sealed");
            for bit in 0..sealed.len() * 8 {
                let mut changed = sealed.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(open(3, &key, counter, b"ctx", &changed).is_err(), "bit {bit}");
            }
            for length in 0..sealed.len() {
                assert!(open(3, &key, counter, b"ctx", &sealed[..length]).is_err(), "length {length}");
            }
        }
    }

    #[test]
    fn each_unknown_header_has_its_own_reason() {
        let sealed = seal(3, &[7; 32], None, b"", b"x").expect("sealed");
        let with = |at: usize, value: u8| {
            let mut bytes = sealed.clone();
            bytes[at] = value;
            open(3, &[7; 32], None, b"", &bytes).expect_err("refused")
        };
        assert_eq!(with(0, 0), Malformed::Magic);
        assert_eq!(with(1, 3), Malformed::Version);
        assert_eq!(with(1, 2), Malformed::Truncated, "too short for a counter");
        assert_eq!(with(2, 2), Malformed::Algorithm);
        assert_eq!(with(3, 1), Malformed::Flags);
        assert_eq!(with(7, 4), Malformed::KeyId);
        assert_eq!(with(19, sealed[19] ^ 1), Malformed::Refused);
        assert_eq!(open(3, &[7; 32], None, b"", &[]).expect_err("empty"), Malformed::Truncated);
    }

    #[test]
    fn value_opens_with_its_own_counter_alone() {
        let key = [7; 32];
        let sealed = |counter| seal(3, &key, counter, b"ctx", b"x").expect("sealed");
        for counter in [None, Some(0), Some(1), Some(u64::MAX)] {
            for expected in [None, Some(0), Some(1), Some(u64::MAX)] {
                let opened = open(3, &key, expected, b"ctx", &sealed(counter));
                let fits = counter == expected;
                assert_eq!(opened.err(), (!fits).then_some(Malformed::Counter), "{counter:?} {expected:?}");
            }
        }
        // The counter is part of the associated data, too: another one in the header does not open.
        let mut changed = sealed(Some(1));
        changed[15] = 2;
        assert_eq!(open(3, &key, Some(2), b"ctx", &changed).expect_err("refused"), Malformed::Refused);
    }

    proptest! {
        #[test]
        fn opens_what_it_sealed_only_in_the_same_context(
            plain in proptest::collection::vec(any::<u8>(), 0..300),
            counter in any::<Option<u64>>(),
            context in ".{0,40}",
            other in ".{0,40}",
        ) {
            let sealed = seal(9, &[1; 32], counter, context.as_bytes(), &plain).expect("sealed");
            let opened = open(9, &[1; 32], counter, context.as_bytes(), &sealed).expect("opens");
            prop_assert_eq!(opened.to_vec(), plain);
            if other != context {
                prop_assert!(open(9, &[1; 32], counter, other.as_bytes(), &sealed).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(open(1, &[0; 32], None, b"", &bytes).is_err());
        }
    }
}
