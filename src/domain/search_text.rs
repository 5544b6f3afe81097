//! The text of a search, in the form in which texts are compared.

use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};

use unicode_normalization::UnicodeNormalization;

use super::limits::{MAX_SEARCH_CHARS, MAX_SEARCH_WORDS};
use crate::error::{Error, Result};

/// A search text within its limits, folded. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct SearchText(String);

/// As the text alone: cursors are bound to this form.
impl Debug for SearchText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SearchText {
    /// Reads a search text; `None` for an empty one, which is no filter.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a text of more than 200 characters or 8 words. A word is a run of letters and digits.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        // A character takes at most four bytes: a longer text is refused before its characters are counted.
        let is_long = text.len() > 4 * MAX_SEARCH_CHARS || text.chars().count() > MAX_SEARCH_CHARS;
        if is_long {
            return Err(Error::bad_input(format!("search has at most {MAX_SEARCH_CHARS} characters")));
        }
        let folded = fold(text);
        if words_in(&folded).nth(MAX_SEARCH_WORDS).is_some() {
            return Err(Error::bad_input(format!("search has at most {MAX_SEARCH_WORDS} words")));
        }
        Ok(Some(Self(folded.into_owned())).filter(|text| !text.0.is_empty()))
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Folds a text for comparison: compatibility decomposition (Unicode NFKD) without diacritics, in lower case. `Ｓｔｒｉｐｅ`
/// and `stripe` are equal, and so are both forms of `é`, and `e`.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    let letters = text.nfkd().filter(|c| !is_diacritic(*c)).flat_map(char::to_lowercase);
    // The two forms of a Greek sigma differ by their position in a word.
    Cow::Owned(letters.map(|c| if c == 'ς' { 'σ' } else { c }).collect())
}

/// The words of a text: its runs of letters and digits.
pub fn words_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a mark only modifies the letter before it. Marks of other scripts are vowels, without which a word is another.
fn is_diacritic(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> Option<String> {
        SearchText::parse(text).expect("within the limits").map(|text| text.0)
    }

    #[test]
    fn equivalent_texts_fold_to_the_same_text() {
        for (forms, expected) in [
            (&["Stripe", "ＳＴＲＩＰＥ", "ⓢtripe", "stripe"][..], "stripe"),
            (&["Café", "Cafe\u{301}", "CAFÉ", "cafe"], "cafe"),
            (&["ΟΔΟΣ", "οδος", "οδοσ"], "οδοσ"),
            (&["İ", "i\u{307}", "i"], "i"),
            (&["한", "\u{1112}\u{1161}\u{11ab}"], "\u{1112}\u{1161}\u{11ab}"),
            (&["हिन्दी"], "हिन्दी"),
        ] {
            for form in forms {
                assert_eq!(folded(form).as_deref(), Some(expected), "{form}");
            }
        }
        assert_eq!((folded(""), folded("\u{301}")), (None, None));
    }

    #[test]
    fn search_text_has_at_most_200_characters_and_8_words() {
        for (text, is_refused) in [
            ("x".repeat(200), false),
            ("é".repeat(200), false),
            ("x".repeat(201), true),
            ("é".repeat(201), true),
            ("a b c d e f g h".into(), false),
            ("a-b_c d.e,f  g h!?".into(), false),
            ("a b c d e f g h i".into(), true),
            ("a-b-c-d-e-f-g-h-i".into(), true),
            ("x ".repeat(50_000), true),
        ] {
            assert_eq!(SearchText::parse(&text).is_err(), is_refused, "{text:.40}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent_and_bounded(text in any::<String>()) {
            let once = fold(&text).into_owned();
            prop_assert_eq!(&*fold(&once), &*once);
            prop_assert!(once.len() <= 64 + 20 * text.len());
        }

        #[test]
        fn accepted_search_text_keeps_its_limits(text in "(\\PC| ){0,260}") {
            match SearchText::parse(&text) {
                Ok(Some(parsed)) => {
                    prop_assert!(text.chars().count() <= MAX_SEARCH_CHARS);
                    prop_assert!(words_in(parsed.as_str()).count() <= MAX_SEARCH_WORDS);
                }
                Ok(None) => prop_assert!(fold(&text).is_empty()),
                Err(_) => prop_assert!(
                    text.chars().count() > MAX_SEARCH_CHARS || words_in(&fold(&text)).count() > MAX_SEARCH_WORDS
                ),
            }
        }
    }
}
