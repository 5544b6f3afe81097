//! What both transports share at the border: whose request it is, its id, its body, how it fails, and how a moment is
//! written.
//!
//! Knows HTTP; knows neither JSON shapes nor GraphQL.

mod account;
mod body;
mod failure;
mod moment;
mod request_id;

pub use account::{ACCOUNT_HEADER, account_in, tenant_in};
pub use body::{is_json, read_body};
pub use failure::Failure;
pub use moment::Moment;
pub use request_id::{REQUEST_ID_HEADER, RequestId, identify};

use crate::service::Services;

/// What a handler gets.
#[derive(Clone)]
pub struct EdgeState {
    /// The services.
    pub services: Services,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
}
