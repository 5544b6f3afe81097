//! Sealing and opening one value, and making an account's data key.

use criterion::{Criterion, criterion_group, criterion_main};
use patchbay::domain::{AccountId, CONNECTION, IntegrationId, Plain, SecretName};
use patchbay::vault::{Keyring, SecretPlace, Vault};

const BYTES: usize = 64;

fn sealing(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("keyring.json");
    Keyring::create(&file).expect("key ring");
    let vault = Vault::new(Some(Keyring::read(&file).expect("key ring")));
    let account = AccountId::parse("acme").expect("account");
    let name = SecretName::parse("api_key").expect("name");
    let place = SecretPlace {
        account: &account,
        integration: IntegrationId::of_builtin("stripe"),
        connection: CONNECTION,
        name: &name,
    };
    let (key, wrapped) = vault.create_key(&account, 1).expect("data key");
    let plain = Plain::new(vec![b'x'; BYTES]);
    let sealed = key.seal(&place, &plain).expect("sealed").bytes;

    let mut group = criterion.benchmark_group("sealing");
    group.bench_function("create a data key", |b| b.iter(|| vault.create_key(&account, 1).expect("data key")));
    group.bench_function("unwrap a data key", |b| b.iter(|| vault.unwrap_key(&account, &wrapped).expect("data key")));
    group.bench_function("seal 64 bytes", |b| b.iter(|| key.seal(&place, &plain).expect("sealed")));
    group.bench_function("open 64 bytes", |b| b.iter(|| key.open(&place, &sealed).expect("opened")));
    group.finish();
}

criterion_group!(benches, sealing);
criterion_main!(benches);
