//! What both transports share at the border: whose request it is, its id, its body, how it fails, and how a moment is
//! written.
//!
//! Knows HTTP; knows neither JSON shapes nor GraphQL.

mod allowance;
mod body;
mod bound;
mod failure;
mod gate;
mod json;
mod moment;
mod noted;
mod peer_limit;
mod permits;
#[cfg(test)]
mod properties;
mod repeat;
mod request_id;
mod static_file;
mod visitor;

use std::sync::Arc;

pub use allowance::{Allowances, Left, Places, Standing};
pub use body::{BodyLimits, BodyReceiver, NoCompression, is_json, read_body, read_optional_json};
pub use bound::{Bound, Permit};
pub use failure::Failure;
pub use gate::{ACTOR_HEADER, GATEWAY_TOKEN_HEADER, Gate, Gateway, Peer};
pub use json::{check_json, check_variables, is_integer_out_of_range};
pub use moment::Moment;
pub use noted::Noted;
pub use peer_limit::PeerLimiter;
pub use permits::{Permits, SharedPermits};
pub use repeat::{IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER, idempotency_key, mark_replay, parse_idempotency_key};
pub use request_id::{REQUEST_ID_HEADER, RequestId, identify};
pub use static_file::StaticFile;
pub use visitor::{ACCOUNT_HEADER, Visitor, admit};

use crate::service::Services;

/// What a handler gets.
#[derive(Clone)]
pub struct Edge {
    /// The services.
    pub services: Services,
    /// Who is let in.
    pub gate: Gate,
    /// Rate limits of accounts and credentials.
    pub allowances: Allowances,
    /// How often a peer without a proven credential may fail.
    pub peers: PeerLimiter,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Receives request bodies.
    pub bodies: BodyReceiver,
    /// Whether callers without a credential may send a body.
    pub accepts_anonymous_bodies: bool,
    /// Bounds requests that are worked on.
    pub work: Bound,
    /// Bounds bytes of large responses that are not written yet.
    pub unwritten: Bound,
}

/// What requests share: one pointer, since each layer and handler clones it for every request.
pub type EdgeState = Arc<Edge>;
