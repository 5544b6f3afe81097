//! Letting in who holds an API key: what every request pays while the key is remembered, and once in half a second when
//! it is read again.

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use patchbay::domain::{ActorKind, ApiKeySecret, ApiKeyWish, Call, WishedAccounts};
use tokio::runtime::Runtime;

/// Somewhat more than a key is believed.
const FORGOTTEN: Duration = Duration::from_millis(520);

fn admission(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    for world in support::worlds(&runtime, &[("auth.mode", "open,api_key"), ("auth.pepper", &"pepper".repeat(6))]) {
        let services = world.app.services();
        let operator = Call::trusted(ActorKind::Operator, "benchmark");
        let wish = ApiKeyWish {
            name: "benchmark".into(),
            scopes: vec!["installations:read".into()],
            accounts: WishedAccounts::Only(vec!["acme".into()]),
            expires_at: None,
            rate: None,
        };
        let made = runtime.block_on(services.api_keys().create(&operator, None, wish)).expect("made");
        let key = made.secret.expose();
        let authenticate = async || services.authenticate(key).await.expect("let in").scopes;
        let mut group = criterion.benchmark_group(format!("admission/{}", world.engine));
        group.bench_function("key remembered", |b| b.to_async(&runtime).iter(authenticate));
        group.bench_function("no key", |b| {
            b.to_async(&runtime).iter(async || services.authenticate(&key[..65]).await.is_err());
        });
        group.bench_function("key nobody made", |b| {
            b.to_async(&runtime).iter(async || {
                let stranger = ApiKeySecret::generate().expect("randomness");
                services.authenticate(stranger.expose()).await.is_err()
            });
        });
        group.sample_size(10).bench_function("key read again", |b| {
            b.to_async(&runtime).iter_custom(async |times| {
                let mut took = Duration::ZERO;
                for _ in 0..times.min(3) {
                    tokio::time::sleep(FORGOTTEN).await;
                    let started = Instant::now();
                    authenticate().await;
                    took += started.elapsed();
                }
                took * u32::try_from(times / times.min(3)).unwrap_or(u32::MAX)
            });
        });
        group.finish();
        world.end(&runtime);
    }
}

criterion_group!(benches, admission);
criterion_main!(benches);
