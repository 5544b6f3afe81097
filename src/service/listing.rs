//! A list under a filter: counts, total, pages. Pure: everything was read before.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::cursor::{self, Binding};
use super::snapshot::{Snapshot, SortKey, sort_key};
use crate::domain::{AccountId, CatalogFilter, Cursor, Integration, IntegrationId, Page, Slice, Status};
use crate::error::Result;
use crate::store::AccountState;

/// Bytes of an id in a cursor.
const ID: usize = 16;

/// What matches a filter, for one account. Works out what it is asked for, once.
pub struct Listing {
    account: AccountId,
    snapshot: Arc<Snapshot>,
    state: Arc<AccountState>,
    filter: CatalogFilter,
    matches: OnceLock<Matches>,
}

/// The places in the snapshot that match; and how many match in each category as if none had been chosen.
struct Matches {
    places: Places,
    counts: Vec<(usize, usize)>,
}

/// Places in ascending order.
enum Places {
    /// All of these.
    Range(Range<usize>),
    /// These.
    Some(Vec<usize>),
}

impl Listing {
    pub(super) fn new(
        account: &AccountId,
        snapshot: Arc<Snapshot>,
        state: Arc<AccountState>,
        mut filter: CatalogFilter,
    ) -> Self {
        filter.search = filter.search.map(|text| text.to_lowercase()).filter(|text| !text.is_empty());
        Self { account: account.clone(), snapshot, state, filter, matches: OnceLock::new() }
    }

    /// The catalog it is a list of.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The account's revision it is right for.
    pub fn revision(&self) -> i64 {
        self.state.revision()
    }

    /// How many match, over all pages.
    pub fn total(&self) -> usize {
        self.places().len()
    }

    /// How many match in each category that has any, as if no category had been chosen: a sidebar keeps its rows. Sorted.
    pub fn category_counts(&self) -> impl ExactSizeIterator<Item = (&str, usize)> {
        let name = |category: usize| self.snapshot.categories()[category].0.as_str();
        self.matches().counts.iter().map(move |(category, count)| (name(*category), *count))
    }

    /// A part of the list.
    ///
    /// # Errors
    /// [`BadInput`](crate::error::Error::BadInput) for a cursor that does not belong to this account and filter.
    pub fn page(&self, page: &Page) -> Result<Slice<Integration>> {
        let places = self.places();
        let (limit, after, before) = match page {
            Page::All => (usize::MAX, None, None),
            Page::First { limit, after, before } | Page::Last { limit, after, before } => {
                (*limit, self.position(after.as_ref())?, self.position(before.as_ref())?)
            }
        };
        let from = after.as_ref().map_or(0, |key| self.first_place(|at| at > key));
        let to = before.as_ref().map_or(places.len(), |key| self.first_place(|at| at >= key));
        let window = from..to.max(from);
        let shown = match page {
            Page::Last { .. } => window.end - window.len().min(limit)..window.end,
            Page::All | Page::First { .. } => window.start..window.start + window.len().min(limit),
        };
        Ok(Slice {
            has_next: shown.end < window.end || (before.is_some() && to < places.len()),
            has_previous: shown.start > window.start || (after.is_some() && from > 0),
            items: shown.map(|n| self.integration(places.at(n))).collect(),
        })
    }

    /// Where this item of the list stands in it.
    pub fn cursor(&self, integration: &Integration) -> Cursor {
        let (category, name, id) = sort_key(&integration.entry);
        let mut bytes = Vec::with_capacity(ID + category.len() + name.len() + 1);
        bytes.extend_from_slice(id.0.as_bytes());
        bytes.extend_from_slice(category.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(name.as_bytes());
        self.binding().cursor(&bytes)
    }

    /// How many matches stand before the first whose key satisfies this.
    fn first_place(&self, is_past: impl Fn(&SortKey) -> bool) -> usize {
        let places = self.places();
        let is_before = |n: usize| !is_past(&self.snapshot.listed()[places.at(n)].sort_key);
        let (mut low, mut high) = (0, places.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn places(&self) -> &Places {
        &self.matches().places
    }

    fn matches(&self) -> &Matches {
        self.matches.get_or_init(|| self.find())
    }

    fn find(&self) -> Matches {
        let all = 0..self.snapshot.len();
        let wanted = self.filter.category.as_ref().map_or(all.clone(), |name| self.snapshot.places_of(name));
        let categories = self.snapshot.categories();
        let found = match (self.filter.status, &self.filter.search) {
            (None, None) => {
                let counts = categories.iter().enumerate().map(|(at, (_, places))| (at, places.len())).collect();
                return Matches { places: Places::Range(wanted), counts };
            }
            (status, search) => {
                let mentions =
                    |at: &usize| search.as_ref().is_none_or(|needle| self.snapshot.listed()[*at].mentions(needle));
                match status {
                    None => all.filter(mentions).collect(),
                    Some(Status::Installed) => self.installed().into_iter().filter(mentions).collect(),
                    Some(Status::Available) => without(all, &self.installed()).filter(mentions).collect::<Vec<_>>(),
                }
            }
        };
        let count = |(at, (_, places)): (usize, &(String, Range<usize>))| {
            let count = found.partition_point(|p| *p < places.end) - found.partition_point(|p| *p < places.start);
            (count > 0).then_some((at, count))
        };
        let counts = categories.iter().enumerate().filter_map(count).collect();
        let places = found.into_iter().filter(|at| wanted.contains(at)).collect();
        Matches { places: Places::Some(places), counts }
    }

    /// The places of what is installed, in ascending order: found from the account's side, which is the smaller one.
    fn installed(&self) -> Vec<usize> {
        let rows = self.state.installations().iter().filter(|row| row.installed_at.is_some());
        let mut places: Vec<_> = rows.filter_map(|row| self.snapshot.place(row.integration_id)).collect();
        places.sort_unstable();
        places
    }

    fn integration(&self, place: usize) -> Integration {
        let entry = self.snapshot.listed()[place].entry.clone();
        let installation = self.state.find(entry.id).cloned();
        Integration { entry, installation }
    }

    fn position(&self, cursor: Option<&Cursor>) -> Result<Option<SortKey>> {
        cursor.map(|cursor| self.decode(cursor).ok_or_else(cursor::foreign)).transpose()
    }

    fn decode(&self, cursor: &Cursor) -> Option<SortKey> {
        let position = self.binding().position(cursor)?;
        let (id, key) = position.split_at_checked(ID)?;
        let (category, name) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        let id = uuid::Uuid::from_slice(id).ok()?;
        Some((category.to_owned(), name.to_owned(), IntegrationId(id)))
    }

    fn binding(&self) -> Binding {
        Binding::of("category,display_name,id", &self.account, &self.filter)
    }
}

impl Places {
    fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Some(places) => places.len(),
        }
    }

    fn at(&self, n: usize) -> usize {
        match self {
            Self::Range(range) => range.start + n,
            Self::Some(places) => places[n],
        }
    }
}

/// `all` without `some`; both in ascending order.
fn without(all: Range<usize>, some: &[usize]) -> impl Iterator<Item = usize> {
    let mut next = some.iter().peekable();
    all.filter(move |at| next.next_if_eq(&at).is_none())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::domain::{Entry, EntryState, Installation};

    const CATEGORIES: [&str; 3] = ["ai", "crm", "payments"];

    fn entry(n: usize, category: usize, word: bool) -> Entry {
        let name = format!("entry_{n}");
        Entry {
            id: IntegrationId::of_builtin(&name),
            display_name: format!("{} {}", if n.is_multiple_of(2) { "Even" } else { "odd" }, n % 7),
            description: if word { "Has the WORD in it".into() } else { String::new() },
            category: CATEGORIES[category].into(),
            tags: Vec::new(),
            icon_url: None,
            docs_url: None,
            homepage_url: None,
            auth_kinds: Vec::new(),
            required: Vec::new(),
            params_schema: Value::Null,
            secrets_schema: Value::Null,
            state: EntryState::Active,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            name,
        }
    }

    /// An entry's category, whether it has the word, and what the account did with it.
    type Kind = (usize, bool, Option<bool>);

    fn listing(kinds: &[Kind], filter: CatalogFilter) -> Listing {
        let entries: Vec<_> =
            kinds.iter().enumerate().map(|(n, (category, word, _))| entry(n, *category, *word)).collect();
        let at = DateTime::UNIX_EPOCH;
        let row = |(entry, (_, _, done)): (&Entry, &Kind)| {
            let installed_at = done.as_ref()?.then_some(at);
            Some(Arc::new(Installation { installed_at, ..Installation::new(entry.id, at) }))
        };
        let rows = entries.iter().zip(kinds).filter_map(row);
        let state = rows.fold(AccountState::default(), |state, row| state.with(row, 0));
        let account = AccountId::parse("acme").expect("well-formed");
        Listing::new(&account, Arc::new(Snapshot::new(1, entries)), Arc::new(state), filter)
    }

    /// What is listed, worked out the slow way: names in order, counts by category.
    fn expected(kinds: &[Kind], filter: &CatalogFilter) -> (Vec<String>, BTreeMap<String, usize>) {
        let fits = |(_, word, done): &Kind| {
            let status = if *done == Some(true) { Status::Installed } else { Status::Available };
            filter.status.is_none_or(|wanted| wanted == status) && (filter.search.is_none() || *word)
        };
        let found = kinds.iter().enumerate().filter(|(_, kind)| fits(kind));
        let mut entries: Vec<_> = found.map(|(n, (category, word, _))| entry(n, *category, *word)).collect();
        entries.sort_by_key(|e| (e.category.clone(), e.display_name.to_lowercase(), e.id));
        let mut counts = BTreeMap::new();
        entries.iter().for_each(|e| *counts.entry(e.category.clone()).or_default() += 1);
        let wanted = |e: &Entry| filter.category.as_ref().is_none_or(|category| e.category == *category);
        (entries.into_iter().filter(wanted).map(|e| e.name).collect(), counts)
    }

    fn names(slice: &Slice<Integration>) -> Vec<String> {
        slice.items.iter().map(|item| item.entry.name.clone()).collect()
    }

    proptest! {
        #[test]
        fn lists_counts_and_pages_are_those_worked_out_the_slow_way(
            kinds in prop::collection::vec((0..3_usize, any::<bool>(), any::<Option<bool>>()), 0..40),
            category in prop::option::of(0..4_usize),
            installed in any::<Option<bool>>(),
            has_search in any::<bool>(),
            limit in 1..9_usize,
        ) {
            let filter = CatalogFilter {
                category: category.map(|n| CATEGORIES.get(n).unwrap_or(&"nothing").to_string()),
                status: installed.map(|yes| if yes { Status::Installed } else { Status::Available }),
                search: has_search.then(|| "wOrD".to_owned()),
            };
            let (all, counts) = expected(&kinds, &filter);
            let listing = listing(&kinds, filter);
            prop_assert_eq!(listing.total(), all.len());
            let told: BTreeMap<_, _> = listing.category_counts().map(|(name, n)| (name.to_owned(), n)).collect();
            prop_assert_eq!(told, counts);
            let whole = listing.page(&Page::All).expect("whole");
            prop_assert_eq!(names(&whole), all.clone());
            prop_assert!(!whole.has_next && !whole.has_previous);
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = listing.page(&Page::First { limit, after: after.clone(), before: None }).expect("page");
                prop_assert_eq!(page.has_previous, after.is_some());
                seen.extend(names(&page));
                prop_assert_eq!(page.has_next, seen.len() < all.len());
                if !page.has_next { break; }
                after = page.items.last().map(|last| listing.cursor(last));
            }
            prop_assert_eq!(&seen, &all);
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let page = listing.page(&Page::Last { limit, after: None, before: before.clone() }).expect("page");
                prop_assert_eq!(page.has_next, before.is_some());
                seen.splice(0..0, names(&page));
                prop_assert_eq!(page.has_previous, seen.len() < all.len());
                if !page.has_previous { break; }
                before = page.items.first().map(|first| listing.cursor(first));
            }
            prop_assert_eq!(&seen, &all);
        }
    }
}
