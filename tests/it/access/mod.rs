//! Who may be which account: credentials, what they open, and what they do not.

mod admission;
mod api_keys;
pub mod asking;
mod canary;
mod catalog_rights;
mod command;
mod gateway;
mod limits;
mod limits_of_keys;
mod matrix;
mod pepper;
mod purging;
mod reading;
mod rights;
mod samples;
mod scopes;
mod sockets;
mod tokens;

use chrono::{DateTime, Utc};
use patchbay::service::MadeKey;

pub use crate::support::PEPPER;
use crate::support::{Builder, Client, World, make_key};

/// A world that lets in who holds an API key, and nobody else.
pub async fn world() -> World {
    builder().start().await
}

/// Settings of such a world, which counts nobody's requests.
pub fn builder() -> Builder {
    World::builder().set(&[("auth.mode", "api_key"), ("auth.pepper", PEPPER), ("limits.rate", "false")])
}

/// A key made by the operator. Without accounts it is for all of them.
pub async fn key(world: &World, scopes: &[&str], accounts: &[&str]) -> MadeKey {
    key_until(world, scopes, accounts, None).await
}

/// The same with an end.
pub async fn key_until(
    world: &World,
    scopes: &[&str],
    accounts: &[&str],
    expires_at: Option<DateTime<Utc>>,
) -> MadeKey {
    make_key(&world.app, scopes, accounts, expires_at).await
}

/// A client that holds this key, and names an account or none.
pub fn holder(world: &World, key: &MadeKey, account: Option<&str>) -> Client {
    bearer(world, key.secret.expose(), account)
}

/// A client that sends this as its credential.
pub fn bearer(world: &World, credential: &str, account: Option<&str>) -> Client {
    Client::new(world.router(), account).header("authorization", format!("Bearer {credential}"))
}
