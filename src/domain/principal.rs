//! Who asks: on whose word, for which accounts, and what they may do.

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::words::words;
use super::{AccountId, Scopes};
use crate::error::{CredentialFault, Error, Result};

words! {
    /// On whose word a request acts.
    ActorKind {
        /// Nobody was asked for proof (mode `open`).
        Anonymous = "anonymous",
        /// The gateway in front vouches for the request.
        Gateway = "gateway",
        /// An API key.
        ApiKey = "api_key",
        /// A token of an identity provider.
        Token = "token",
        /// A person at the server's command line.
        Operator = "operator",
        /// The server itself.
        System = "system",
    }
}

/// The longest id of an actor, in bytes.
pub const MAX_ACTOR_ID_BYTES: usize = 200;
/// The part of a digest that stands in a shortened id, in hexadecimal digits.
const DIGEST_HEX_LENGTH: usize = 32;

/// Who did something, as the audit log names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// On whose word.
    pub kind: ActorKind,
    /// Which one of that kind: the public id of a key, the subject of a token; empty when there is only one.
    pub id: String,
    /// What people call it, such as a key's name; empty when it has none.
    pub label: String,
}

impl Actor {
    /// Returns `text` if it has at most `max` bytes; otherwise its beginning, `~` and the first half of its SHA-256
    /// digest in hexadecimal, `max` bytes at most. Two long ids that begin alike stay different.
    pub fn bounded_id(text: &str, max: usize) -> String {
        if text.len() <= max {
            return text.to_owned();
        }
        let digest = Sha256::digest(text);
        let end = text.floor_char_boundary(max.saturating_sub(DIGEST_HEX_LENGTH + 1));
        let hex: String = digest.iter().take(DIGEST_HEX_LENGTH / 2).map(|byte| format!("{byte:02x}")).collect();
        format!("{}~{hex}", &text[..end])
    }
}

/// The accounts that a credential is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// Any account, also one that was never heard of.
    All,
    /// These. Never empty.
    Only(Arc<[AccountId]>),
}

impl Accounts {
    /// Whether the account is one of them.
    pub fn cover(&self, account: &AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Only(accounts) => accounts.contains(account),
        }
    }

    /// Whether every account of `others` is one of them.
    pub fn cover_all(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(_), Self::Only(others)) => others.iter().all(|account| self.cover(account)),
        }
    }

    /// The account, when there is exactly one: it need not be named then.
    pub fn single(&self) -> Option<&AccountId> {
        match self {
            Self::Only(accounts) if accounts.len() == 1 => accounts.first(),
            _ => None,
        }
    }
}

/// A proven (or, where the operator said so, believed) identity with its rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub actor: Actor,
    /// For which accounts.
    pub accounts: Accounts,
    /// What it may do.
    pub scopes: Scopes,
    /// When the credential ends by itself, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// Requests per minute that the credential may make; `None` for the default limits.
    pub rate: Option<NonZeroU32>,
}

impl Principal {
    /// Someone who needs no credential, with every right for all accounts.
    pub fn trusted(kind: ActorKind, label: impl Into<String>) -> Self {
        let actor = Actor { kind, id: String::new(), label: label.into() };
        Self { actor, accounts: Accounts::All, scopes: Scopes::ADMIN, expires_at: None, rate: None }
    }

    /// Whether its time is not up yet.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it is.
    pub fn check_time(&self, now: DateTime<Utc>) -> Result<()> {
        match self.expires_at {
            Some(end) if end <= now => Err(Error::Unauthenticated(CredentialFault::Expired)),
            _ => Ok(()),
        }
    }
}

/// One request on its way through: who asks, and the id it is logged under.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The request's id.
    pub request_id: Arc<str>,
}

impl Call {
    /// By the server itself or its operator: no request.
    pub fn trusted(kind: ActorKind, label: impl Into<String>) -> Self {
        Self { principal: Arc::new(Principal::trusted(kind, label)), request_id: "".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Accounts {
        Accounts::Only(names.iter().filter_map(|name| AccountId::parse(name)).collect())
    }

    #[test]
    fn accounts_cover_what_they_name_and_no_more() {
        let (a, ab) = (only(&["a"]), only(&["a", "b"]));
        for (accounts, others, covers) in [
            (&Accounts::All, &Accounts::All, true),
            (&Accounts::All, &ab, true),
            (&ab, &a, true),
            (&a, &ab, false),
            (&ab, &Accounts::All, false),
        ] {
            assert_eq!(accounts.cover_all(others), covers, "{accounts:?} {others:?}");
        }
    }

    #[test]
    fn long_actor_ids_stay_bounded_and_different() {
        assert_eq!(Actor::bounded_id(&"a".repeat(200), 200), "a".repeat(200));
        let ids: Vec<_> =
            ["x", "y", "yy"].iter().map(|end| Actor::bounded_id(&format!("{}{end}", "ö".repeat(200)), 200)).collect();
        assert!(ids.iter().all(|id| id.len() <= 200 && id.starts_with("öö") && id.contains('~')), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    }

    #[test]
    fn an_account_may_go_unnamed_only_when_there_is_one() {
        assert_eq!(only(&["a"]).single().map(AccountId::as_str), Some("a"));
        assert_eq!(only(&["a", "b"]).single(), None);
        assert_eq!(Accounts::All.single(), None);
    }
}
