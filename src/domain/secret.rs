//! Secret values: plain on their short way to the vault, sealed everywhere else.

use zeroize::Zeroizing;

/// A secret's name: `^[A-Za-z0-9_.-]{1,128}$`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// `None` when the text does not fit the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret value on its way from the request to the vault: compact JSON, wiped when dropped.
///
/// It cannot be printed, cloned or serialised:
/// ```compile_fail,E0277
/// let plain = patchbay::domain::Plain::new(b"\"sk\"".to_vec());
/// println!("{plain:?}");
/// ```
pub struct Plain(Zeroizing<Vec<u8>>);

impl Plain {
    /// Takes the value's compact JSON text.
    pub fn new(json: Vec<u8>) -> Self {
        Self(Zeroizing::new(json))
    }

    /// The JSON text, for sealing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// A sealed value: opaque bytes that are safe to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The data key's generation, as in the envelope's header.
    pub key_id: u32,
    /// The whole envelope.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_grammar() {
        for good in ["api_key", "A.b-c_9", &"x".repeat(128)] {
            assert!(SecretName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "ä", "a/b", "a\0", &"x".repeat(129)] {
            assert!(SecretName::parse(bad).is_none(), "{bad:?}");
        }
    }
}
