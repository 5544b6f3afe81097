//! GraphQL execution and REST rendering: whole requests through the router, without a socket.

mod support;

use axum::http::Method;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const TYPENAME: &str = r#"{"query": "{ __typename }"}"#;
const LIST: &str = r#"{"query": "{ integrations(first: 200) { nodes { id name displayName category status installedAt } totalCount categoryCounts { category count } } }"}"#;

fn transports(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    for world in support::worlds(&runtime, &[]) {
        let mut group = criterion.benchmark_group(format!("transports/{}", world.engine));
        for (name, method, path, body) in [
            ("graphql/__typename", Method::POST, "/graphql", TYPENAME),
            ("graphql/list of 6 fields and counts", Method::POST, "/graphql", LIST),
            ("rest/list", Method::GET, "/api/v1/integrations", ""),
            ("rest/one category", Method::GET, "/api/v1/integrations?category=payments", ""),
            ("rest/one", Method::GET, "/api/v1/integrations/stripe", ""),
        ] {
            group.bench_function(name, |b| b.to_async(&runtime).iter(|| world.ask(method.clone(), path, body)));
        }
        group.finish();
        world.end(&runtime);
    }
}

criterion_group!(benches, transports);
criterion_main!(benches);
