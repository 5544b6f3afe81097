//! Patchbay with a real OpenBao. Each test has a server of its own and a token with the documented policy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay::domain::AccountId;
use patchbay::vault::{Fault, Provider, TRANSIT, Transit, TransitSettings, Vault};
use serde_json::json;
use tokio::time::timeout;

use super::bao::{Bao, POLICY, ROOT};
use super::{INSTALL, NO_CACHE, UNAVAILABLE, corrupt, data_key, opens, place, settings_for};
use crate::support::{Answer, World, account_id, eventually, open, wrapped};

/// Longer than it ever takes a real service to be itself again.
const RECOVERY: Duration = Duration::from_secs(10);
/// Of a call to a key service.
const DEADLINE: Duration = Duration::from_secs(3);

async fn transit(bao: &Bao) -> Transit {
    Transit::new(&settings_for(&bao.url(), &bao.token(&["patchbay"]).await)).expect("settings")
}

/// A world whose provider is this OpenBao, and which keeps no data key.
async fn world(bao: &Bao, settings: &[(&str, &str)]) -> World {
    let url = bao.url();
    let common = [("keys.transit_url", &*url), ("keys.cache_entries", "0")];
    World::builder().without_keys().set(&common).set(settings).start().await
}

/// The same with a token of its own.
async fn world_with_token(bao: &Bao) -> World {
    let token = bao.token(&["patchbay"]).await;
    world(bao, &[("keys.transit_token", &token)]).await
}

async fn install(world: &World, account: &str) -> Answer {
    world.account(account).post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY"}})).await
}

async fn assert_refused(world: &World, account: &str) {
    install(world, account).await.assert_refused(503, "secrets_unavailable", UNAVAILABLE);
}

async fn recovers(world: &World, account: &str) {
    eventually("it works again", RECOVERY, async || install(world, account).await.status == 200).await;
}

#[tokio::test]
async fn an_install_seals_with_a_data_key_that_openbao_alone_unwraps() {
    let Some(bao) = Bao::start().await else { return };
    let world = world_with_token(&bao).await;
    install(&world, "acme").await.ok();
    let keys = world.keys_of("acme").await;
    assert_eq!((&*keys[0].provider, &*keys[0].kek_ref), (TRANSIT, "transit:transit/patchbay:v1"));
    let vault = Vault::new(vec![Arc::new(transit(&bao).await)], NO_CACHE);
    vault.trust(TRANSIT);
    let key = vault.data_key(&account_id("acme"), &wrapped(&keys[0])).await.expect("unwrapped");
    assert_eq!(open(&key, &world.secrets_of("acme").await[0]), Some(json!("sk_CANARY")));
    assert!(!opens(&vault, "other", &wrapped(&keys[0])).await, "bound to its account");
}

#[tokio::test]
async fn a_wrapped_key_moved_elsewhere_is_refused_and_rewrapping_moves_it_to_the_current_version() {
    let Some(bao) = Bao::start().await else { return };
    let transit = transit(&bao).await;
    let (acme, other) = (account_id("acme"), account_id("other"));
    let old = transit.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    for (account, key_id) in [(&other, 1), (&acme, 2)] {
        let cause = corrupt(transit.unwrap(place(account, key_id), &old).await);
        assert!(cause.contains("cipher: message authentication failed"), "{cause}");
    }
    bao.post("transit/keys/patchbay/rotate", json!({})).await;
    assert_eq!(transit.unwrap(place(&acme, 1), &old).await.expect("still opens"), data_key());
    let new = transit.rewrap(place(&acme, 1), &old).await.expect("rewrapped");
    assert_eq!((&*old.kek_ref, &*new.kek_ref), ("transit:transit/patchbay:v1", "transit:transit/patchbay:v2"));
    assert_eq!(transit.unwrap(place(&acme, 1), &new).await.expect("opens"), data_key());
    corrupt(transit.rewrap(place(&other, 1), &new).await);
}

#[tokio::test]
async fn while_it_is_sealed_secrets_are_refused_and_nothing_is_restarted_after() {
    let Some(bao) = Bao::start().await else { return };
    let world = world_with_token(&bao).await;
    install(&world, "acme").await.ok();
    bao.seal().await;
    for account in ["acme", "newcomer"] {
        assert_refused(&world, account).await;
    }
    world.account("acme").post(INSTALL, &json!({"params": {"n": 1}})).await.ok();
    bao.unseal().await;
    recovers(&world, "acme").await;
    recovers(&world, "newcomer").await;
}

#[tokio::test]
async fn a_process_that_hangs_keeps_only_the_caller_who_waits_for_it() {
    let Some(bao) = Bao::start().await else { return };
    let transit = transit(&bao).await;
    let acme = account_id("acme");
    let wrapped = transit.wrap(place(&acme, 1), &data_key()).await.expect("wrapped");
    bao.halt().await;
    let started = Instant::now();
    let asked = transit.unwrap(place(&acme, 1), &wrapped);
    assert!(timeout(Duration::from_millis(300), asked).await.is_err());
    assert!(started.elapsed() < Duration::from_secs(2), "the call ends with its caller's deadline");
    bao.go_on();
    eventually("it answers again", RECOVERY, async || transit.unwrap(place(&acme, 1), &wrapped).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_its_process_is_halted_secrets_are_refused_in_time_and_nothing_is_restarted_after() {
    let Some(bao) = Bao::start().await else { return };
    let world = world_with_token(&bao).await;
    install(&world, "acme").await.ok();
    bao.halt().await;
    let started = Instant::now();
    assert_refused(&world, "acme").await;
    assert!((DEADLINE..DEADLINE + Duration::from_secs(1)).contains(&started.elapsed()), "{:?}", started.elapsed());
    world.account("acme").get("/api/v1/integrations").await.ok();
    world.account("acme").post(INSTALL, &json!({"params": {"n": 1}})).await.ok();
    assert_eq!(world.account("acme").get("/readyz").await.ok()["secrets"], "degraded");
    bao.go_on();
    recovers(&world, "acme").await;
}

#[tokio::test]
async fn a_revoked_token_is_replaced_in_its_file_without_a_restart() {
    let Some(bao) = Bao::start().await else { return };
    let folder = tempfile::tempdir().expect("folder");
    let file: PathBuf = folder.path().join("token");
    let token = bao.token(&["patchbay"]).await;
    std::fs::write(&file, &token).expect("written");
    let world = world(&bao, &[("keys.transit_token_file", &file.display().to_string())]).await;
    install(&world, "acme").await.ok();
    bao.post("auth/token/revoke", json!({ "token": token })).await;
    assert_refused(&world, "acme").await;
    std::fs::write(&file, bao.token(&["patchbay"]).await).expect("written");
    recovers(&world, "acme").await;
}

#[tokio::test]
async fn a_version_below_the_least_refuses_what_was_wrapped_with_it_and_nobody_else() {
    let Some(bao) = Bao::start().await else { return };
    let world = world_with_token(&bao).await;
    install(&world, "acme").await.ok();
    bao.post("transit/keys/patchbay/rotate", json!({})).await;
    bao.post("transit/keys/patchbay/config", json!({"min_decryption_version": 2})).await;
    assert_refused(&world, "acme").await;
    install(&world, "newcomer").await.ok();
    let transit = transit(&bao).await;
    let stored = wrapped(&world.keys_of("acme").await[0]);
    assert!(corrupt(transit.unwrap(place(&account_id("acme"), 1), &stored).await).contains("too old"));
    bao.post("transit/keys/patchbay/config", json!({"min_decryption_version": 1})).await;
    install(&world, "acme").await.ok();
}

#[tokio::test]
async fn checks_tell_keys_and_versions_apart_and_what_is_wrong_with_a_key() {
    let Some(bao) = Bao::start().await else { return };
    let transit = transit(&bao).await;
    let first = transit.check().await.expect("checked");
    assert_eq!((&*first.kek_ref, first.fingerprint.len()), ("transit:transit/patchbay:v1", 16));
    bao.post("transit/keys/patchbay/rotate", json!({})).await;
    let second = transit.check().await.expect("checked");
    assert_eq!(second.kek_ref, "transit:transit/patchbay:v2");
    assert_ne!(first.fingerprint, second.fingerprint);
    for check in [&first, &second] {
        transit.verify(check).await.expect("opens");
    }
    bao.post("transit/keys/patchbay/config", json!({"min_decryption_version": 2, "deletion_allowed": true})).await;
    assert!(corrupt(transit.verify(&first).await).contains("`patchbay keys retire transit:transit/patchbay:v1`"));

    bao.delete("transit/keys/patchbay").await;
    let cause = corrupt(transit.verify(&second).await);
    assert!(cause.contains(&second.fingerprint) && cause.contains("encryption key not found"), "{cause}");
    let cause = corrupt(transit.check().await);
    assert!(cause.contains("no such key") && cause.contains("`bao write -f transit/keys/patchbay"), "{cause}");

    bao.post("transit/keys/patchbay", json!({"type": "aes256-gcm96"})).await;
    assert!(corrupt(transit.check().await).contains("must be a derived one"));
    let cause = corrupt(transit.verify(&first).await);
    assert!(cause.contains("has a key with fingerprint"), "{cause}");

    // Not even for a token that may do everything is a key made.
    bao.post("transit/keys/patchbay/config", json!({"deletion_allowed": true})).await;
    bao.delete("transit/keys/patchbay").await;
    let root = Transit::new(&settings_for(&bao.url(), ROOT)).expect("settings");
    assert!(corrupt(root.check().await).contains("no such key"));
    assert!(corrupt(root.check().await).contains("no such key"), "the first one made none");
    // A mount, and a namespace, that are not there.
    let settings = settings_for(&bao.url(), ROOT);
    let elsewhere = TransitSettings { mount: "nowhere".into(), ..settings.clone() };
    assert!(corrupt(Transit::new(&elsewhere).expect("settings").check().await).contains("no handler for route"));
    let elsewhere = TransitSettings { namespace: "nowhere".into(), ..settings };
    assert!(corrupt(Transit::new(&elsewhere).expect("settings").check().await).contains("namespace not found"));
}

#[tokio::test]
async fn by_tls_it_is_known_by_the_certificates_of_the_settings_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(bao) = Bao::start_with_tls(folder.path()).await else { return };
    let settings = settings_for(&format!("https://{}", bao.address()), ROOT);
    let stranger = Transit::new(&settings).expect("settings").check().await;
    assert!(matches!(&stranger, Err(Fault::Unavailable(cause)) if cause.contains("certificate")), "{stranger:?}");
    let ca_file = Some(folder.path().join("vault-ca.pem"));
    let known = Transit::new(&TransitSettings { ca_file, ..settings }).expect("settings");
    assert!(corrupt(known.check().await).contains("no handler for route"), "it answers: nothing is mounted yet");
}

#[tokio::test]
async fn a_policy_without_hmac_costs_the_fingerprint_and_one_without_decrypt_everything() {
    let Some(bao) = Bao::start().await else { return };
    let without = |verb: &str| {
        let kept = POLICY.lines().filter(|line| !line.contains(verb)).collect::<Vec<_>>().join("\n");
        json!({ "policy": kept })
    };
    bao.post("sys/policies/acl/patchbay", without("hmac")).await;
    let transit = transit(&bao).await;
    assert_eq!(transit.check().await.expect("checked").fingerprint, "");
    bao.post("sys/policies/acl/patchbay", without("decrypt")).await;
    let Err(Fault::Denied(cause)) = transit.check().await else { panic!("allowed") };
    assert!(cause.contains("transit/decrypt/patchbay: 403 Forbidden") && cause.contains("no policy"), "{cause}");
}

#[tokio::test]
async fn the_key_of_an_account_is_made_at_the_first_need_and_its_end_is_the_end_of_its_secrets_alone() {
    let Some(bao) = Bao::start().await else { return };
    let token = bao.token(&["patchbay", "per-account"]).await;
    let settings = [("keys.transit_token", &*token), ("keys.transit_key_per_account", "true")];
    let world = world(&bao, &settings).await;
    for account in ["acme", "other-"] {
        install(&world, account).await.ok();
        assert_eq!(world.keys_of(account).await[0].kek_ref, "transit:transit/patchbay-*:v1");
    }
    let settings = TransitSettings { key_per_account: true, ..settings_for(&bao.url(), &token) };
    let transit = Transit::new(&settings).expect("settings");
    let destroy = async |account: &AccountId| transit.destroy_key_of(account).await.expect("allowed");
    assert!(destroy(&account_id("acme")).await);
    assert!(!destroy(&account_id("acme")).await, "it is gone");
    assert!(!destroy(&account_id("newcomer")).await, "it never had one");
    assert_refused(&world, "acme").await;
    install(&world, "other-").await.ok();

    // With rights for the shared key alone, no account gets a key.
    let settings =
        TransitSettings { key_per_account: true, ..settings_for(&bao.url(), &bao.token(&["patchbay"]).await) };
    let narrow = Transit::new(&settings).expect("settings");
    let denied = narrow.wrap(place(&account_id("newcomer"), 1), &data_key()).await;
    let Err(Fault::Denied(cause)) = denied else { panic!("{:?}", denied.map(|_| "wrapped")) };
    assert!(cause.contains("transit/encrypt/patchbay-newcomer"), "{cause}");
}
