//! Text of whatever origin as a key ring: read or refused, without a panic, and never quoted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchbay::vault::Keyring;

fuzz_target!(|text: &str| {
    if let Err(refused) = Keyring::parse(text) {
        // Longest are the sentence about the form and two numbers: what was read has no room in it.
        assert!(refused.to_string().len() < 200, "{refused}");
    }
});
