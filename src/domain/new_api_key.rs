//! A request for a new API key, and its check.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Datelike, SubsecRound, Utc};

use super::{AccountId, Accounts, Scope, Scopes, text};
use crate::error::{Error, InputProblem, Result};

/// A request for a new key, not checked yet.
#[derive(Clone, Debug)]
pub struct ApiKeyWish {
    /// What people will call it.
    pub name: String,
    /// What it may do, by the words of [`super::Scope`].
    pub scopes: Vec<String>,
    /// For which accounts.
    pub accounts: WishedAccounts,
    /// When it is to end by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Requests per minute, 1 to [`MAX_RATE`]; `None` for the default limits.
    pub rate: Option<u32>,
}

/// The accounts that a new key is requested for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WishedAccounts {
    /// That of the request.
    Own,
    /// All there are and will be.
    All,
    /// These.
    Only(Vec<String>),
}

/// A checked request for a new key.
pub struct NewApiKey {
    /// What people will call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// For which accounts.
    pub accounts: Accounts,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Requests per minute; `None` for the default limits.
    pub rate: Option<NonZeroU32>,
}

impl WishedAccounts {
    /// The accounts of an optional list, or all accounts.
    ///
    /// # Errors
    /// [`Error::BadInput`] when both are given.
    pub fn from_list(list: Option<Vec<String>>, all: bool) -> Result<Self> {
        match (list, all) {
            (None, false) => Ok(Self::Own),
            (None, true) => Ok(Self::All),
            (Some(list), false) => Ok(Self::Only(list)),
            (Some(_), true) => Err(Error::bad_input("Give either a list of accounts or all accounts")),
        }
    }
}

/// Longest name of a key, in characters.
pub const NAME_MAX: usize = 100;
/// Most accounts of a key that is not for all.
pub const ACCOUNTS_MAX: usize = 100;
/// Highest rate of a key's own, in requests per minute.
pub const MAX_RATE: u32 = 1_000_000;

impl ApiKeyWish {
    /// Checks the request.
    ///
    /// # Errors
    /// [`Error::ApiKeyInvalid`] with one problem per field.
    pub fn check(self, own: Option<&AccountId>, now: DateTime<Utc>) -> Result<NewApiKey> {
        let mut problems = Vec::new();
        let mut problem = |field, message: String| problems.push(InputProblem { field, message });
        let name = self.name.trim().to_owned();
        if !(1..=NAME_MAX).contains(&name.chars().count()) || text::has_deceptive(&name) {
            problem(
                "name",
                format!(
                    "must have 1 to {NAME_MAX} characters, none of them a control, direction or zero-width character"
                ),
            );
        }
        let scopes: Option<Scopes> = self.scopes.iter().map(|word| Scope::parse(word)).collect();
        if scopes.is_none_or(Scopes::is_empty) {
            let words: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            problem("scopes", format!("must be one or more of {}", words.join(", ")));
        }
        let accounts = match (self.accounts, own) {
            (WishedAccounts::All, _) => Some(Accounts::All),
            (WishedAccounts::Own, Some(own)) => Some(Accounts::Only(Arc::new([own.clone()]))),
            (WishedAccounts::Own, None) => None,
            (WishedAccounts::Only(list), _) => only(&list),
        };
        if accounts.is_none() {
            problem("accounts", format!("must be 1 to {ACCOUNTS_MAX} well-formed account ids"));
        }
        if self.expires_at.is_some_and(|at| at <= now || at.year() > 9_999) {
            problem("expires_at", "must lie in the future, before the year 10000".into());
        }
        let rate = self.rate.and_then(NonZeroU32::new);
        if self.rate.is_some_and(|rate| !(1..=MAX_RATE).contains(&rate)) {
            problem("rate_per_minute", format!("must be 1 to {MAX_RATE}"));
        }
        match (scopes, accounts) {
            (Some(scopes), Some(accounts)) if problems.is_empty() => {
                let expires_at = self.expires_at.map(|at| at.trunc_subsecs(6));
                Ok(NewApiKey { name, scopes, accounts, expires_at, rate })
            }
            _ => Err(Error::ApiKeyInvalid(problems)),
        }
    }
}

/// The accounts of a list, sorted and each once; `None` when it is empty, too long, or one is malformed.
fn only(list: &[String]) -> Option<Accounts> {
    if !(1..=ACCOUNTS_MAX).contains(&list.len()) {
        return None;
    }
    let accounts: Option<BTreeSet<_>> = list.iter().map(|text| AccountId::parse(text)).collect();
    accounts.map(|accounts| Accounts::Only(accounts.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_field_is_reported() {
        let wish = |name: &str, scopes: &[&str], accounts: WishedAccounts, seconds: i64| ApiKeyWish {
            name: name.into(),
            scopes: scopes.iter().map(|word| (*word).to_owned()).collect(),
            accounts,
            expires_at: DateTime::from_timestamp(seconds, 0),
            rate: None,
        };
        let list = |names: &[&str]| WishedAccounts::Only(names.iter().map(|name| (*name).to_owned()).collect());
        let long = "é".repeat(101);
        for (wish, fields) in [
            (wish(" x ", &["admin"], WishedAccounts::All, 11), ""),
            (wish(&long[2..], &["keys:read", "keys:read"], list(&["b", "a", "b"]), 11), ""),
            (wish("", &[], list(&[]), 10), "name scopes accounts expires_at"),
            (wish(&long, &["root"], list(&["A"]), 9), "name scopes accounts expires_at"),
            (wish("a\nb", &["admin", "Admin"], WishedAccounts::Own, 1 << 39), "name scopes accounts expires_at"),
            (wish("x", &["admin"], list(&["a"; 101]), 11), "accounts"),
            (wish("a\u{202e}b", &["admin"], WishedAccounts::All, 11), "name"),
            (wish("a\u{200b}", &["admin"], WishedAccounts::All, 11), "name"),
            (ApiKeyWish { rate: Some(0), ..wish("x", &["admin"], WishedAccounts::All, 11) }, "rate_per_minute"),
            (ApiKeyWish { rate: Some(1_000_001), ..wish("x", &["admin"], WishedAccounts::All, 11) }, "rate_per_minute"),
            (ApiKeyWish { rate: Some(1_000_000), ..wish("x", &["admin"], WishedAccounts::All, 11) }, ""),
        ] {
            let fields_found = match wish.clone().check(None, DateTime::from_timestamp(10, 0).expect("moment")) {
                Err(Error::ApiKeyInvalid(problems)) => problems.iter().map(|p| p.field).collect::<Vec<_>>().join(" "),
                other => other.map(|_| String::new()).unwrap_or_else(|e| format!("{e:?}")),
            };
            assert_eq!(fields_found, fields, "{wish:?}");
        }
    }
}
