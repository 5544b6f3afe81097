//! The tables, one file each. Plain rows: no wire format, no rules, no methods.
//!
//! Tenant tables start every key with `account_id`, so that a distributed PostgreSQL can shard them by account.

pub mod account_key;
pub mod account_revision;
pub mod api_key;
pub mod audit_event;
pub mod catalog_revision;
pub mod idempotency_key;
pub mod installation;
pub mod installation_secret;
pub mod integration;
pub mod key_check;
pub mod key_mark;
pub mod own_integration;
pub mod server;
