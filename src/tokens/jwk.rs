//! One key of a provider, and the algorithms it is for.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::Value;

/// The shortest RSA modulus that is trusted, in bits (RFC 7518, section 3.3).
const RSA_LEAST_BITS: usize = 2048;

/// A public key that signatures can be checked with.
pub(super) struct Key {
    /// Its name in the set.
    pub(super) kid: Option<String>,
    /// What it is good for.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Key {
    /// `None` for a key that is of another kind, too weak, or not for signatures: it is passed over, as RFC 7517,
    /// section 5, has it.
    pub(super) fn of(jwk: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk.clone()).ok()?;
        let common = &jwk.common;
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !is_for_signatures {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => vec![Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|&algorithm| only == algorithm.into());
        }
        let key = sound(DecodingKey::from_jwk(&jwk).ok()?)?;
        Some(Self { kid: common.key_id.clone(), algorithms, key })
    }

    /// The key, if it is for this algorithm.
    pub(super) fn for_algorithm(&self, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.algorithms.contains(&algorithm).then_some(&self.key)
    }
}

/// The key as `ring` takes it, without zeros in front; `None` if it is too short.
fn sound(key: DecodingKey) -> Option<DecodingKey> {
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else { return Some(key) };
    let (n, e) = (trimmed(n), trimmed(e));
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    (bits >= RSA_LEAST_BITS).then(|| DecodingKey::from_rsa_raw_components(n, e))
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}
