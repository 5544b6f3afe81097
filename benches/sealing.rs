//! Sealing and opening one value, and making an account's data key.

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use patchbay::domain::{AccountId, CONNECTION, IntegrationId, Plain, SecretName};
use patchbay::vault::{CacheSettings, Keyring, LOCAL, Local, SecretPlace, Vault};
use tokio::runtime::Runtime;

const BYTES: usize = 64;

fn sealing(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("keyring.json");
    Keyring::create(&file).expect("key ring");
    let ring = Keyring::read(&file).expect("key ring");
    let cache = CacheSettings { entries: 100, ttl: Duration::from_secs(300) };
    let vault = Vault::new(vec![Arc::new(Local::new(ring))], cache);
    vault.trust(LOCAL);
    let runtime = Runtime::new().expect("runtime");
    let account = AccountId::parse("acme").expect("account");
    let name = SecretName::parse("api_key").expect("name");
    let place = SecretPlace {
        account: &account,
        integration: IntegrationId::of_builtin("stripe"),
        connection: CONNECTION,
        name: &name,
        counter: Some(1),
    };
    let (key, wrapped) = runtime.block_on(vault.create_key(&account, 1)).expect("data key");
    let plain = Plain::new(vec![b'x'; BYTES]);
    let sealed = key.seal(&place, &plain).expect("sealed").bytes;

    let mut group = criterion.benchmark_group("sealing");
    group.bench_function("create a data key", |b| {
        b.to_async(&runtime).iter(async || vault.create_key(&account, 1).await.expect("data key"));
    });
    group.bench_function("get a data key that is kept", |b| {
        b.to_async(&runtime).iter(async || vault.data_key(&account, &wrapped).await.expect("data key"));
    });
    group.bench_function("an install of 2 secrets of 64 bytes, whose data key is kept", |b| {
        b.to_async(&runtime).iter(async || {
            let key = vault.data_key(&account, &wrapped).await.expect("data key");
            [key.seal(&place, &plain).expect("sealed"), key.seal(&place, &plain).expect("sealed")]
        });
    });
    group.bench_function("seal 64 bytes", |b| b.iter(|| key.seal(&place, &plain).expect("sealed")));
    group.bench_function("open 64 bytes", |b| b.iter(|| key.open(&place, &sealed).expect("opened")));
    group.finish();
}

criterion_group!(benches, sealing);
criterion_main!(benches);
