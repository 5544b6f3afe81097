//! The rows floor of `scripts/bench`: what the server's answers cost when nothing but rows and their JSON is paid for.
//!
//! It reads the database that a Patchbay server made and `scripts/bench` seeded. Catalog entries come from
//! `floor_integrations`, a flat table that `scripts/bench` fills, so that no JSON has to be taken apart. One prepared
//! statement per answer, but for the category, whose counts are a second one in the same round trip; rows are sorted,
//! counted and rendered here. Nothing is checked, limited, logged, compressed or kept. Not for any other use.
//!
//! Usage: `patchbay-floor postgres://…`; prints its address when it is ready.

mod answers;
mod database;
mod rows;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use answers::Floor;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is its only output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: patchbay-floor postgres://…")?;
    let floor = Arc::new(Floor::connect(&url).await?);
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/api/v1/integrations", get(answers::list))
        .route("/api/v1/integrations/{name}", get(answers::one))
        .route("/api/v1/integrations/{name}/install", post(answers::install))
        .route("/graphql", post(answers::graphql))
        .with_state(floor);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}
