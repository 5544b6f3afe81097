//! Writing for people.

use std::io::{Write, stderr, stdout};

/// Writes to standard output. A reader that went away (`patchbay schema | head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error what is for a person, not for the next program.
pub(super) fn tell(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Writes a sentence about a failure to standard error.
pub(super) fn complain(sentence: &str) {
    let _ = writeln!(stderr(), "error: {sentence}");
}
