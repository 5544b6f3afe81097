//! Writing for people, and for programs that asked for JSON.

use std::io::{ErrorKind, Write, stderr, stdout};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::Error;

/// Writes to standard output. A reader that went away (`patchbay schema | head`) is no error.
///
/// # Errors
/// A sentence for the operator, as on a full disk.
pub(super) fn print(text: &str) -> Result<(), String> {
    match write(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(refusal(&error)),
        _ => Ok(()),
    }
}

/// Writes what is shown once to standard output. A reader that went away is an error, too.
///
/// # Errors
/// A sentence for the operator.
pub(super) fn print_once(text: &str) -> Result<(), String> {
    write(text).map_err(|error| refusal(&error))
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn refusal(error: &std::io::Error) -> String {
    format!("cannot write to standard output: {error}")
}

/// Writes one JSON document to standard output.
///
/// # Errors
/// Those of [`print`].
pub(super) fn print_json(value: &impl Serialize) -> Result<(), String> {
    print(&json(value)?)
}

/// One JSON document, with a newline.
///
/// # Errors
/// A sentence for the operator when the value cannot be written as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, String> {
    Ok(serde_json::to_string_pretty(value).map_err(|e| e.to_string())? + "\n")
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
