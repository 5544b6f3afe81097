//! Bytes of whatever origin: taken apart without a panic, put together again to the same bytes, and never opened.
#![no_main]

use std::sync::LazyLock;

use futures_executor::block_on;
use libfuzzer_sys::fuzz_target;
use patchbay::domain::AccountId;
use patchbay::vault::{Envelope, KeyCheck, KeyPlace, Keyring, LOCAL, Local, Provider, WrappedKey};

const RING: &str = r#"{"primary": 1, "keys": [{"id": 1, "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}"#;

static PROVIDER: LazyLock<Local> = LazyLock::new(|| Local::new(Keyring::parse(RING).expect("a key ring")));
static ACCOUNT: LazyLock<AccountId> = LazyLock::new(|| AccountId::parse("acme").expect("an account"));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Envelope { key_id, counter, nonce, ciphertext }) = Envelope::parse(bytes) {
        let version = if counter.is_some() { 2 } else { 1 };
        let counter: Vec<u8> = counter.into_iter().flat_map(u64::to_be_bytes).collect();
        let again = [&[0xB1, version, 1, 0][..], &key_id.to_be_bytes(), &counter, nonce, ciphertext].concat();
        assert_eq!(again, bytes);
        assert!(ciphertext.len() >= 16, "a tag");
    }
    let bytes = bytes.to_vec();
    let wrapped = WrappedKey { key_id: 1, provider: LOCAL.into(), kek_ref: "local:1".into(), bytes: bytes.clone() };
    assert!(block_on(PROVIDER.unwrap(KeyPlace { account: &ACCOUNT, key_id: 1 }, &wrapped)).is_err());
    let check = KeyCheck { provider: LOCAL.into(), kek_ref: "local:1".into(), fingerprint: String::new(), bytes };
    assert!(block_on(PROVIDER.verify(&check)).is_err());
});
