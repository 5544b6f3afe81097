//! Patchbay: the integrations backend of a multi-tenant platform.
//!
//! The floors, from the top: `cli`, `app`, `server`, `telemetry`, `web` · `rest` and `graphql` (blind to each other) ·
//! `edge` · `service` · `vault`, `store`, `tokens` (blind to each other) and `catalog` · `domain`, `error`, `outbound`.
//! A module names only what lies below it; `ARCHITECTURE.md` has the map.

pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod domain;
pub mod edge;
pub mod error;
pub mod graphql;
pub mod outbound;
pub mod rest;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod tokens;
pub mod vault;
pub mod web;
