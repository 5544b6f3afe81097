//! Characters that texts for people must not hold.

use std::borrow::Cow;

/// True for a character that steers a terminal, reorders the text around it, or is invisible: control characters, line and
/// paragraph separators, bidirectional controls (U+061C, U+200E–200F, U+202A–202E, U+2066–2069), zero-width characters,
/// interlinear annotations and tags.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// True if the text holds a character of [`is_deceptive`].
pub fn has_deceptive(text: &str) -> bool {
    text.chars().any(is_deceptive)
}

/// The text for a terminal, each character of [`is_deceptive`] replaced by U+FFFD.
pub fn printable(text: &str) -> Cow<'_, str> {
    match has_deceptive(text) {
        true => text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bidirectional_and_zero_width_characters_are_deceptive() {
        for text in ["a\nb", "\u{1b}[2J", "\0", "\u{9b}", "x\u{202e}y", "\u{2066}", "\u{200b}", "\u{feff}", "\u{2028}"]
        {
            assert!(has_deceptive(text), "{text:?}");
            assert!(!has_deceptive(&printable(text)), "{text:?}");
        }
        for text in ["", "Zoë's café, 日本語 🚀", "עברית", "a b\u{a0}c"] {
            assert!(!has_deceptive(text), "{text:?}");
            assert_eq!(printable(text), text);
        }
    }
}
