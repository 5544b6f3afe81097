//! Documents that were run before, so that parsing one, which is the dearest part of a small query, is paid once.
//!
//! Kept by their exact text, and only when they hold nothing but queries and were answered without an error: a mutation
//! may hold an inline secret. What else belongs to a request, such as variables, limits and the validator's verdict, is
//! looked at each time: nothing here says who asked, or what for.

use std::mem::size_of;
use std::sync::Arc;

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// How many documents are expected; there are more when they are small.
const DOCUMENTS_EXPECTED: usize = 256;
/// What the documents may take together, in bytes of memory as [`Weight`] counts them. One alone may take an eighth.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The documents at hand. Cheap to clone.
#[derive(Clone)]
pub(super) struct Documents(Arc<Cache<String, Arc<ExecutableDocument>, Weight>>);

impl Documents {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(DOCUMENTS_EXPECTED, BYTES_MAX, Weight)))
    }

    /// The parsed document, if this very text is kept.
    pub(super) fn find(&self, text: &str) -> Option<Arc<ExecutableDocument>> {
        self.0.get(text)
    }

    /// Keeps a document that was answered without an error.
    pub(super) fn keep(&self, text: String, document: Arc<ExecutableDocument>) {
        self.0.insert(text, document);
    }
}

/// Whether a document may be kept at all.
pub(super) fn is_keepable(document: &ExecutableDocument) -> bool {
    document.operations.iter().all(|(_, operation)| operation.node.ty == OperationType::Query)
}

/// What a document takes, counted rather too high: every token at the price of the dearest, a field.
#[derive(Clone)]
struct Weight;

impl Weighter<String, Arc<ExecutableDocument>> for Weight {
    fn weight(&self, text: &String, _: &Arc<ExecutableDocument>) -> u64 {
        const PRICE: usize = size_of::<Positioned<Selection>>() + 64;
        (text.len() + PRICE * (1 + tokens(text))) as u64
    }
}

/// Words and punctuation; those in strings and comments count too.
fn tokens(text: &str) -> usize {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut before = b' ';
    let mut count = 0;
    for byte in text.bytes() {
        let goes_on = is_word(byte) && is_word(before);
        count += usize::from(!goes_on && !byte.is_ascii_whitespace() && byte != b',');
        before = byte;
    }
    count
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn keep(documents: &Documents, text: &str) {
        documents.keep(text.to_owned(), Arc::new(parse_query(text).expect("a document")));
    }

    #[test]
    fn a_document_is_found_by_its_very_text_alone() {
        let documents = Documents::new();
        keep(&documents, "{ a }");
        assert!(documents.find("{ a }").is_some());
        for other in ["{ b }", "{ a  }", "{ A }", ""] {
            assert!(documents.find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_kept_stays_within_its_bytes_however_many_come() {
        let documents = Documents::new();
        for i in 0..5_000 {
            keep(&documents, &format!("{{ a{i} {} }}", "id ".repeat(i % 200)));
        }
        assert!(documents.0.weight() <= BYTES_MAX && documents.0.len() > 16, "{}", documents.0.weight());
        let large = format!("{{ {} }}", "id ".repeat(20_000));
        keep(&documents, &large);
        assert!(documents.find(&large).is_none(), "one that would take everything");
    }

    #[test]
    fn only_documents_of_nothing_but_queries_may_be_kept() {
        for (text, expected) in [
            ("{ a }", true),
            ("query A { a } query B { b }", true),
            ("query A { a } mutation B { b }", false),
            ("mutation { b }", false),
            ("subscription { c }", false),
        ] {
            assert_eq!(is_keepable(&parse_query(text).expect("a document")), expected, "{text}");
        }
    }

    #[test]
    fn words_and_punctuation_are_counted() {
        assert_eq!(tokens("query($n: [Int!] = 5) { a: b(x: \"\") @c ...d }"), 29);
    }
}
