//! What a search finds in the catalog, and how likely it is what was meant. Pure text: the same on every database.
//!
//! A search is a part of a text, as the contract has it. Only one that nothing in the catalog has is read word by word, and
//! forgives a letter in each: so that a wrong letter finds something, and a right one finds no more than it says.

use std::collections::HashMap;

use memchr::memmem::Finder;

use crate::domain::Entry;

/// Shorter words are taken as they are: they are within a letter of too many others.
const FORGIVEN_FROM: usize = 4;

/// How well an entry fits a search; the best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It is the name.
    Exact,
    /// The name starts with it.
    Prefix,
    /// A word of the name or a tag starts with it.
    Word,
    /// The name or a tag has it somewhere.
    Part,
    /// A word of the description starts with it.
    DescriptionWord,
    /// The description has it somewhere.
    Description,
    /// Words of the name or tags are within a letter of it.
    Near,
    /// Words of the description are.
    DescriptionNear,
}

/// Between the texts of an entry. PostgreSQL cannot hold it, so no text has it.
const BETWEEN: &str = "\0";

/// What a search looks into, in lower case: name, display name, tags, description, in one piece of memory.
pub(super) struct Searched(String);

impl Searched {
    pub(super) fn of(entry: &Entry) -> Self {
        Self::joined([&entry.name, &entry.display_name], &entry.tags, &entry.description)
    }

    fn joined(names: [&str; 2], tags: &[String], description: &str) -> Self {
        let texts = names.into_iter().chain(tags.iter().map(String::as_str)).chain([description]);
        Self(texts.collect::<Vec<_>>().join(BETWEEN).to_lowercase())
    }

    /// Name, display name and tags; the description.
    fn texts(&self) -> (impl Iterator<Item = &str> + Clone, &str) {
        let (titles, description) = self.0.rsplit_once(BETWEEN).unwrap_or((&self.0, ""));
        (titles.split(BETWEEN), description)
    }

    /// How well it fits this text, which is in lower case; `None` when none of its texts has it.
    fn rank(&self, text: &str) -> Option<Rank> {
        let (titles, description) = self.texts();
        let (titles, names) = (|| titles.clone(), || titles.clone().take(2));
        let rank = if names().any(|name| name == text) {
            Rank::Exact
        } else if names().any(|name| name.starts_with(text)) {
            Rank::Prefix
        } else if titles().any(|title| has_word(title, text)) {
            Rank::Word
        } else if titles().any(|title| title.contains(text)) {
            Rank::Part
        } else if has_word(description, text) {
            Rank::DescriptionWord
        } else if description.contains(text) {
            Rank::Description
        } else {
            // It goes from one text into the next.
            return None;
        };
        Some(rank)
    }
}

/// Every word of the catalog, with the places that have it.
pub(super) struct Vocabulary {
    words: HashMap<String, Vec<(usize, Rank)>>,
    /// How many places there are.
    places: usize,
}

impl Vocabulary {
    /// Of what is listed, in its order.
    pub(super) fn of<'a>(searched: impl Iterator<Item = &'a Searched>) -> Self {
        let (mut words, mut count): (HashMap<String, Vec<(usize, Rank)>>, _) = (HashMap::new(), 0);
        for (place, searched) in searched.enumerate() {
            count = place + 1;
            let (titles, description) = searched.texts();
            let titles = titles.map(|text| (text, Rank::Near));
            for (text, rank) in titles.chain([(description, Rank::DescriptionNear)]) {
                for word in words_of(text) {
                    let places = words.entry(word.to_owned()).or_default();
                    // Titles come first, so what a place has twice keeps its better rank.
                    if places.last().is_none_or(|(last, _)| *last != place) {
                        places.push((place, rank));
                    }
                }
            }
        }
        Self { words, places: count }
    }

    /// The places that have, for each word of this text, one within a letter of it or one that starts with it; of a short
    /// word, the word itself.
    pub(super) fn near(&self, text: &str) -> Vec<(usize, Rank)> {
        let mut words = words_of(text).map(|word| self.near_word(word));
        let first = words.next().unwrap_or_default();
        let found = words.fold(first, |found, next| {
            let both = |(found, next): (Option<Rank>, Option<Rank>)| Some(found?.max(next?));
            found.into_iter().zip(next).map(both).collect()
        });
        found.into_iter().enumerate().filter_map(|(place, rank)| Some((place, rank?))).collect()
    }

    /// For each place, how well it fits one word.
    fn near_word(&self, wanted: &str) -> Vec<Option<Rank>> {
        let is_short = wanted.chars().count() < FORGIVEN_FROM;
        let fits = |word: &str| word == wanted || (!is_short && (word.starts_with(wanted) || is_near(word, wanted)));
        let mut found: Vec<Option<Rank>> = vec![None; self.places];
        for (_, places) in self.words.iter().filter(|(word, _)| fits(word)) {
            for (place, rank) in places {
                let known = &mut found[*place];
                *known = Some(known.map_or(*rank, |known| known.min(*rank)));
            }
        }
        found
    }
}

/// The places that have this text, which is in lower case; ascending.
pub(super) fn having<'a>(searched: impl Iterator<Item = &'a Searched>, text: &str) -> Vec<(usize, Rank)> {
    let finder = Finder::new(text);
    let having = searched.enumerate().filter(|(_, searched)| finder.find(searched.0.as_bytes()).is_some());
    having.filter_map(|(place, searched)| Some((place, searched.rank(text)?))).collect()
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word of the text starts like this, which may go on beyond the word.
fn has_word(text: &str, start: &str) -> bool {
    text.match_indices(start).any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric))
}

/// Whether one letter more, less or other, or two exchanged, make the one of the other.
fn is_near(word: &str, wanted: &str) -> bool {
    // In bytes, a letter takes at most four.
    if word.len().abs_diff(wanted.len()) > 4 {
        return false;
    }
    let (word, wanted) = without_common(word, wanted);
    let (mut left, mut right) = (word.chars(), wanted.chars());
    match (left.next(), right.next()) {
        (Some(a), Some(b)) => match (left.next(), right.next()) {
            (None, None) => true,
            (Some(c), Some(d)) => (a, c) == (d, b) && left.next().is_none() && right.next().is_none(),
            _ => false,
        },
        _ => left.next().is_none() && right.next().is_none(),
    }
}

/// Both without what they start with, and then end with, in common.
fn without_common<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum::<usize>();
    let (a, b) = (&a[same..], &b[same..]);
    let ends = a.chars().rev().zip(b.chars().rev());
    let same = ends.take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum::<usize>();
    (&a[..a.len() - same], &b[..b.len() - same])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn searched(name: &str, tags: &[&str], description: &str) -> Searched {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Searched::joined([&name.replace(' ', "_"), name], &tags, description)
    }

    #[test]
    fn a_text_is_ranked_by_where_it_stands() {
        let entry = searched("Open Exchange Rates", &["foreign-currencies"], "tells how much money is worth");
        for (text, rank) in [
            ("open_exchange_rates", Some(Rank::Exact)),
            ("open exchange rates", Some(Rank::Exact)),
            ("open ex", Some(Rank::Prefix)),
            ("exchange", Some(Rank::Word)),
            ("exchange ra", Some(Rank::Word)),
            ("curr", Some(Rank::Word)),
            ("change", Some(Rank::Part)),
            ("rrenc", Some(Rank::Part)),
            ("money", Some(Rank::DescriptionWord)),
            ("oney", Some(Rank::Description)),
            ("rates\nforeign", None),
            ("opened", None),
        ] {
            assert_eq!(entry.rank(text), rank, "{text}");
        }
    }

    #[test]
    fn a_letter_is_forgiven_in_each_word_of_four_letters_or_more() {
        let entries = [
            searched("Stripe", &["cards"], "takes payments"),
            searched("Slack", &["chat"], "sends messages"),
            searched("Box", &[], "keeps files"),
        ];
        let near = |text: &str| Vocabulary::of(entries.iter()).near(text);
        for (text, expected) in [
            ("strpe", vec![(0, Rank::Near)]),
            ("strripe", vec![(0, Rank::Near)]),
            ("stripo", vec![(0, Rank::Near)]),
            ("srtipe", vec![(0, Rank::Near)]),
            ("strpe carsd", vec![(0, Rank::Near)]),
            ("cards stripe", vec![(0, Rank::Near)]),
            ("strpe paymemts", vec![(0, Rank::DescriptionNear)]),
            ("strpe slack", vec![]),
            ("mesages", vec![(1, Rank::DescriptionNear)]),
            ("box files", vec![(2, Rank::DescriptionNear)]),
            ("bo files", vec![]),
            ("bx", vec![]),
            ("bax", vec![]),
            ("srtpie", vec![]),
            ("!!!", vec![]),
        ] {
            assert_eq!(near(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn near_is_a_distance_of_one_letter(word in "[abé]{0,6}", wanted in "[abé]{0,6}") {
            prop_assert_eq!(is_near(&word, &wanted), strsim::osa_distance(&word, &wanted) <= 1);
        }
    }
}
