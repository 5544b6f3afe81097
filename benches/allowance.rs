//! What the limits on requests cost each: counting it for credential and account, and telling the client.

use std::hint::black_box;

use axum::http::HeaderMap;
use criterion::{Criterion, criterion_group, criterion_main};
use patchbay::domain::limits::RequestLimits;
use patchbay::domain::{AccountId, Accounts, ActorKind, Principal};
use patchbay::edge::Allowances;

/// As many as fit.
const REMEMBERED: usize = 100_000;

fn allowance(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allowance");
    for (name, kind, accounts) in [
        ("account", ActorKind::Gateway, 1),
        ("credential and account", ActorKind::ApiKey, 1),
        ("credential and account/100,000 remembered", ActorKind::ApiKey, REMEMBERED / 2),
    ] {
        // So high that nothing is refused.
        let allowances = Allowances::new(RequestLimits { per_window: [1_000_000_000; 3], in_flight: 20 });
        let everyone: Vec<_> = (0..accounts)
            .map(|i| {
                let account = AccountId::parse(&format!("account{i}")).expect("account");
                let mut principal = Principal::trusted(kind, "");
                principal.actor.id = format!("key{i}");
                if kind == ActorKind::ApiKey {
                    principal.accounts = Accounts::Only([account.clone()].into());
                }
                (principal, account)
            })
            .collect();
        let mut next = everyone.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let (principal, account) = next.next().expect("a cycle");
                let (standing, places) = allowances.spend(principal, Some(account), 1);
                let mut headers = HeaderMap::new();
                allowances.tell(&standing, &mut headers);
                (black_box(headers), places.is_ok())
            })
        });
    }
    group.finish();
}

criterion_group!(benches, allowance);
criterion_main!(benches);
