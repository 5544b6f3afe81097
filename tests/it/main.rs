//! The integration tests: the real router on a real database. With `TEST_DATABASE_URL` set the same suite runs on that
//! PostgreSQL, each test in a schema of its own; without it, on an SQLite file of its own.

#![allow(missing_docs, unreachable_pub, reason = "a test's name is its claim")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look and meddle behind the server's back")]

mod access;
mod architecture;
mod audit;
mod backup;
mod browsers;
mod catalog;
mod catalog_files;
mod cli;
mod concurrency;
mod configuration;
mod definition_bounds;
mod dropped;
mod embedded_files;
mod fail_over;
mod graphql;
mod key_services;
mod keys;
mod leftover;
mod model;
mod nth_failure;
mod outage;
mod output;
mod own_entries;
mod parity;
mod path_prefix;
mod pooler;
mod readiness;
mod readme;
mod repeats;
mod rest;
mod revisions;
mod row_level_security;
mod schema_rules;
mod secrets;
mod slow_clients;
mod smoke;
mod startup;
mod stopping;
mod support;
mod tampering;
mod tenancy;
mod traces;
mod upgrade;
mod values;
mod vectors;
mod watching;
