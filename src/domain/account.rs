//! The tenant.

use std::fmt;

/// The longest account id, in bytes.
const LONGEST: usize = 63;

/// A well-formed account id: `^[a-z0-9][a-z0-9_-]{0,62}$`.
///
/// Holding one proves only the form. That the caller may act for the account is decided at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

/// The account of the operator. The grammar has no such id.
const OPERATOR: &str = "_operator";

impl AccountId {
    /// The grammar in words, for messages.
    pub const GRAMMAR: &str = "1 to 63 characters a-z, 0-9, _ and -, the first a letter or digit";

    /// The only way in for what a client sends. `None` when the text does not fit the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let first = *bytes.first()?;
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = bytes.len() <= LONGEST
            && alphanumeric(first)
            && bytes.iter().all(|&b| alphanumeric(b) || b == b'_' || b == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    /// What belongs to the operator rather than to an account, such as the events of a key for all accounts.
    pub fn operator() -> Self {
        Self(OPERATOR.to_owned())
    }

    /// An id that was stored: one that fits the grammar, or the operator's. `None` for anything else.
    pub fn stored(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| (text == OPERATOR).then(Self::operator))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_grammar_allows() {
        for good in ["a", "0", "acme", "acme-1_b", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", &"a".repeat(63)] {
            assert!(AccountId::parse(good).is_some(), "{good}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for bad in ["", "-a", "_a", "Acme", "a b", " a", "a,b", "é", "a\n", "a.b", &"a".repeat(64)] {
            assert!(AccountId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn the_operators_account_is_nobody_elses() {
        let operator = AccountId::operator();
        assert_eq!(AccountId::parse(operator.as_str()), None);
        assert_eq!(AccountId::stored(operator.as_str()), Some(operator));
        assert_eq!(AccountId::stored("acme"), AccountId::parse("acme"));
        assert_eq!(AccountId::stored("_other"), None);
    }
}
