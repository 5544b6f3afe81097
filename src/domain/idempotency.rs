//! Names that clients give their requests, so that one made twice is done once.

/// A client's own name for one request (draft-ietf-httpapi-idempotency-key-header-07), unique within its account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Most characters of one.
    pub const LONGEST: usize = 255;

    /// 1 to 255 visible ASCII characters but quotation marks and backslashes. The draft writes the header as a string in
    /// quotation marks (RFC 9651, section 3.3.3), which most clients leave out: both are the same key.
    pub fn parse(text: &str) -> Option<Self> {
        let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let key = unquoted.unwrap_or(text);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let fits = (1..=Self::LONGEST).contains(&key.len()) && key.bytes().all(is_plain);
        fits.then(|| Self(key.to_owned()))
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_some_length_in_quotation_marks_or_not() {
        let longest = "k".repeat(255);
        for (text, key) in
            [("a", "a"), ("\"a\"", "a"), ("8e03978e-40d5-43dd", "8e03978e-40d5-43dd"), (&longest, &longest)]
        {
            assert_eq!(IdempotencyKey::parse(text).expect(text).as_str(), key);
        }
        let too_long = "k".repeat(256);
        for text in ["", "\"\"", "\"", "a b", "\"a", "a\\b", "ä", "a\n", "a\0", &too_long] {
            assert_eq!(IdempotencyKey::parse(text), None, "{text}");
        }
    }
}
