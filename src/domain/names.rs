//! Names that a client supplied, on their way back to it or into the audit log.

/// Most names of a kind in one answer.
pub const MAX_REPORTED_NAMES: usize = 100;
/// Longest name within params or secrets, in characters.
pub const MAX_NAME_LEN: usize = 128;
/// Longest reported name: that of a secret behind its part.
const MAX_REPORTED_LEN: usize = "secrets.".len() + MAX_NAME_LEN;

/// The first [`MAX_REPORTED_NAMES`] names, each cut at 136 characters: an answer keeps its size whatever was supplied.
pub fn reported_names(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    names.into_iter().take(MAX_REPORTED_NAMES).map(|name| cut(name.as_ref(), MAX_REPORTED_LEN)).collect()
}

/// At most this many characters, without control characters: PostgreSQL cannot hold NUL, and terminals show logs.
pub(super) fn cut(text: &str, max_len: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max_len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_names_are_bounded() {
        let long = (0..1_000).map(|n| format!("\n{n}{}", "\u{e9}".repeat(500)));
        let names = reported_names(long);
        assert_eq!((names.len(), &names[1][..3]), (MAX_REPORTED_NAMES, "1\u{e9}"));
        assert!(names.iter().all(|name| name.chars().count() == MAX_REPORTED_LEN));
    }
}
