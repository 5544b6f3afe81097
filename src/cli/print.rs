//! Writing for people, and for programs that asked for JSON.

use std::io::{Write, stderr, stdout};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::Error;

/// Writes to standard output. A reader that went away (`patchbay schema | head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one JSON document to standard output.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), String> {
    print(&(serde_json::to_string_pretty(value).map_err(|e| e.to_string())? + "\n"));
    Ok(())
}

/// Writes to standard error what is for a person, not for the next program.
pub(super) fn tell(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Writes a sentence about a failure to standard error.
pub(super) fn complain(sentence: &str) {
    let _ = writeln!(stderr(), "error: {sentence}");
}

/// The error in words for an operator, who may see the cause.
pub(super) fn sentence(error: Error) -> String {
    match error.cause() {
        Some(cause) => format!("{}: {cause}", error.public_message()),
        None => error.public_message().into_owned(),
    }
}

/// To the second.
pub(super) fn short(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `1 secret`, `2 secrets`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
