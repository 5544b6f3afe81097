//! Key services that go away while keys are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patchbay::domain::AccountId;
use patchbay::service::{KeyKeeper, KeyPolicy, Pace, Tally};
use patchbay::vault::{CacheSettings, Keyring, Local, Provider, Vault};

use super::{fill, number, run};
use crate::support::{KeyService, Mood, World, call};

/// So many accounts that those under way when the service goes away are few.
const MANY: i64 = 100;

/// A keeper that wraps with the service; the world's key ring is there beside it.
fn keeper(world: &World, service: &Arc<KeyService>) -> KeyKeeper {
    keeper_of(world, vec![service.clone(), key_ring(world)])
}

fn key_ring(world: &World) -> Arc<dyn Provider> {
    Arc::new(Local::new(Keyring::read(&world.folder.path().join("keyring.json")).expect("ring")))
}

fn keeper_of(world: &World, providers: Vec<Arc<dyn Provider>>) -> KeyKeeper {
    let vault = Vault::new(providers, CacheSettings { entries: 0, ttl: Duration::ZERO });
    KeyKeeper::new(world.app.store().clone(), vault, KeyPolicy { max_age: None, max_seals: i64::MAX })
}

/// Sends the service away after some accounts, and counts failures.
struct Watching<'a> {
    service: &'a KeyService,
    away_after: u64,
    failures: AtomicU64,
}

impl Pace for Watching<'_> {
    fn begin(&self, _: u64) {}

    fn advance(&self, tally: &Tally) {
        if tally.accounts == self.away_after {
            self.service.set(Mood::Away);
        }
    }

    fn fail(&self, _: &AccountId, cause: &str) {
        assert!(cause.contains("away"), "{cause}");
        self.failures.fetch_add(1, Ordering::SeqCst);
    }
}

fn watching(service: &KeyService, away_after: u64) -> Watching<'_> {
    Watching { service, away_after, failures: AtomicU64::default() }
}

#[tokio::test]
async fn a_run_gives_up_when_the_key_service_goes_away_and_goes_on_when_it_is_back() {
    let world = World::start().await;
    fill(&world, MANY as usize, 1).await;
    let service = KeyService::new(Mood::Works);
    let keys = keeper(&world, &service);
    keys.require().await.expect("usable");
    let current = keys.current_kek_ref().await.expect("current");
    let pace = watching(&service, 12);
    keys.rewrap_all(&current, &call(), &pace).await.expect_err("gave up");
    let moved = "SELECT count(*) FROM account_keys WHERE provider = 'scripted'";
    let half = number(&world, moved).await;
    assert!((12..MANY).contains(&half), "{half}");
    // Ten in a row. Of the eight at once, those that were under way may still have come through among the first of them,
    // and eight more may have been asked for when the tenth failed.
    let failures = pace.failures.load(Ordering::SeqCst);
    assert!((10..=26).contains(&failures), "and asked no further: {failures}");
    service.set(Mood::Works);
    let pace = watching(&service, u64::MAX);
    let tally = keys.rewrap_all(&current, &call(), &pace).await.expect("finished");
    assert_eq!((tally.keys, tally.failed), ((MANY - half) as u64, 0));
    assert_eq!(number(&world, moved).await, MANY);
    // The same of a rotation.
    let (begun, _) = keys.begin_rotation(false).await.expect("begun");
    keys.rotate_all(begun, &call(), &watching(&service, 5)).await.expect_err("gave up");
    assert_eq!(keys.begin_rotation(false).await.expect("goes on"), (begun, true));
    service.set(Mood::Works);
    let tally = keys.rotate_all(begun, &call(), &watching(&service, u64::MAX)).await.expect("finished");
    assert_eq!(tally.failed, 0);
    assert_eq!(number(&world, "SELECT max(key_id) FROM account_keys").await, 2);
    assert_eq!(number(&world, "SELECT count(*) FROM account_keys WHERE state = 'active'").await, MANY);
    assert_eq!(number(&world, "SELECT count(*) FROM account_keys WHERE state = 'decrypt_only'").await, 0);
}

#[tokio::test]
async fn a_key_service_that_is_away_is_told_before_anything_is_done() {
    let world = World::start().await;
    fill(&world, 1, 1).await;
    let service = KeyService::new(Mood::Away);
    let keys = keeper(&world, &service);
    let refusal = keys.require().await.expect_err("refused");
    let refusal = String::from(refusal);
    assert!(refusal.contains("the keys of scripted cannot be used: away"), "{refusal}");
    let status = keys.status().await.expect("told");
    assert_eq!(status.providers[0].current, Err("away".to_owned()));
    assert_eq!(status.providers[1].current, Ok("local:1".to_owned()));
    service.set(Mood::Works);
    keys.require().await.expect("usable");
    // What cannot be opened now is not called broken.
    let current = keys.current_kek_ref().await.expect("current");
    keys.rewrap_all(&current, &call(), &watching(&service, u64::MAX)).await.expect("moved");
    let account = crate::support::account_id("account-0");
    assert_eq!(keys.verify(&account).await.expect("opened").opened, 1);
    service.set(Mood::Away);
    keys.verify(&account).await.expect_err("cannot be told");
    // A command that has no such service says which one it needs.
    let refusal = run(&world, &["keys", "verify"]).await.refused();
    assert!(refusal.contains("the provider scripted is not configured"), "{refusal}");
}

#[tokio::test]
async fn a_key_service_that_nothing_needs_any_more_is_ended_without_asking_it() {
    let world = World::start().await;
    fill(&world, 3, 1).await;
    let service = KeyService::new(Mood::Works);
    for providers in [vec![service.clone(), key_ring(&world)], vec![key_ring(&world), service.clone()]] {
        let keys = keeper_of(&world, providers);
        keys.require().await.expect("usable");
        let current = keys.current_kek_ref().await.expect("current");
        let tally = keys.rewrap_all(&current, &call(), &watching(&service, u64::MAX)).await.expect("moved");
        assert_eq!(tally.keys, 3, "to {current}");
    }
    // The commands know nothing of the service.
    let status = run(&world, &["keys", "status", "--json"]).await.done();
    assert!(status["problem"].as_str().is_some_and(|problem| problem.contains("keys retire")), "{status}");
    run(&world, &["keys", "retire", "scripted:1"]).await.ok();
    let status = run(&world, &["keys", "status", "--json"]).await.done();
    assert_eq!(status["problem"], serde_json::Value::Null);
    assert_eq!(run(&world, &["keys", "verify", "--json"]).await.done()["opened"], 3);
}
