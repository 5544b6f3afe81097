//! API keys: their text, what is known of one, and who may see it.
//!
//! `pb_live_<8 id>_<43 secret><6 checksum>`, all of it base62: a double click selects it whole, and
//! `pb_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}` finds it in a log or a repository. The checksum tells a key from what only
//! looks like one, without asking anybody.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AccountId, Accounts, Actor, ActorKind, Principal, Scopes};
use crate::error::{Error, Result};

/// What every API key starts with.
pub const PREFIX: &str = "pb_live_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of each part. 43 of 62 kinds hold 256 bits.
const ID: usize = 8;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
/// Where the id ends, and where the checksum starts.
const ID_END: usize = PREFIX.len() + ID;
const CHECKED: usize = ID_END + 1 + SECRET;

/// The whole text of an API key, wiped when dropped.
///
/// It cannot be printed:
/// ```compile_fail,E0277
/// let key = patchbay::domain::ApiKeySecret::generate();
/// println!("{:?}", key.ok());
/// ```
pub struct ApiKeySecret(Zeroizing<String>);

impl ApiKeySecret {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        let mut text = Zeroizing::new(String::with_capacity(CHECKED + CHECKSUM));
        text.push_str(PREFIX);
        push_random(&mut text, ID)?;
        text.push('_');
        push_random(&mut text, SECRET)?;
        let checksum = checksum(&text);
        text.extend(checksum.map(char::from));
        Ok(Self(text))
    }

    /// Reads one; `None` for what is none, or was mistyped.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let fits = bytes.len() == CHECKED + CHECKSUM
            && text.starts_with(PREFIX)
            && bytes[ID_END] == b'_'
            && bytes[PREFIX.len()..ID_END].iter().chain(&bytes[ID_END + 1..]).all(u8::is_ascii_alphanumeric)
            && bytes[CHECKED..] == checksum(&text[..CHECKED]);
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// What names the key and proves nothing.
    pub fn public_id(&self) -> PublicId {
        let mut id = [0; ID];
        id.copy_from_slice(&self.0.as_bytes()[PREFIX.len()..ID_END]);
        PublicId(id)
    }

    /// The text, for the one who is to have it, and to be digested.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Six base62 digits of the first 8 bytes of SHA-256, as one big-endian number, the most significant digit first.
fn checksum(text: &str) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(text);
    let mut number = digest[..8].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let mut checksum = [0; CHECKSUM];
    for digit in checksum.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    checksum
}

/// Adds so many characters, each as likely as any other.
fn push_random(text: &mut String, count: usize) -> Result<()> {
    /// The largest multiple of 62 that fits a byte: what lies beyond would make some characters likelier.
    const FAIR: u8 = 248;
    let mut bytes = Zeroizing::new([0; SECRET]);
    let full = text.len() + count;
    while text.len() < full {
        getrandom::fill(&mut bytes[..])
            .map_err(|_| Error::Internal { cause: "the operating system gave no randomness".into() })?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR).map(|byte| ALPHABET[usize::from(byte % 62)]);
        text.extend(fair.take(full - text.len()).map(char::from));
    }
    Ok(())
}

/// What names a key in lists and logs: eight base62 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicId([u8; ID]);

impl PublicId {
    /// `None` when the text is of another form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; ID] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Made of ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// How a caller names a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyRef {
    /// By its id.
    Id(Uuid),
    /// By the id in its text.
    Public(PublicId),
}

impl ApiKeyRef {
    /// `None` for what names no key.
    pub fn parse(text: &str) -> Option<Self> {
        const HYPHENATED: usize = 36;
        match PublicId::parse(text) {
            Some(public) => Some(Self::Public(public)),
            None if text.len() == HYPHENATED => Uuid::try_parse(text).ok().map(Self::Id),
            None => None,
        }
    }
}

/// What is known of an API key. Nothing in it proves anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, a UUIDv7: of two keys the newer has the larger one.
    pub id: Uuid,
    /// The id in its text.
    pub public_id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// For which accounts.
    pub accounts: Accounts,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By whom, `api_key:8Fq2LmZx` style.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// Requests per minute that its holder may make; `None` for the default limits.
    pub rate: Option<NonZeroU32>,
}

impl ApiKey {
    /// Whoever holds it.
    pub fn principal(&self) -> Principal {
        let actor = Actor { kind: ActorKind::ApiKey, id: self.public_id.clone(), label: self.name.clone() };
        Principal {
            actor,
            accounts: self.accounts.clone(),
            scopes: self.scopes,
            expires_at: self.expires_at,
            rate: self.rate,
        }
    }

    /// Whether it is there for someone who asks on behalf of this account: it must be for the account, and for none that
    /// the one who asks may not act for.
    pub fn is_visible(&self, account: &AccountId, to: &Accounts) -> bool {
        self.accounts.cover(account) && to.cover_all(&self.accounts)
    }
}

#[cfg(test)]
impl ApiKey {
    /// A key for all accounts without a scope, an end and a rate.
    pub(crate) fn sample() -> Self {
        Self {
            id: Uuid::nil(),
            public_id: "00000000".into(),
            name: "any".into(),
            scopes: Scopes::NONE,
            accounts: Accounts::All,
            created_at: DateTime::UNIX_EPOCH,
            created_by: "operator".into(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            revoked_by: None,
            rate: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_has_the_form_and_can_be_read() {
        for _ in 0..200 {
            let key = ApiKeySecret::generate().expect("randomness");
            let text = key.expose();
            assert_eq!(text.len(), 66);
            let (id, rest) = text.strip_prefix("pb_live_").and_then(|rest| rest.split_once('_')).expect("parts");
            assert!(id.len() == 8 && rest.len() == 49, "{id}");
            assert!((id.to_owned() + rest).bytes().all(|b| b.is_ascii_alphanumeric()));
            assert!(ApiKeySecret::parse(text).is_some_and(|read| read.public_id() == key.public_id()));
            assert_eq!(key.public_id().as_str(), id);
        }
    }

    /// As the documentation has it, for scanners.
    #[test]
    fn the_checksum_is_the_documented_one() {
        let text = format!("pb_live_EXAMPLE0_{}", "0".repeat(43));
        assert_eq!(checksum(&text).map(char::from).iter().collect::<String>(), "x6zpFe");
    }

    #[test]
    fn one_wrong_character_is_no_key() {
        let key = ApiKeySecret::generate().expect("randomness");
        let text = key.expose();
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'x' { "y" } else { "x" };
            let mut wrong = text.to_owned();
            wrong.replace_range(at..=at, other);
            assert!(ApiKeySecret::parse(&wrong).is_none(), "character {at}");
        }
        for wrong in ["", "pb_live_", &text[1..], &text[..65], &format!("{text}0"), &"é".repeat(33), &"x".repeat(9_999)]
        {
            assert!(ApiKeySecret::parse(wrong).is_none());
        }
    }

    #[test]
    fn a_key_is_seen_by_those_who_may_act_for_all_its_accounts() {
        let only = |names: &[&str]| Accounts::Only(names.iter().filter_map(|name| AccountId::parse(name)).collect());
        let (a, ab) = (only(&["a"]), only(&["a", "b"]));
        for (key, asks_as, to, visible) in [
            (&a, "a", &a, true),
            (&a, "a", &ab, true),
            (&a, "b", &ab, false),
            (&ab, "a", &a, false),
            (&ab, "b", &ab, true),
            (&Accounts::All, "a", &ab, false),
            (&Accounts::All, "a", &Accounts::All, true),
        ] {
            let key = ApiKey { accounts: key.clone(), ..ApiKey::sample() };
            assert_eq!(key.is_visible(&AccountId::parse(asks_as).expect("account"), to), visible, "{key:?} {to:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_changed_key_or_any_text_is_no_key(
            at in 0..66_usize, with in "[ -~]{0,2}", cut in 0..3_usize, text in "\\PC{0,100}",
            near in "pb_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}",
        ) {
            let key = ApiKeySecret::generate().unwrap_or_else(|error| panic!("{error:?}"));
            let key = key.expose();
            proptest::prop_assert!(ApiKeySecret::parse(key).is_some());
            let changed = format!("{}{with}{}", &key[..at], &key[(at + cut).min(key.len())..]);
            proptest::prop_assert!(changed == key || ApiKeySecret::parse(&changed).is_none());
            proptest::prop_assert!(ApiKeySecret::parse(&text).is_none() && ApiKeySecret::parse(&near).is_none());
        }
    }
}
