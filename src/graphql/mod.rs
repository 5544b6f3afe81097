//! GraphQL at `/graphql`: the same services as REST, shaped for graphs.
//!
//! Never names the store or the vault; no type here has a field that could hold a secret value.

mod body;
mod brackets;
mod coercion;
mod collect;
mod cost;
mod document;
mod documents;
mod endpoint;
mod error;
mod executor;
mod loaders;
mod mutation;
mod operation;
mod plan;
mod protocol;
mod query;
mod socket;
mod socket_slots;
mod subscription;
mod turns;
mod typename;
mod types;
mod wording;

use std::time::Duration;

use async_graphql::{SDLExportOptions, Schema, SchemaBuilder};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use document::{DocumentLimits, Introspection};
pub use error::render;
pub use socket_slots::SocketLimits;

use crate::edge::{EdgeState, admit};
use executor::Executor;
use mutation::Mutation;
use query::Query;
use socket_slots::SocketSlots;
use subscription::Subscription;

type PatchbaySchema = Schema<Query, Mutation, Subscription>;

/// The path of the endpoint.
pub const PATH: &str = "/graphql";
/// The path of its sockets.
pub const SOCKET_PATH: &str = "/graphql/ws";

/// What the GraphQL handlers get.
#[derive(Clone)]
pub struct GraphqlState {
    edge: EdgeState,
    executor: Executor,
    /// How long a query or mutation may take on a socket; requests over HTTP are ended further out.
    request_timeout: Duration,
    /// Cancelled when the server starts to stop.
    stopping: CancellationToken,
    /// Waited for at shutdown.
    sockets: TaskTracker,
    slots: SocketSlots,
}

impl GraphqlState {
    /// A schema with its limits over the services.
    pub fn new(
        edge: EdgeState,
        (limits, sockets_at_once): (DocumentLimits, SocketLimits),
        request_timeout: Duration,
        stopping: CancellationToken,
        sockets: TaskTracker,
    ) -> Self {
        let slots = SocketSlots::new(sockets_at_once);
        Self { edge, executor: Executor::new(limits), request_timeout, stopping, sockets, slots }
    }
}

/// The endpoint and its socket.
pub fn router(state: GraphqlState) -> Router {
    let admits = from_fn_with_state(state.edge.clone(), admit);
    Router::new()
        .route(PATH, get(endpoint::handle).post(endpoint::handle).head(endpoint::refuse_method))
        .route(SOCKET_PATH, get(socket::upgrade))
        .route_layer(admits)
        .method_not_allowed_fallback(endpoint::refuse_method)
        .with_state(state)
}

/// The printed schema, the same from run to run.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .prefer_single_line_descriptions()
        .use_space_ident();
    let sdl = schema().sdl_with_options(options);
    let lines: Vec<_> = sdl.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

fn schema() -> PatchbaySchema {
    schema_builder().finish()
}

fn schema_builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    // Depth, complexity and directives are counted by `cost`, in linear time and before the library looks; its own
    // counting takes exponential time on nested fragments.
    Schema::build(Query, Mutation, Subscription)
        .register_output_type::<types::Node>()
        .limit_recursive_depth(cost::LEVELS_MAX + 1)
}
