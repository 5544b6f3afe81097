//! The vectors of `tests/vectors/format_v1.json` and `format_v2.json`, which an independent implementation made.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Malformed, SecretPlace, open, seal_with};
use crate::domain::{AccountId, IntegrationId, SecretName};
use crate::vault::keyring::fingerprint;
use crate::vault::local::check_context;
use crate::vault::provider::CHECK_TEXT;
use crate::vault::provider::KeyPlace;

const FORMAT_1: &str = include_str!("../../../tests/vectors/format_v1.json");
const FORMAT_2: &str = include_str!("../../../tests/vectors/format_v2.json");

#[derive(Deserialize)]
struct Secret {
    comment: String,
    key: String,
    key_id: u32,
    nonce: String,
    account: String,
    integration: String,
    connection: String,
    name: String,
    counter: Option<u64>,
    plaintext: String,
    times: usize,
    /// Of a long one there is the digest alone.
    sealed: Option<String>,
    sealed_sha256: Option<String>,
}

#[derive(Deserialize)]
struct WrappedKey {
    provider_key: String,
    provider_key_id: u32,
    nonce: String,
    account: String,
    key_id: u32,
    key: String,
    wrapped: String,
}

#[derive(Deserialize)]
struct Check {
    provider_key: String,
    provider_key_id: u32,
    nonce: String,
    fingerprint: String,
    sealed: String,
}

/// Bytes that do not open under the key, and at the place, of the first secret.
#[derive(Deserialize)]
struct Refused {
    comment: String,
    reason: String,
    sealed: String,
}

fn cases<T: DeserializeOwned>(vectors: &str, kind: &str) -> Vec<T> {
    let vectors: Value = serde_json::from_str(vectors).expect("vectors");
    serde_json::from_value(vectors[kind].clone()).expect(kind)
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("so many bytes")
}

impl Secret {
    fn context(&self) -> Vec<u8> {
        SecretPlace {
            account: &AccountId::parse(&self.account).expect("account"),
            integration: IntegrationId(self.integration.parse().expect("uuid")),
            connection: &self.connection,
            name: &SecretName::parse(&self.name).expect("name"),
            counter: self.counter,
        }
        .context()
    }
}

#[test]
fn secrets_are_sealed_to_the_same_bytes_and_opened() {
    for secret in [FORMAT_1, FORMAT_2].into_iter().flat_map(|vectors| cases::<Secret>(vectors, "secrets")) {
        let (key, counter, context) = (bytes(&secret.key), secret.counter, secret.context());
        let plain = secret.plaintext.repeat(secret.times).into_bytes();
        let sealed = seal_with(secret.key_id, &key, counter, &bytes(&secret.nonce), &context, &plain).expect("sealed");
        let expected = secret.sealed.map(|text| sealed == hex(&text));
        let digest = secret.sealed_sha256.map(|text| Sha256::digest(&sealed).as_slice() == hex(&text));
        assert_eq!(expected.or(digest), Some(true), "{}", secret.comment);
        assert_eq!(*open(secret.key_id, &key, counter, &context, &sealed).expect("opens"), plain, "{}", secret.comment);
    }
}

#[test]
fn data_keys_are_wrapped_to_the_same_bytes_and_opened() {
    for wrapped in cases::<WrappedKey>(FORMAT_1, "data_keys") {
        let account = AccountId::parse(&wrapped.account).expect("account");
        let context = KeyPlace { account: &account, key_id: wrapped.key_id }.context();
        let (id, key, nonce) = (wrapped.provider_key_id, bytes(&wrapped.provider_key), bytes(&wrapped.nonce));
        let sealed = seal_with(id, &key, None, &nonce, &context, &hex(&wrapped.key)).expect("sealed");
        assert_eq!(sealed, hex(&wrapped.wrapped));
        assert_eq!(*open(id, &key, None, &context, &sealed).expect("opens"), hex(&wrapped.key));
    }
}

#[test]
fn key_checks_are_sealed_to_the_same_bytes_and_have_the_same_fingerprint() {
    for check in cases::<Check>(FORMAT_1, "checks") {
        let (id, key) = (check.provider_key_id, bytes(&check.provider_key));
        let sealed = seal_with(id, &key, None, &bytes(&check.nonce), &check_context(id), CHECK_TEXT).expect("sealed");
        assert_eq!(sealed, hex(&check.sealed));
        assert_eq!(fingerprint(&key), check.fingerprint);
    }
}

#[test]
fn what_must_not_open_is_refused_for_the_right_reason() {
    for vectors in [FORMAT_1, FORMAT_2] {
        let whole: Secret = cases(vectors, "secrets").remove(0);
        let (key, context) = (bytes(&whole.key), whole.context());
        for Refused { comment, reason, sealed } in cases(vectors, "refusals") {
            let refused = open(whole.key_id, &key, whole.counter, &context, &hex(&sealed)).expect_err(&comment);
            let expected = match &*reason {
                "truncated" => Malformed::Truncated,
                "magic" => Malformed::Magic,
                "version" => Malformed::Version,
                "algorithm" => Malformed::Algorithm,
                "flags" => Malformed::Flags,
                "key_id" => Malformed::KeyId,
                "counter" => Malformed::Counter,
                "refused" => Malformed::Refused,
                other => panic!("unknown reason {other}"),
            };
            assert_eq!(refused, expected, "{comment}");
        }
    }
}
