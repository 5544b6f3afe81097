//! What a key service must be able to do, whichever it is.

use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{KeyCheck, WrappedKey, envelope};
use crate::domain::AccountId;

/// The known text that key checks seal.
pub(super) const CHECK_TEXT: &[u8] = b"patchbay key check";
const DEK_PURPOSE: &[u8] = b"patchbay.dek.v1";

/// The bytes of a data key. Wiped when dropped.
pub type KeyBytes = Zeroizing<[u8; 32]>;

/// How long to wait where waiting alone does not help.
pub(super) const LONG_WAIT: Duration = Duration::from_secs(30);

/// What a wrapped data key is bound to: it unwraps for this account and generation alone.
#[derive(Clone, Copy)]
pub struct KeyPlace<'a> {
    /// The tenant.
    pub account: &'a AccountId,
    /// The generation within the account, from 1.
    pub key_id: u32,
}

impl KeyPlace<'_> {
    /// The place as bytes that a wrapped key can be bound to.
    pub(super) fn context(&self) -> Vec<u8> {
        envelope::context(&[DEK_PURPOSE, self.account.as_str().as_bytes(), &self.key_id.to_be_bytes()])
    }
}

/// Holds provider keys, which it never hands out, and wraps data keys with them.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// As rows and settings name it.
    fn name(&self) -> &'static str;

    /// Wraps a data key with the provider key that is current.
    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault>;

    /// The data key in a wrapped one of this provider.
    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault>;

    /// The same data key under the provider key that is current. A service that can do it by itself never shows the
    /// data key to us.
    async fn rewrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<WrappedKey, Fault> {
        let key = self.unwrap(place, wrapped).await?;
        self.wrap(place, &key).await
    }

    /// A known text sealed under the provider key that is current.
    async fn check(&self) -> Result<KeyCheck, Fault>;

    /// Opens a known text that was sealed before.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] with a sentence for the operator when the key is not there or is another one.
    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault>;

    /// Destroys the provider key of one account, where each account has its own; false where it has none.
    async fn destroy_key_of(&self, _account: &AccountId) -> Result<bool, Fault> {
        Ok(false)
    }

    /// The names of the provider keys that it can unwrap with now; its own name when it knows all of them.
    fn known_keys(&self) -> Vec<String> {
        vec![self.name().to_owned()]
    }

    /// Reads its keys again, where they come from a file. The keys in use stay when the file cannot be used, or does not
    /// open a recorded check.
    ///
    /// # Errors
    /// A sentence for the operator.
    async fn reload(&self, _recorded: &[KeyCheck]) -> Result<Reloaded, String> {
        Ok(Reloaded::Nothing)
    }

    /// How long to wait before it is asked again, while it is out of order; `None` as far as it is known to work.
    fn wait(&self) -> Option<Duration> {
        None
    }
}

/// The outcome of reading a provider's keys again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Its keys do not come from a file.
    Nothing,
    /// The file holds the keys in use.
    Unchanged,
    /// Other keys are in use now.
    Changed,
}

/// Why a provider did not do what it was asked. The text is for the operator, free of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be reached, or cannot work at present.
    Unavailable(String),
    /// It answers, and does not let us.
    Denied(String),
    /// What was wrapped does not unwrap: it was changed, moved, or wrapped with another key.
    Corrupt(String),
}

impl Fault {
    /// The text.
    pub fn cause(&self) -> &str {
        match self {
            Self::Unavailable(cause) | Self::Denied(cause) | Self::Corrupt(cause) => cause,
        }
    }

    /// The kind of it, for a metric.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Denied(_) => "denied",
            Self::Corrupt(_) => "corrupt",
        }
    }

    /// The same with this in front.
    pub fn of(self, what: &str) -> Self {
        match self {
            Self::Unavailable(cause) => Self::Unavailable(format!("{what}: {cause}")),
            Self::Denied(cause) => Self::Denied(format!("{what}: {cause}")),
            Self::Corrupt(cause) => Self::Corrupt(format!("{what}: {cause}")),
        }
    }
}
