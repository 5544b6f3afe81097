//! The transit provider, and Patchbay with it, against a service in process.

use std::sync::Arc;
use std::time::Duration;

use patchbay::vault::{Fault, KeyCheck, Keyring, LOCAL, Local, Provider, TRANSIT, Transit, TransitSettings, Vault};
use serde_json::json;
use tokio::time::timeout;

use super::{INSTALL, NO_CACHE, UNAVAILABLE, corrupt, data_key, opens, place, settings_for};
use crate::support::transit::{FakeTransit, Mode, TOKEN};
use crate::support::{Process, Wire, World, account_id, wrapped};

fn transit(fake: &FakeTransit) -> Transit {
    Transit::new(&settings_for(&fake.url, TOKEN)).expect("settings")
}

fn per_account(fake: &FakeTransit) -> Transit {
    let settings = TransitSettings { key_per_account: true, ..settings_for(&fake.url, TOKEN) };
    Transit::new(&settings).expect("settings")
}

#[tokio::test]
async fn a_wrapped_key_opens_for_its_account_and_generation_alone() {
    let fake = FakeTransit::start().await;
    let transit = transit(&fake);
    let (acme, other) = (account_id("acme"), account_id("other"));
    let wrapped = transit.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    assert_eq!((&*wrapped.provider, &*wrapped.kek_ref), (TRANSIT, "transit:transit/patchbay:v1"));
    assert!(wrapped.bytes.starts_with(b"vault:v1:"));
    assert_eq!(transit.unwrap(place(&acme, 1), &wrapped).await.expect("opens"), data_key());
    for (account, key_id) in [(&other, 1), (&acme, 2)] {
        let cause = corrupt(transit.unwrap(place(account, key_id), &wrapped).await);
        assert!(cause.contains("message authentication failed"), "{cause}");
    }
}

#[tokio::test]
async fn what_the_service_answers_is_told_apart() {
    let fake = FakeTransit::start().await;
    let transit = transit(&fake);
    let acme = account_id("acme");
    let wrapped = transit.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    let says = |status: u16, words: &str| Mode::Says(status, words.to_owned());
    let unavailable: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Unavailable(_));
    let denied: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Denied(_));
    let corrupt: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Corrupt(_));
    for (mode, is_expected, part) in [
        (Mode::Sealed, unavailable, "503 Service Unavailable: Vault is sealed"),
        (says(500, "internal error"), unavailable, "internal error"),
        (says(429, "rate limited"), unavailable, "rate limited"),
        (says(472, "standby"), unavailable, "standby"),
        (says(473, "standby"), unavailable, "standby"),
        (says(412, "required index state not present"), unavailable, "index state"),
        (says(403, "permission denied"), denied, "no policy of it allows this"),
        (says(401, "missing client token"), denied, "revoked"),
        (says(400, "invalid ciphertext"), corrupt, "transit/decrypt/patchbay: 400 Bad Request: invalid ciphertext"),
        (says(404, "no handler for route"), corrupt, "no handler"),
        (Mode::Page, unavailable, "no answer of a transit engine"),
        (Mode::Redirect, unavailable, "redirects are not followed"),
        (Mode::Huge, unavailable, "65536 bytes are the most"),
    ] {
        fake.be(mode);
        let fault = transit.unwrap(place(&acme, 1), &wrapped).await.expect_err(part);
        assert!(is_expected(&fault) && fault.cause().contains(part), "{part}: {fault:?}");
        assert!(fault.cause().contains("transit/decrypt/patchbay"), "where: {fault:?}");
    }
    fake.be(Mode::Silence);
    let asked = transit.unwrap(place(&acme, 1), &wrapped);
    assert!(timeout(Duration::from_millis(100), asked).await.is_err(), "the deadline is the caller's");
    fake.be(Mode::Up);
    transit.unwrap(place(&acme, 1), &wrapped).await.expect("nothing is left of a call that was dropped");
    drop(fake);
    let fault = transit.unwrap(place(&acme, 1), &wrapped).await.expect_err("gone");
    assert!(unavailable(&fault), "{fault:?}");
}

#[tokio::test]
async fn neither_the_token_nor_what_may_be_a_key_is_in_a_fault() {
    let fake = FakeTransit::start().await;
    let transit = transit(&fake);
    let echo = format!("line\none {TOKEN} {{\"plaintext\":\"{}\"}} end {}", "Q0FOQVJZ".repeat(6), "a ".repeat(500));
    for status in [400, 403, 500] {
        fake.be(Mode::Says(status, echo.clone()));
        let fault = transit.wrap(place(&account_id("acme"), 1), &data_key()).await.expect_err("fault");
        assert!(fault.cause().contains("line one … … end a a"), "{fault:?}");
        assert!(fault.cause().len() < 600, "{fault:?}");
    }
}

#[tokio::test]
async fn the_service_itself_rewraps_and_never_shows_the_data_key() {
    let fake = FakeTransit::start().await;
    let transit = transit(&fake);
    let acme = account_id("acme");
    let old = transit.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    fake.rotate("patchbay");
    fake.take_calls();
    let new = transit.rewrap(place(&acme, 1), &old).await.expect("rewrapped");
    assert_eq!(fake.take_calls(), ["rewrap/patchbay"]);
    assert_eq!(new.kek_ref, "transit:transit/patchbay:v2");
    assert_eq!(transit.unwrap(place(&acme, 1), &new).await.expect("opens"), data_key());
    assert_eq!(transit.unwrap(place(&acme, 1), &old).await.expect("still opens"), data_key());
    fake.set_min_decryption_version("patchbay", 2);
    assert!(corrupt(transit.unwrap(place(&acme, 1), &old).await).contains("too old"));
    assert!(corrupt(transit.rewrap(place(&account_id("other"), 1), &new).await).contains("authentication failed"));
}

#[tokio::test]
async fn a_check_is_of_the_current_version_and_opens_with_its_own_alone() {
    let fake = FakeTransit::start().await;
    let transit = transit(&fake);
    let first = transit.check().await.expect("checked");
    assert_eq!((&*first.kek_ref, first.fingerprint.len()), ("transit:transit/patchbay:v1", 16));
    fake.rotate("patchbay");
    let second = transit.check().await.expect("checked");
    assert_eq!(second.kek_ref, "transit:transit/patchbay:v2");
    assert_ne!(first.fingerprint, second.fingerprint);
    for check in [&first, &second] {
        transit.verify(check).await.expect("opens");
    }
    fake.set_min_decryption_version("patchbay", 2);
    let cause = corrupt(transit.verify(&first).await);
    for part in ["too old", "lower its min_decryption_version", "`patchbay keys retire transit:transit/patchbay:v1`"] {
        assert!(cause.contains(part), "{part}: {cause}");
    }
}

#[tokio::test]
async fn a_key_that_is_gone_or_another_is_told_with_both_fingerprints_and_the_way_out() {
    let fake = FakeTransit::start().await;
    let transit = transit(&fake);
    let check = transit.check().await.expect("checked");
    fake.delete_key("patchbay");
    let cause = corrupt(transit.verify(&check).await);
    let expected = format!("needs key transit:transit/patchbay:v1 with fingerprint {}", check.fingerprint);
    for part in [&*expected, "tells no fingerprint", "encryption key not found", "restore the key", "keys.transit_url"]
    {
        assert!(cause.contains(part), "{part}: {cause}");
    }
    assert!(!fake.has_key("patchbay"), "none was made to look at it");
    fake.make_key("patchbay", true);
    let given = transit.check().await.expect("another key").fingerprint;
    let cause = corrupt(transit.verify(&check).await);
    for part in [&*expected, &*format!("has a key with fingerprint {given} there"), "restore the key"] {
        assert!(cause.contains(part), "{part}: {cause}");
    }
    fake.be(Mode::Sealed);
    assert!(matches!(transit.verify(&check).await, Err(Fault::Unavailable(_))), "not a wrong key");
    let elsewhere = KeyCheck { kek_ref: "transit:../sys/seal:v1".into(), ..check };
    fake.take_calls();
    corrupt(transit.verify(&elsewhere).await);
    assert_eq!(fake.take_calls(), [""; 0], "no path from the database is asked that is none of a key");
}

#[tokio::test]
async fn a_first_check_refuses_a_key_that_is_absent_or_not_derived_with_the_command_that_makes_one() {
    let fake = FakeTransit::empty().await;
    let transit = transit(&fake);
    let command = "`bao write -f transit/keys/patchbay type=aes256-gcm96 derived=true`";
    let cause = corrupt(transit.check().await);
    assert!(cause.contains("no such key") && cause.contains(command), "{cause}");
    assert!(!fake.has_key("patchbay"));
    fake.make_key("patchbay", false);
    let cause = corrupt(transit.check().await);
    assert!(cause.contains("must be a derived one") && cause.contains(command), "{cause}");
}

#[tokio::test]
async fn keys_of_accounts_are_made_when_something_is_wrapped_and_end_with_their_account() {
    let fake = FakeTransit::start().await;
    let transit = per_account(&fake);
    assert_eq!(transit.check().await.expect("checked").kek_ref, "transit:transit/patchbay:v1", "the shared key's");
    let (acme, other) = (account_id("acme"), account_id("other-"));
    assert!(!transit.destroy_key_of(&acme).await.expect("there is none"));
    let of_acme = transit.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    let of_other = transit.wrap(place(&other, 1), &data_key()).await.expect("wrapped");
    assert_eq!((&*of_acme.kek_ref, &*of_other.kek_ref), ["transit:transit/patchbay-*:v1"; 2].into());
    assert!(fake.has_key("patchbay-acme") && fake.has_key("patchbay-other-.0"));
    assert!(transit.destroy_key_of(&acme).await.expect("destroyed"));
    assert!(!transit.destroy_key_of(&acme).await.expect("gone already"));
    assert!(corrupt(transit.unwrap(place(&acme, 1), &of_acme).await).contains("encryption key not found"));
    assert!(!fake.has_key("patchbay-acme"), "reading makes no key");
    assert_eq!(transit.unwrap(place(&other, 1), &of_other).await.expect("untouched"), data_key());
}

#[tokio::test]
async fn rows_move_between_the_shared_key_and_the_accounts_own() {
    let fake = FakeTransit::start().await;
    let (shared, own) = (transit(&fake), per_account(&fake));
    let acme = account_id("acme");
    let mut wrapped = shared.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    for (provider, kek_ref) in [(&own, "transit:transit/patchbay-*:v1"), (&shared, "transit:transit/patchbay:v1")] {
        assert_eq!(provider.unwrap(place(&acme, 1), &wrapped).await.expect("opens before it moves"), data_key());
        wrapped = provider.rewrap(place(&acme, 1), &wrapped).await.expect("moved");
        assert_eq!(wrapped.kek_ref, kek_ref);
    }
    assert!(shared.destroy_key_of(&acme).await.expect("destroyed"), "that of former times, too");
    fake.be(Mode::Says(403, "permission denied".into()));
    assert!(!shared.destroy_key_of(&acme).await.expect("nobody has to allow it"));
    assert!(matches!(own.destroy_key_of(&acme).await, Err(Fault::Denied(_))));
}

#[tokio::test]
async fn data_keys_move_from_the_key_ring_to_the_service_and_back() {
    let fake = FakeTransit::start().await;
    let ring = Keyring::generate().expect("key ring");
    let local = || Arc::new(Local::new(Keyring::parse(&ring).expect("key ring"))) as Arc<dyn Provider>;
    let remote = || Arc::new(transit(&fake)) as Arc<dyn Provider>;
    let vault = |providers| {
        let vault = Vault::new(providers, NO_CACHE);
        for name in [LOCAL, TRANSIT] {
            vault.trust(name);
        }
        vault
    };
    let acme = account_id("acme");
    let (_, first) = vault(vec![local()]).create_key(&acme, 1).await.expect("created");
    let moving = vault(vec![remote(), local()]);
    assert!(opens(&moving, "acme", &first).await, "before it has moved");
    let moved = moving.rewrap(&acme, &first).await.expect("moved");
    assert_eq!(moved.kek_ref, "transit:transit/patchbay:v1");
    assert!(opens(&vault(vec![remote()]), "acme", &moved).await, "without the key ring");
    assert!(!opens(&vault(vec![remote()]), "acme", &first).await, "no other provider is tried");
    let back = vault(vec![local(), remote()]).rewrap(&acme, &moved).await.expect("back");
    assert_eq!(back.kek_ref, "local:1");
    assert!(opens(&vault(vec![local()]), "acme", &back).await);
}

#[tokio::test]
async fn a_token_in_a_file_may_change_at_any_time() {
    let fake = FakeTransit::start().await;
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    let settings = TransitSettings { token_file: Some(file.clone()), ..settings_for(&fake.url, "") };
    let transit = Transit::new(&settings).expect("settings");
    for (text, part) in [(None, "cannot read keys.transit_token_file"), (Some("\n"), "is empty")] {
        text.inspect(|text| std::fs::write(&file, text).expect("written"));
        let fault = transit.check().await.expect_err(part);
        assert!(matches!(&fault, Fault::Unavailable(cause) if cause.contains(part)), "{fault:?}");
    }
    std::fs::write(&file, format!("{TOKEN}\n")).expect("written");
    transit.check().await.expect("checked");
    fake.expect_token("s.CANARYnext");
    assert!(matches!(transit.check().await, Err(Fault::Denied(_))));
    std::fs::write(&file, "s.CANARYnext").expect("written");
    transit.check().await.expect("the new token is used at once");
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let good = || settings_for("https://bao.example.com:8200", TOKEN);
    for (settings, part) in [
        (TransitSettings { url: "bao.example.com".into(), ..good() }, "keys.transit_url must"),
        (TransitSettings { url: "https://u:CANARY@bao.example.com".into(), ..good() }, "keys.transit_url must"),
        (TransitSettings { url: "https://bao.example.com/?a=b".into(), ..good() }, "keys.transit_url must"),
        (TransitSettings { mount: "/transit".into(), ..good() }, "keys.transit_mount = /transit"),
        (TransitSettings { key: "patch bay".into(), ..good() }, "keys.transit_key = patch bay"),
        (TransitSettings { token: String::new().into(), ..good() }, "keys.transit_token_file or keys.transit_token"),
        (TransitSettings { token_file: Some("/x".into()), ..good() }, "are both set"),
        (TransitSettings { namespace: "a\nb".into(), ..good() }, "keys.transit_namespace"),
        (TransitSettings { ca_file: Some("/no/such/file".into()), ..good() }, "keys.transit_ca_file /no/such/file"),
    ] {
        let refusal = Transit::new(&settings).err().unwrap_or_else(|| panic!("{part}"));
        assert!(refusal.contains(part) && !refusal.contains("CANARY"), "{part}: {refusal}");
    }
}

#[tokio::test]
async fn secrets_are_stored_and_read_by_way_of_the_service_and_none_while_it_is_away() {
    let fake = FakeTransit::start().await;
    let world = World::builder().without_keys().set(&fake.settings()).set(&[("keys.cache_entries", "0")]).start().await;
    let acme = world.account("acme");
    acme.post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY_1"}})).await.ok();
    let keys = world.keys_of("acme").await;
    assert_eq!((&*keys[0].provider, &*keys[0].kek_ref), (TRANSIT, "transit:transit/patchbay:v1"));
    let vault = Vault::new(vec![Arc::new(transit(&fake))], NO_CACHE);
    vault.trust(TRANSIT);
    let key = vault.data_key(&account_id("acme"), &wrapped(&keys[0])).await.expect("unwrapped");
    let opened = crate::support::open(&key, &world.secrets_of("acme").await[0]);
    assert_eq!(opened, Some(json!("sk_CANARY_1")));
    for mode in [Mode::Sealed, Mode::Says(403, "permission denied".into()), Mode::Page] {
        fake.be(mode);
        for account in ["acme", "newcomer"] {
            let client = world.account(account);
            let before = world.rows_of(account).await;
            let refused = client.post(INSTALL, &json!({"params": {"n": 1}, "secrets": {"a": "CANARY"}})).await;
            refused.assert_refused(503, "secrets_unavailable", UNAVAILABLE);
            assert_eq!(world.rows_of(account).await, before, "nothing is written, not even params");
        }
        acme.post(INSTALL, &json!({"params": {"n": 2}})).await.ok();
        acme.get("/api/v1/integrations/stripe").await.ok();
    }
    fake.be(Mode::Up);
    acme.post(INSTALL, &json!({"secrets": {"a": "CANARY"}})).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_key_service_no_key_ring_is_made_and_its_key_is_asked_for_at_the_start() {
    let fake = FakeTransit::start().await;
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    let (url, data_dir) = (format!("keys.transit_url={}", fake.url), data.display().to_string());
    let arguments = ["--data-dir", &data_dir, "--set", &url, "--listen", "127.0.0.1:0"];
    let environment = [("PATCHBAY_TRANSIT_TOKEN", TOKEN)];
    let process = Process::serve_with(&arguments, &environment);
    let wire = Wire::new(&process.url, "acme");
    wire.post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY"}})).await.ok();
    assert_eq!(wire.get("/readyz").await.ok()["secrets"], "ok");
    let (_, log) = process.stop();
    assert!(!data.join("keyring.json").exists());
    assert!(!log.contains("CANARY"), "{log}");

    fake.delete_key("patchbay");
    let Err(complaint) = Process::try_serve(&arguments, &environment) else { panic!("started without its key") };
    assert!(complaint.contains("transit:transit/patchbay:v1 with fingerprint"), "{complaint}");
    // Without the service, nothing tells how its rows are to be read.
    let Err(complaint) = Process::try_serve(&["--data-dir", &data_dir, "--listen", "127.0.0.1:0"], &[]) else {
        panic!("started without its provider");
    };
    assert!(complaint.contains("the provider transit is not configured"), "{complaint}");
    let chosen = ["--data-dir", &data_dir, "--listen", "127.0.0.1:0", "--set", "keys.provider=transit"];
    let Err(complaint) = Process::try_serve(&chosen, &[]) else { panic!("started without its provider") };
    assert!(complaint.contains("keys.provider is transit") && complaint.contains("keys.transit_url"), "{complaint}");
}
