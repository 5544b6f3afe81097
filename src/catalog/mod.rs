//! Catalog files: their shape, their rules, and the built-in set compiled into the binary.
//!
//! Turns files into domain entries and knows neither the database nor a transport.

mod builtin;
mod file;
mod rules;
mod schema;

pub use builtin::{builtin, retired};
pub use file::EntryFile;
pub use rules::problems;
