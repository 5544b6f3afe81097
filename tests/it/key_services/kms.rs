//! Data keys and AWS KMS: what is bound to what, moves from key to key, and what each refusal means.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kms::Client;
use patchbay::domain::AccountId;
use patchbay::vault::{
    AWS_KMS, AwsKms, CacheSettings, Fault, KeyBytes, KeyCheck, KeyPlace, Keyring, LOCAL, Local, Provider, Vault,
    WrappedKey, sdk_config,
};
use serde_json::json;

use crate::support::faulty::{self, Faulty, Weather};
use crate::support::{Moto, account_id};

pub(super) const REGION: &str = "us-east-1";
/// Bytes in front of what moto makes of a plaintext.
const KEY_NAME: usize = 36;
const NO_CACHE: CacheSettings = CacheSettings { entries: 0, ttl: Duration::ZERO };

/// A key that is bound to the first generation of `acme`.
struct Bound {
    account: AccountId,
    key: KeyBytes,
}

impl Bound {
    fn new() -> Self {
        Self { account: account_id("acme"), key: KeyBytes::new(*b"CANARY, 32 bytes of a data key..") }
    }

    fn place(&self) -> KeyPlace<'_> {
        KeyPlace { account: &self.account, key_id: 1 }
    }
}

async fn sdk(url: &str, key_id: &str) -> aws_config::SdkConfig {
    let config = sdk_config(key_id, Some(REGION.into()), Some(url.into())).await.expect("settings");
    let credentials = Credentials::new("id", "secret", None, None, "test");
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

/// A provider over this key, with connections of its own.
pub(super) async fn kms(url: &str, key_id: &str) -> AwsKms {
    AwsKms::new(&sdk(url, key_id).await, key_id.to_owned())
}

/// The ARN of a new key.
pub(super) async fn new_key(url: &str) -> String {
    let made = Client::new(&sdk(url, "").await).create_key().send().await.expect("made");
    made.key_metadata.and_then(|key| key.arn).expect("ARN")
}

/// A new key behind this alias.
pub(super) async fn new_alias(url: &str, alias: &str) -> String {
    let arn = new_key(url).await;
    let client = Client::new(&sdk(url, "").await);
    client.create_alias().alias_name(alias).target_key_id(&arn).send().await.expect("named");
    arn
}

fn assert_corrupt<T>(outcome: Result<T, Fault>, claim: &str) {
    match outcome {
        Err(Fault::Corrupt(_)) => {}
        Err(fault) => panic!("{claim}: {fault:?}"),
        Ok(_) => panic!("{claim}: it opens"),
    }
}

#[tokio::test]
async fn a_data_key_unwraps_unchanged_at_its_place_with_its_key_alone() {
    let Some(moto) = Moto::start() else { return };
    let (arn, other_arn) = (new_key(&moto.url).await, new_key(&moto.url).await);
    let provider = kms(&moto.url, &arn).await;
    let bound = Bound::new();
    let wrapped = provider.wrap(bound.place(), &bound.key).await.expect("wrapped");
    assert_eq!((&*wrapped.provider, &wrapped.kek_ref, wrapped.key_id), (AWS_KMS, &format!("aws-kms:{arn}"), 1));
    assert!(!wrapped.bytes.windows(6).any(|window| window == b"CANARY"));
    assert_eq!(*provider.unwrap(bound.place(), &wrapped).await.expect("unwrapped"), *bound.key);

    let other = account_id("other");
    for place in [KeyPlace { account: &other, key_id: 1 }, KeyPlace { account: &bound.account, key_id: 2 }] {
        assert_corrupt(provider.unwrap(place, &wrapped).await, "at another place");
        assert_corrupt(provider.rewrap(place, &wrapped).await, "moved to another place");
    }
    // Behind the name of the key, by which this KMS finds it.
    for at in [KEY_NAME, wrapped.bytes.len() / 2, wrapped.bytes.len() - 1] {
        let mut changed = wrapped.clone();
        changed.bytes[at] ^= 1;
        assert_corrupt(provider.unwrap(bound.place(), &changed).await, &format!("changed at {at}"));
    }
    let shorter = WrappedKey { bytes: wrapped.bytes[..wrapped.bytes.len() - 1].to_vec(), ..wrapped.clone() };
    assert_corrupt(provider.unwrap(bound.place(), &shorter).await, "cut short");
    let named = |kek_ref: &str| WrappedKey { kek_ref: kek_ref.into(), ..wrapped.clone() };
    for kek_ref in ["local:1", "aws-kms"] {
        assert_corrupt(provider.unwrap(bound.place(), &named(kek_ref)).await, kek_ref);
    }
    // AWS calls it an incorrect key, moto a denied access.
    let other_key = named(&format!("aws-kms:{other_arn}"));
    assert!(provider.unwrap(bound.place(), &other_key).await.is_err(), "with another key");
}

#[tokio::test]
async fn data_keys_move_from_key_to_key_within_kms() {
    let Some(moto) = Moto::start() else { return };
    let (old, new) = (new_key(&moto.url).await, new_alias(&moto.url, "alias/patchbay").await);
    let bound = Bound::new();
    let wrapped = kms(&moto.url, &old).await.wrap(bound.place(), &bound.key).await.expect("wrapped");
    let provider = kms(&moto.url, "alias/patchbay").await;
    assert_eq!(*provider.unwrap(bound.place(), &wrapped).await.expect("by the old key"), *bound.key);
    let moved = provider.rewrap(bound.place(), &wrapped).await.expect("moved");
    assert_eq!(moved.kek_ref, format!("aws-kms:{new}"), "the key, and not the alias, which may move on");
    assert_eq!(*provider.unwrap(bound.place(), &moved).await.expect("by the new key"), *bound.key);
    let relabelled = WrappedKey { kek_ref: wrapped.kek_ref, ..moved };
    assert!(provider.unwrap(bound.place(), &relabelled).await.is_err(), "the old key opens nothing new");
}

#[tokio::test]
async fn data_keys_move_from_the_key_ring_to_kms_and_back() {
    let Some(moto) = Moto::start() else { return };
    let arn = new_key(&moto.url).await;
    let ring = Keyring::generate().expect("ring");
    let vault = async |kms_first: bool| {
        let mut providers: Vec<std::sync::Arc<dyn Provider>> = vec![
            std::sync::Arc::new(Local::new(Keyring::parse(&ring).expect("ring"))),
            std::sync::Arc::new(kms(&moto.url, &arn).await),
        ];
        if kms_first {
            providers.reverse();
        }
        let vault = Vault::new(providers, NO_CACHE);
        vault.trust(LOCAL);
        vault.trust(AWS_KMS);
        vault
    };
    let (with_ring, with_kms) = (vault(false).await, vault(true).await);
    let acme = account_id("acme");
    let (_, at_first) = with_ring.create_key(&acme, 1).await.expect("made");
    let in_kms = with_kms.rewrap(&acme, &at_first).await.expect("moved");
    assert_eq!(in_kms.kek_ref, format!("aws-kms:{arn}"));
    assert!(with_ring.data_key(&acme, &in_kms).await.is_ok(), "who still wraps with the ring can read it");
    let back = with_ring.rewrap(&acme, &in_kms).await.expect("moved back");
    assert_eq!(back.kek_ref, "local:1");
    assert!(with_kms.data_key(&acme, &back).await.is_ok());
}

#[tokio::test]
async fn a_key_check_opens_with_its_key_and_names_both_keys_otherwise() {
    let Some(moto) = Moto::start() else { return };
    let (arn, other_arn) = (new_key(&moto.url).await, new_alias(&moto.url, "alias/other").await);
    let (provider, other) = (kms(&moto.url, &arn).await, kms(&moto.url, "alias/other").await);
    let check = provider.check().await.expect("checked");
    let fingerprint_of_other = other.check().await.expect("checked").fingerprint;
    assert_eq!((check.fingerprint.len(), check.fingerprint == fingerprint_of_other), (16, false));
    provider.verify(&check).await.expect("the right key");
    other.verify(&check).await.expect("KMS still has the key that was used before");

    let gone = arn.replace(":key/", ":key/0000");
    let mut changed = check.clone();
    *changed.bytes.last_mut().expect("bytes") ^= 1;
    let of_gone_key = KeyCheck { kek_ref: format!("aws-kms:{gone}"), ..check.clone() };
    for recorded in [changed, of_gone_key] {
        let Err(Fault::Corrupt(sentence)) = other.verify(&recorded).await else { panic!("{}", recorded.kek_ref) };
        for part in [&recorded.kek_ref, &check.fingerprint, &other_arn, &fingerprint_of_other] {
            assert!(sentence.contains(part), "{part} not in {sentence}");
        }
    }
    let Err(Fault::Corrupt(sentence)) = kms(&moto.url, &gone).await.check().await else { panic!("no such key") };
    assert!(sentence.contains(&gone), "{sentence}");
}

/// What each of the provider's calls makes of the same trouble.
async fn faults(url: &str) -> Vec<Fault> {
    let provider = kms(url, "alias/patchbay").await;
    let bound = Bound::new();
    let arn = "arn:aws:kms:us-east-1:1:key/1";
    let wrapped =
        WrappedKey { key_id: 1, provider: AWS_KMS.into(), kek_ref: format!("aws-kms:{arn}"), bytes: vec![7; 90] };
    let check = KeyCheck {
        provider: AWS_KMS.into(),
        kek_ref: wrapped.kek_ref.clone(),
        fingerprint: String::new(),
        bytes: vec![7; 90],
    };
    let place = bound.place();
    [
        provider.wrap(place, &bound.key).await.err(),
        provider.unwrap(place, &wrapped).await.err(),
        provider.rewrap(place, &wrapped).await.err(),
        provider.check().await.err(),
        provider.verify(&check).await.err(),
    ]
    .map(|fault| fault.expect("refused"))
    .into()
}

fn kind(fault: &Fault) -> &'static str {
    match fault {
        Fault::Unavailable(_) => "unavailable",
        Fault::Denied(_) => "denied",
        Fault::Corrupt(_) => "corrupt",
    }
}

#[tokio::test]
async fn each_refusal_is_told_as_what_it_is_and_repeats_no_secret() {
    // With what services of AWS say in it: what was signed, and by whom.
    let message = format!("no.\n\nx-amz-security-token:CANARY {}", "CANARY".repeat(500));
    let proxy = Faulty::alone(Weather::Hang).await;
    for (status, code, expected) in [
        (400, "InvalidCiphertextException", "corrupt"),
        (400, "IncorrectKeyException", "corrupt"),
        (400, "NotFoundException", "corrupt"),
        (400, "KMSInvalidStateException", "denied"),
        (400, "DisabledException", "denied"),
        (400, "AccessDeniedException", "denied"),
        (400, "UnrecognizedClientException", "denied"),
        (400, "ExpiredTokenException", "denied"),
        (400, "InvalidSignatureException", "denied"),
        (400, "InvalidKeyUsageException", "denied"),
        (403, "", "denied"),
        (400, "ThrottlingException", "unavailable"),
        (400, "LimitExceededException", "unavailable"),
        (429, "", "unavailable"),
        (500, "KMSInternalException", "unavailable"),
        (500, "KeyUnavailableException", "unavailable"),
        (503, "DependencyTimeoutException", "unavailable"),
        (500, "", "unavailable"),
        (503, "AccessDeniedException", "unavailable"),
    ] {
        proxy.turn(Weather::Answer(status, json!({"__type": code, "message": message}).to_string()));
        for fault in faults(&proxy.url).await {
            assert_eq!(kind(&fault), expected, "{status} {code}: {fault:?}");
            let cause = fault.cause();
            assert!(cause.contains(code) && !cause.contains("CANARY") && cause.len() < 1_000, "{cause}");
        }
    }
    proxy.turn(Weather::Answer(400, json!({"__type": "AccessDeniedException", "message": "not you"}).to_string()));
    for fault in faults(&proxy.url).await {
        assert!(fault.cause().contains("not you") && fault.cause().contains("kms:Decrypt"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_as_kms_does_is_unavailable() {
    let proxy = Faulty::alone(Weather::Cut).await;
    let mut urls = vec![faulty::closed().await, "http://localhost.invalid".into(), proxy.url.clone()];
    for url in urls.drain(..) {
        for fault in faults(&url).await {
            assert_eq!(kind(&fault), "unavailable", "{url}: {fault:?}");
            assert!(fault.cause().len() < 1_000, "{fault:?}");
        }
    }
    for (status, body) in [(502, "<html>gateway</html>"), (200, "<html>portal</html>"), (200, "{}"), (200, "")] {
        proxy.turn(Weather::Answer(status, body.into()));
        for fault in faults(&proxy.url).await {
            assert_eq!(kind(&fault), "unavailable", "{status} {body}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn connecting_takes_two_seconds_at_most_and_is_not_tried_again() {
    let (url, _listener, _waiting) = faulty::full().await;
    let bound = Bound::new();
    let started = Instant::now();
    let fault = kms(&url, "alias/patchbay").await.wrap(bound.place(), &bound.key).await.expect_err("nobody answers");
    let took = started.elapsed();
    assert_eq!(kind(&fault), "unavailable", "{fault:?}");
    assert!((1_900..3_000).contains(&took.as_millis()), "{took:?}");
}
