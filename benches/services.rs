//! Service calls on a database: what both transports share.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use patchbay::domain::{CatalogQuery, Page, Reference};
use support::two_secrets;
use tokio::runtime::Runtime;

fn services(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    for world in support::worlds(&runtime, &[]) {
        let mut group = criterion.benchmark_group(format!("services/{}", world.engine));
        group.bench_function("list", |b| {
            b.to_async(&runtime).iter(async || {
                let listing = world.tenant().list(CatalogQuery::default()).await.expect("list");
                let items = listing.page(&Page::All).expect("page").items.len();
                (items, listing.category_counts().len(), listing.total())
            });
        });
        let stripe = Reference::parse("stripe");
        group.bench_function("one", |b| {
            b.to_async(&runtime)
                .iter(async || world.tenant().integration(&stripe).await.expect("integration").status());
        });
        group.bench_function("install with 2 secrets", |b| {
            b.to_async(&runtime).iter(async || {
                world.tenant().install(&stripe, two_secrets(), None).await.expect("installed").what.changed
            });
        });
        group.finish();
        world.end(&runtime);
    }
}

criterion_group!(benches, services);
criterion_main!(benches);
