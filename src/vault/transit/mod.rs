//! The `transit` provider: a transit engine of OpenBao or HashiCorp Vault wraps data keys, over HTTP.
//!
//! The key is a *derived* one: the engine derives the key it encrypts with from `context`, so that what it wrapped opens
//! with the same context alone. Ours is the purpose, the account and the generation, each behind its length, as the
//! `local` provider binds them. It is not `associated_data`, which the engine's `rewrap` does not take.
//!
//! Nothing here waits or tries again: whoever calls sets the deadline, and may drop a call at any moment.

mod key;
mod service;

use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::key::{TransitKey, version_of};
use self::service::Service;
use super::keyring::CHECK_PURPOSE;
use super::provider::{CHECK_TEXT, Fault, KeyBytes, KeyPlace, Provider};
use super::{KeyCheck, WrappedKey, envelope};
use crate::domain::AccountId;

/// The name of the provider.
pub const TRANSIT: &str = "transit";
/// The text whose HMAC tells keys apart.
const FINGERPRINT_TEXT: &[u8] = b"patchbay key fingerprint";
/// What the service says of a key that is not there: to decrypt with, or to configure.
const NO_KEY: [&str; 2] = ["encryption key not found", "no existing key named"];
/// What it says of a version below the key's `min_decryption_version`.
const TOO_OLD: &str = "too old";

/// Where the engine is and how it is used, as the settings `keys.transit_…` have it.
#[derive(Clone)]
pub struct TransitSettings {
    /// `https://HOST:PORT`, perhaps with a path that stands before `/v1`.
    pub url: String,
    /// Where the engine is mounted.
    pub mount: String,
    /// The name of the key.
    pub key: String,
    /// Sent with each call; empty when it comes from a file.
    pub token: Zeroizing<String>,
    /// Holds the token, and may change at any time.
    pub token_file: Option<PathBuf>,
    /// The namespace; empty for none.
    pub namespace: String,
    /// Certificates (PEM) to know the service by, instead of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Each account's data keys are wrapped with a key that is the account's own.
    pub key_per_account: bool,
}

/// Provider keys in a transit engine.
pub struct Transit {
    service: Service,
    /// What new data keys are wrapped with.
    key: TransitKey,
}

#[derive(Serialize)]
struct ToEncrypt<'a> {
    plaintext: &'a str,
    context: String,
}

#[derive(Serialize)]
struct ToOpen<'a> {
    ciphertext: &'a str,
    context: String,
}

#[derive(Serialize)]
struct ToDigest {
    input: String,
    key_version: u32,
}

#[derive(Serialize)]
struct ToLetGo {
    deletion_allowed: bool,
}

#[derive(Deserialize)]
struct Sealed {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Opened {
    plaintext: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Digested {
    hmac: String,
}

impl Transit {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// A sentence for the operator when a setting cannot be used.
    pub fn new(settings: &TransitSettings) -> Result<Self, String> {
        let key = TransitKey::new(&settings.mount, &settings.key).ok_or_else(|| {
            format!(
                "keys.transit_mount = {} and keys.transit_key = {}: letters, digits, `_`, `-` and `.`, which neither \
                 begin nor end with `-` or `.`, and 200 characters in all",
                settings.mount, settings.key
            )
        })?;
        Ok(Self { service: Service::new(settings)?, key: key.per_account(settings.key_per_account) })
    }

    async fn encrypt(&self, path: &str, context: &[u8], plain: &[u8]) -> Result<String, Fault> {
        let plaintext = Zeroizing::new(STANDARD.encode(plain));
        let question = ToEncrypt { plaintext: &plaintext, context: STANDARD.encode(context) };
        Ok(self.service.ask::<Sealed>(path, &question).await?.ciphertext)
    }

    async fn decrypt(&self, path: &str, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let question = ToOpen { ciphertext: text(sealed)?, context: STANDARD.encode(context) };
        let opened: Opened = self.service.ask(path, &question).await?;
        let plain = STANDARD.decode(&*opened.plaintext);
        plain.map(Zeroizing::new).map_err(|_| Fault::Corrupt(format!("{path}: opened to what is not base64")))
    }

    /// Refuses a key that is not there, or that would take no notice of the context.
    ///
    /// Asked with no context, and with nothing that could be opened: a derived key misses the context before all else. A
    /// key that is not there must be found in this way, because `encrypt` would make one for a token that may.
    async fn refuse_unfit_key(&self) -> Result<(), Fault> {
        let path = self.key.base_path("decrypt");
        let question = ToOpen { ciphertext: "vault:v1:AAAA", context: String::new() };
        let cause = match self.service.ask::<Opened>(&path, &question).await {
            Err(Fault::Corrupt(cause)) if cause.contains("context") => return Ok(()),
            Err(Fault::Corrupt(cause)) => cause,
            Err(fault) => return Err(fault),
            Ok(_) => format!("{path}: opened without a context"),
        };
        let make = format!("`bao write -f {} type=aes256-gcm96 derived=true`", self.key.base_path("keys"));
        Err(Fault::Corrupt(match is_absent(&cause) {
            true => format!("the key service has no such key ({cause}): make it with {make}"),
            false => format!(
                "the key must be a derived one, or what it wraps would not be bound to an account ({cause}): make one \
                 under another name, as in {make}, and name it in keys.transit_key"
            ),
        }))
    }

    /// Tells versions of keys apart; empty where the policy does not allow it, or there is no such version.
    async fn fingerprint(&self, key: &TransitKey, version: u32) -> Result<String, Fault> {
        let question = ToDigest { input: STANDARD.encode(FINGERPRINT_TEXT), key_version: version };
        match self.service.ask::<Digested>(&key.base_path("hmac"), &question).await {
            Ok(Digested { hmac }) => Ok(Sha256::digest(hmac)[..8].iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(Fault::Denied(_) | Fault::Corrupt(_)) => Ok(String::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Why a recorded check does not open, in a sentence with the way out.
    async fn refusal(&self, check: &KeyCheck, key: &TransitKey, version: u32, cause: &str) -> Result<String, Fault> {
        let with_fingerprint = |fingerprint: &str| match fingerprint {
            "" => String::new(),
            known => format!(" with fingerprint {known}"),
        };
        let expected = with_fingerprint(&check.fingerprint);
        let given = match &*self.fingerprint(key, version).await? {
            "" => "tells no fingerprint of such a key".to_owned(),
            known => format!("has a key with fingerprint {known} there"),
        };
        let kek_ref = &check.kek_ref;
        let cure = if cause.contains(TOO_OLD) {
            format!(
                "lower its min_decryption_version; once nothing is wrapped with this version any more, end it with \
                 `patchbay keys retire {kek_ref}`"
            )
        } else {
            "restore the key from its backup, or point keys.transit_url and keys.transit_namespace at the service that \
             was used before"
                .to_owned()
        };
        Ok(format!("this database needs key {kek_ref}{expected}, but the key service {given} ({cause}): {cure}"))
    }
}

#[async_trait]
impl Provider for Transit {
    fn name(&self) -> &'static str {
        TRANSIT
    }

    /// Where each account has its own key, the service makes it when it wraps with it for the first time.
    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault> {
        let path = self.key.path("encrypt", place.account);
        wrapped(place, &self.key, self.encrypt(&path, &place.context(), key.as_slice()).await?)
    }

    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault> {
        let path = key_of(&wrapped.kek_ref)?.0.path("decrypt", place.account);
        let plain = self.decrypt(&path, &place.context(), &wrapped.bytes).await?;
        let key = plain.as_slice().try_into().map_err(|_| Fault::Corrupt("not 32 bytes".into()))?;
        Ok(Zeroizing::new(key))
    }

    async fn rewrap(&self, place: KeyPlace<'_>, old: &WrappedKey) -> Result<WrappedKey, Fault> {
        if key_of(&old.kek_ref)?.0 != self.key {
            let key = self.unwrap(place, old).await?;
            return self.wrap(place, &key).await;
        }
        let question = ToOpen { ciphertext: text(&old.bytes)?, context: STANDARD.encode(place.context()) };
        let sealed: Sealed = self.service.ask(&self.key.path("rewrap", place.account), &question).await?;
        wrapped(place, &self.key, sealed.ciphertext)
    }

    /// With the key that is for no account, also where each account has its own.
    async fn check(&self) -> Result<KeyCheck, Fault> {
        self.refuse_unfit_key().await?;
        let key = self.key.clone().per_account(false);
        let sealed = self.encrypt(&key.base_path("encrypt"), &check_context(&key), CHECK_TEXT).await?;
        let version = version_in(&sealed)?;
        Ok(KeyCheck {
            provider: TRANSIT.into(),
            kek_ref: key.reference(version),
            fingerprint: self.fingerprint(&key, version).await?,
            bytes: sealed.into_bytes(),
        })
    }

    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault> {
        let (key, version) = key_of(&check.kek_ref)?;
        match self.decrypt(&key.base_path("decrypt"), &check_context(&key), &check.bytes).await {
            Ok(text) if *text == CHECK_TEXT => Ok(()),
            Ok(_) => Err(Fault::Corrupt(format!("the check of key {} opens to another text", check.kek_ref))),
            Err(Fault::Corrupt(cause)) => Err(Fault::Corrupt(self.refusal(check, &key, version, &cause).await?)),
            Err(fault) => Err(fault),
        }
    }

    /// Also the key that an account had while each had its own.
    async fn destroy_key_of(&self, account: &AccountId) -> Result<bool, Fault> {
        let path = self.key.clone().per_account(true).path("keys", account);
        match self.service.order(&format!("{path}/config"), &ToLetGo { deletion_allowed: true }).await {
            Ok(()) => self.service.delete(&path).await.map(|()| true),
            Err(Fault::Corrupt(cause)) if is_absent(&cause) => Ok(false),
            // Nobody need allow what concerns no key of this account.
            Err(Fault::Denied(_)) if !self.key.is_per_account() => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

fn wrapped(place: KeyPlace<'_>, key: &TransitKey, ciphertext: String) -> Result<WrappedKey, Fault> {
    let kek_ref = key.reference(version_in(&ciphertext)?);
    Ok(WrappedKey { key_id: place.key_id, provider: TRANSIT.into(), kek_ref, bytes: ciphertext.into_bytes() })
}

fn key_of(kek_ref: &str) -> Result<(TransitKey, u32), Fault> {
    TransitKey::parse(kek_ref).ok_or_else(|| Fault::Corrupt(format!("{kek_ref:?} names no key of a transit engine")))
}

fn version_in(ciphertext: &str) -> Result<u32, Fault> {
    let malformed =
        || Fault::Unavailable("the key service answers with what is not of the form vault:vN:BASE64".into());
    version_of(ciphertext).ok_or_else(malformed)
}

fn text(sealed: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(sealed).map_err(|_| Fault::Corrupt("not of the form vault:vN:BASE64".into()))
}

fn is_absent(cause: &str) -> bool {
    NO_KEY.iter().any(|words| cause.contains(words))
}

fn check_context(key: &TransitKey) -> Vec<u8> {
    envelope::context(&[CHECK_PURPOSE, key.base_path("keys").as_bytes()])
}
