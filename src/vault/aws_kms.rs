//! The `aws-kms` provider: AWS KMS wraps data keys with a key that never leaves it.
//!
//! KMS binds what it wraps to an encryption context, here the account and the generation. It shows nothing of a key, so
//! that a key's fingerprint is that of its ARN. Second attempts and deadlines are not made here.

mod refusal;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider::Rustls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::provider::{CHECK_TEXT, Fault, KeyBytes, KeyPlace, Provider};
use super::{KeyCheck, WrappedKey};
use refusal::{fault, malformed};

/// The name of the provider.
pub const AWS_KMS: &str = "aws-kms";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Credentials may come from another service, which does not answer where nobody runs it.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(2);

/// A key in AWS KMS.
pub struct AwsKms {
    client: Client,
    key_id: String,
}

/// How to reach the KMS that has this key: with the credentials that every AWS tool finds (environment, profile, web
/// identity, container, instance), which are not looked for yet. Asks nobody.
///
/// # Errors
/// A sentence for the operator when nothing tells the key's region.
pub async fn sdk_config(
    key_id: &str,
    region: Option<String>,
    endpoint_url: Option<String>,
) -> Result<SdkConfig, String> {
    // Unlike the library's own chain without the instance's metadata service, which would be waited for elsewhere.
    let region = RegionProviderChain::first_try(region.or_else(|| region_of(key_id)).map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(Builder::new().tls_provider(Rustls(CryptoMode::Ring)).build_https())
        .region(region)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build());
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    match config.region() {
        Some(_) => Ok(config),
        None => {
            Err("the region of the key in AWS KMS is not known: set keys.kms_region, or give keys.kms_key_id as an \
                     ARN"
            .into())
        }
    }
}

/// `arn:aws:kms:REGION:ACCOUNT:key/ID`
fn region_of(key_id: &str) -> Option<String> {
    key_id.strip_prefix("arn:")?.split(':').nth(2).map(str::to_owned)
}

impl AwsKms {
    /// Wraps with this key: its id, ARN or alias.
    pub fn new(config: &SdkConfig, key_id: String) -> Self {
        Self { client: Client::new(config), key_id }
    }

    /// What KMS makes of this, and the key's ARN, by which it is still found when an alias has moved on.
    async fn seal(&self, context: Context, plain: &[u8]) -> Result<(String, Vec<u8>), Fault> {
        let request = self.client.encrypt().key_id(&self.key_id).plaintext(Blob::new(plain));
        let answer = request.set_encryption_context(Some(context)).send().await.map_err(fault)?;
        sealed(answer.key_id, answer.ciphertext_blob)
    }

    /// Names the key: KMS would find it by itself, but then one that somebody else chose, too.
    async fn open(&self, context: Context, arn: &str, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let request = self.client.decrypt().key_id(arn).ciphertext_blob(Blob::new(bytes));
        let answer = request.set_encryption_context(Some(context)).send().await.map_err(fault)?;
        let plain = answer.plaintext.ok_or_else(|| malformed("no plaintext"))?;
        Ok(Zeroizing::new(plain.into_inner()))
    }

    /// For the operator: what is configured, as far as it can be found out.
    async fn configured(&self) -> String {
        match self.check().await {
            Ok(KeyCheck { kek_ref, fingerprint, .. }) => format!("{kek_ref} with fingerprint {fingerprint}"),
            Err(_) => self.key_id.clone(),
        }
    }
}

#[async_trait]
impl Provider for AwsKms {
    fn name(&self) -> &'static str {
        AWS_KMS
    }

    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault> {
        let (arn, bytes) = self.seal(context(place), key.as_slice()).await?;
        Ok(wrapped(place, &arn, bytes))
    }

    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault> {
        let plain = self.open(context(place), arn(&wrapped.kek_ref)?, &wrapped.bytes).await?;
        let key = plain.as_slice().try_into().map_err(|_| Fault::Corrupt("not 32 bytes".into()))?;
        Ok(Zeroizing::new(key))
    }

    async fn rewrap(&self, place: KeyPlace<'_>, from: &WrappedKey) -> Result<WrappedKey, Fault> {
        let request = self
            .client
            .re_encrypt()
            .source_key_id(arn(&from.kek_ref)?)
            .destination_key_id(&self.key_id)
            .ciphertext_blob(Blob::new(from.bytes.as_slice()))
            .set_source_encryption_context(Some(context(place)))
            .set_destination_encryption_context(Some(context(place)));
        let answer = request.send().await.map_err(fault)?;
        let (arn, bytes) = sealed(answer.key_id, answer.ciphertext_blob)?;
        Ok(wrapped(place, &arn, bytes))
    }

    async fn check(&self) -> Result<KeyCheck, Fault> {
        let (arn, bytes) = self
            .seal(check_context(), CHECK_TEXT)
            .await
            .map_err(|fault| fault.of(&format!("keys.kms_key_id {}", self.key_id)))?;
        Ok(KeyCheck { provider: AWS_KMS.into(), kek_ref: kek_ref(&arn), fingerprint: fingerprint(&arn), bytes })
    }

    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault> {
        let opened = self.open(check_context(), arn(&check.kek_ref)?, &check.bytes).await;
        let why = match opened {
            Ok(plain) if plain.as_slice() == CHECK_TEXT => return Ok(()),
            Ok(_) => "which opens its key check to another text".into(),
            Err(Fault::Corrupt(cause)) => format!("which does not open its key check: {cause}"),
            Err(fault) => return Err(fault.of(&check.kek_ref)),
        };
        Err(Fault::Corrupt(format!(
            "this database needs key {} with fingerprint {}, {why}; configured is {}: use the region, the endpoint and \
             the AWS account that were used before",
            check.kek_ref,
            check.fingerprint,
            self.configured().await
        )))
    }
}

type Context = HashMap<String, String>;

fn context(place: KeyPlace<'_>) -> Context {
    let of = |name: &str, value: String| (format!("patchbay:{name}"), value);
    [of("account", place.account.as_str().to_owned()), of("key_id", place.key_id.to_string())].into()
}

fn check_context() -> Context {
    [("patchbay:purpose".to_owned(), "patchbay.check.v1".to_owned())].into()
}

fn kek_ref(arn: &str) -> String {
    format!("{AWS_KMS}:{arn}")
}

fn arn(kek_ref: &str) -> Result<&str, Fault> {
    let arn = kek_ref.strip_prefix(AWS_KMS).and_then(|rest| rest.strip_prefix(':'));
    arn.ok_or_else(|| Fault::Corrupt(format!("{kek_ref} is no key in AWS KMS")))
}

/// First 8 bytes of the SHA-256 of the ARN.
fn fingerprint(arn: &str) -> String {
    Sha256::digest(arn).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn wrapped(place: KeyPlace<'_>, arn: &str, bytes: Vec<u8>) -> WrappedKey {
    WrappedKey { key_id: place.key_id, provider: AWS_KMS.into(), kek_ref: kek_ref(arn), bytes }
}

/// The ARN and the ciphertext of an answer.
fn sealed(arn: Option<String>, bytes: Option<Blob>) -> Result<(String, Vec<u8>), Fault> {
    match (arn, bytes.map(Blob::into_inner)) {
        (Some(arn), Some(bytes)) if arn.starts_with("arn:") && !bytes.is_empty() => Ok((arn, bytes)),
        _ => Err(malformed("no ARN or no ciphertext")),
    }
}
