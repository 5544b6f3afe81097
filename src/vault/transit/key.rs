//! Which key of the engine: what `account_keys.kek_ref` says, and the paths that come of it.

use super::TRANSIT;
use crate::domain::AccountId;

/// Both together, so that a reference fits into its column.
const LONGEST: usize = 200;
/// The longest wrapped key that is taken, in bytes; one has about 90.
const LONGEST_CIPHERTEXT: usize = 1_024;
/// Stands for the account's id where each account has a key of its own.
const OF_ACCOUNT: &str = "-*";

/// A key of a mounted engine, or the keys of all accounts there, in any of their versions.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TransitKey {
    mount: String,
    name: String,
    is_per_account: bool,
}

impl TransitKey {
    /// `None` for what cannot be the path of a mount or the name of a key.
    pub(super) fn new(mount: &str, name: &str) -> Option<Self> {
        let fits = mount.split('/').all(is_name) && is_name(name) && mount.len() + name.len() <= LONGEST;
        fits.then(|| Self { mount: mount.to_owned(), name: name.to_owned(), is_per_account: false })
    }

    /// The keys of the accounts, which begin with this key's name.
    pub(super) fn per_account(self, is_per_account: bool) -> Self {
        Self { is_per_account, ..self }
    }

    /// From `transit:MOUNT/NAME:vN` or `transit:MOUNT/NAME-*:vN`. It comes from the database: nothing is asked of a path
    /// that does not fit.
    pub(super) fn parse(kek_ref: &str) -> Option<(Self, u32)> {
        let (place, version) = kek_ref.strip_prefix(TRANSIT)?.strip_prefix(':')?.rsplit_once(":v")?;
        let (mount, name) = place.rsplit_once('/')?;
        let base = name.strip_suffix(OF_ACCOUNT);
        let key = Self::new(mount, base.unwrap_or(name))?.per_account(base.is_some());
        Some((key, version.parse().ok()?))
    }

    /// As rows name this version.
    pub(super) fn reference(&self, version: u32) -> String {
        let of_account = if self.is_per_account { OF_ACCOUNT } else { "" };
        format!("{TRANSIT}:{}/{}{of_account}:v{version}", self.mount, self.name)
    }

    /// Where this is done with the key that is for the account.
    pub(super) fn path(&self, verb: &str, account: &AccountId) -> String {
        let Self { mount, name, is_per_account } = self;
        let Some(account) = is_per_account.then_some(account) else { return self.base_path(verb) };
        // The service takes no name that ends in a hyphen. No id of an account has a full stop.
        let end = if account.as_str().ends_with('-') { ".0" } else { "" };
        format!("{mount}/{verb}/{name}-{account}{end}")
    }

    /// Where this is done with the key that is for no account.
    pub(super) fn base_path(&self, verb: &str) -> String {
        format!("{}/{verb}/{}", self.mount, self.name)
    }

    /// Whether each account has its own.
    pub(super) fn is_per_account(&self) -> bool {
        self.is_per_account
    }
}

/// As the service lets keys be called.
fn is_name(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(is_word)
        && bytes.last().copied().is_some_and(is_word)
        && bytes.iter().all(|&b| is_word(b) || matches!(b, b'-' | b'.'))
}

/// The version in `vault:vN:BASE64`; `None` for anything else.
pub(super) fn version_of(ciphertext: &str) -> Option<u32> {
    let (version, bytes) = ciphertext.strip_prefix("vault:v")?.split_once(':')?;
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let fits = !bytes.is_empty() && ciphertext.len() <= LONGEST_CIPHERTEXT;
    (fits && bytes.bytes().all(is_base64)).then(|| version.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_mount_key_and_version() {
        for (reference, path) in [
            ("transit:transit/patchbay:v1", "transit/decrypt/patchbay"),
            ("transit:team/a/transit/k.1:v42", "team/a/transit/decrypt/k.1"),
            ("transit:transit/patchbay-*:v3", "transit/decrypt/patchbay-acme"),
        ] {
            let (key, version) = TransitKey::parse(reference).expect(reference);
            assert_eq!(key.path("decrypt", &AccountId::parse("acme").expect("account")), path);
            assert_eq!(key.reference(version), reference);
        }
    }

    #[test]
    fn what_is_no_path_of_a_key_is_refused() {
        for bad in [
            "local:1",
            "transit:patchbay:v1",
            "transit:transit/patchbay",
            "transit:../sys/patchbay:v1",
            "transit:transit/../../sys:v1",
            "transit:transit//patchbay:v1",
            "transit:transit/patch bay:v1",
            "transit:transit/patchbay?x:v1",
            "transit:transit/patchbay-:v1",
            "transit:transit/-*:v1",
            "transit:transit/patchbay:v",
        ] {
            assert!(TransitKey::parse(bad).is_none(), "{bad}");
        }
        assert!(TransitKey::new(&"m".repeat(100), &"n".repeat(101)).is_none());
    }

    #[test]
    fn every_account_has_a_key_name_of_its_own_that_the_service_takes() {
        let keys = TransitKey::new("transit", "patchbay").expect("key").per_account(true);
        let name = |id: &str| keys.path("keys", &AccountId::parse(id).expect("account"));
        assert_eq!(name("acme-"), "transit/keys/patchbay-acme-.0");
        assert!(is_name(name("acme-").rsplit_once('/').expect("name").1));
        assert_ne!(name("acme-"), name("acme-0"));
    }

    #[test]
    fn a_ciphertext_has_a_version_and_base64() {
        assert_eq!(version_of("vault:v12:AA+/=="), Some(12));
        for bad in ["", "vault:v1:", "vault:v:AAAA", "vault:v1:A\nA", "vault:AAAA", "vault:v-1:AAAA", "v1:AAAA"] {
            assert_eq!(version_of(bad), None, "{bad:?}");
        }
    }
}
