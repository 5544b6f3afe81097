//! What a search finds in the catalog, and how likely it is what was meant. Pure text: the same on every database.
//!
//! A search is a part of a text, as the contract has it. Only one that nothing in the catalog has is read word by word, and
//! forgives a letter in each: so that a wrong letter finds something, and a right one finds no more than it says.

use std::collections::HashMap;
use std::ops::Range;

use memchr::memmem::Finder;

use crate::domain::Entry;
use crate::domain::search_text::{fold, words_in};

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

/// After each text. PostgreSQL cannot hold it, so no text has it.
const END: char = '\0';

/// What searches look into, folded: of each place its name, display name, tags and description, all in one piece
/// of memory, so that looking for a text is walking once over it.
#[derive(Default)]
pub(super) struct Texts {
    text: String,
    /// In the order of the places.
    bounds: Vec<Bounds>,
}

/// Where the texts of a place end.
struct Bounds {
    /// Name and display name.
    names: usize,
    /// Those and the tags.
    titles: usize,
    /// Those and the description.
    all: usize,
}

impl Texts {
    /// Of what is listed, in its order.
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut texts = Self::default();
        entries.for_each(|entry| texts.push([&entry.name, &entry.display_name], &entry.tags, &entry.description));
        texts
    }

    fn push(&mut self, names: [&str; 2], tags: &[String], description: &str) {
        let names = self.append(names.into_iter());
        let titles = self.append(tags.iter().map(String::as_str));
        let all = self.append([description].into_iter());
        self.bounds.push(Bounds { names, titles, all });
    }

    /// Where these end.
    fn append<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> usize {
        for text in texts {
            self.text.push_str(&fold(text));
            self.text.push(END);
        }
        self.text.len()
    }

    /// The places that have this text, which is folded; ascending.
    pub(super) fn having(&self, text: &str) -> Vec<(usize, Rank)> {
        let mut found: Vec<(usize, Rank)> = Vec::new();
        if text.contains(END) {
            return found;
        }
        let finder = Finder::new(text);
        let (mut from, mut place) = (0, 0);
        while let Some(at) = finder.find(&self.text.as_bytes()[from..]).map(|at| from + at) {
            place += self.bounds[place..].partition_point(|bounds| bounds.all <= at);
            let bounds = &self.bounds[place];
            let rank = self.rank(at..at + text.len(), bounds);
            let best = match found.last_mut() {
                Some((last, best)) if *last == place => {
                    *best = rank.min(*best);
                    *best
                }
                _ => {
                    found.push((place, rank));
                    rank
                }
            };
            from = self.next(at..at + text.len(), best, bounds);
        }
        found
    }

    /// How well what stands here fits.
    fn rank(&self, here: Range<usize>, bounds: &Bounds) -> Rank {
        let (before, after) = (&self.text[..here.start], &self.text[here.end..]);
        if here.start < bounds.names && (before.is_empty() || before.ends_with(END)) {
            return if after.starts_with(END) { Rank::Exact } else { Rank::Prefix };
        }
        match (here.start < bounds.titles, before.ends_with(char::is_alphanumeric)) {
            (true, false) => Rank::Word,
            (true, true) => Rank::Part,
            (false, false) => Rank::DescriptionWord,
            (false, true) => Rank::Description,
        }
    }

    /// Where something better than this may stand, after here.
    fn next(&self, here: Range<usize>, best: Rank, bounds: &Bounds) -> usize {
        match best {
            // Only the start of the next name is better.
            Rank::Exact | Rank::Prefix | Rank::Word => {
                let end = memchr::memchr(END as u8, &self.text.as_bytes()[here.end..]).map(|end| here.end + end + 1);
                end.filter(|end| *end < bounds.names).unwrap_or(bounds.all)
            }
            Rank::Part if here.start >= bounds.titles => bounds.all,
            Rank::Part | Rank::Description => here.end,
            Rank::DescriptionWord | Rank::Near | Rank::DescriptionNear => bounds.all,
        }
    }

    /// Of each place its titles, and its description.
    fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = std::iter::once(0).chain(self.bounds.iter().map(|bounds| bounds.all));
        let places = starts.zip(&self.bounds);
        places.map(|(start, bounds)| (&self.text[start..bounds.titles], &self.text[bounds.titles..bounds.all]))
    }
}

/// Every word of the catalog, with the places that have it.
pub(super) struct Vocabulary {
    words: HashMap<String, Vec<(usize, Rank)>>,
    /// How many places there are.
    places: usize,
}

impl Vocabulary {
    pub(super) fn of(texts: &Texts) -> Self {
        let mut words: HashMap<String, Vec<(usize, Rank)>> = HashMap::new();
        for (place, (titles, description)) in texts.places().enumerate() {
            for (text, rank) in [(titles, Rank::Near), (description, Rank::DescriptionNear)] {
                for word in words_in(text) {
                    let places = words.entry(word.to_owned()).or_default();
                    // Titles come first, so what a place has twice keeps its better rank.
                    if places.last().is_none_or(|(last, _)| *last != place) {
                        places.push((place, rank));
                    }
                }
            }
        }
        Self { words, places: texts.bounds.len() }
    }

    /// The places that have, for each word of this text, one within a letter of it or one that starts with it; of a short
    /// word, the word itself.
    pub(super) fn near(&self, text: &str) -> Vec<(usize, Rank)> {
        let mut words = words_in(text).map(|word| self.near_word(word));
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
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Of entries with these display names, tags and descriptions.
    fn texts(entries: &[(&str, &[&str], &str)]) -> Texts {
        let mut texts = Texts::default();
        for (name, tags, description) in entries {
            let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            texts.push([&name.replace(' ', "_"), name], &tags, description);
        }
        texts
    }

    #[test]
    fn a_text_is_ranked_by_where_it_stands() {
        let other = ("Other", &["tag"] as &[_], "of it");
        let entry = ("Open Exchange Rates", &["foreign-currencies"] as &[_], "tells how much money is worth");
        let texts = texts(&[other, entry, other]);
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
            ("rates\0foreign", None),
            ("opened", None),
        ] {
            assert_eq!(texts.having(text), rank.map(|rank| (1, rank)).into_iter().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn a_letter_is_forgiven_in_each_word_of_four_letters_or_more() {
        let vocabulary = Vocabulary::of(&texts(&[
            ("Stripe", &["cards"], "takes payments"),
            ("Slack", &["chat"], "sends messages"),
            ("Box", &[], "keeps files"),
        ]));
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
            assert_eq!(vocabulary.near(text), expected, "{text}");
        }
    }

    /// The same as [`Texts::having`] says of one entry, worked out text by text.
    fn rank_slowly(names: [&str; 2], tags: &[String], description: &str, text: &str) -> Option<Rank> {
        let has_word =
            |whole: &str| whole.match_indices(text).any(|(at, _)| !whole[..at].ends_with(char::is_alphanumeric));
        let titles = || names.into_iter().chain(tags.iter().map(String::as_str));
        let ranks = [
            (Rank::Exact, names.contains(&text)),
            (Rank::Prefix, names.iter().any(|name| name.starts_with(text))),
            (Rank::Word, titles().any(has_word)),
            (Rank::Part, titles().any(|title| title.contains(text))),
            (Rank::DescriptionWord, has_word(description)),
            (Rank::Description, description.contains(text)),
        ];
        ranks.into_iter().find(|(_, is_so)| *is_so).map(|(rank, _)| rank)
    }

    proptest! {
        #[test]
        fn walking_over_all_texts_finds_what_looking_into_each_finds(
            entries in vec(("[ab_]{1,4}", "[abσ ]{0,6}", vec("[ab-]{1,4}", 0..3), "[abσ ]{0,8}"), 0..5),
            text in "[abσ ]{1,3}",
        ) {
            let mut texts = Texts::default();
            entries.iter().for_each(|(name, shown, tags, description)| texts.push([name, shown], tags, description));
            let slowly = entries.iter().enumerate().filter_map(|(place, (name, shown, tags, description))| {
                Some((place, rank_slowly([name, shown], tags, description, &text)?))
            });
            prop_assert_eq!(texts.having(&text), slowly.collect::<Vec<_>>());
        }

        #[test]
        fn near_is_a_distance_of_one_letter(word in "[abé]{0,6}", wanted in "[abé]{0,6}") {
            prop_assert_eq!(is_near(&word, &wanted), strsim::osa_distance(&word, &wanted) <= 1);
        }
    }
}
