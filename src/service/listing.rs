//! A list under a filter: counts, total, pages. Pure: everything was read before.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::snapshot::{Snapshot, SortKey, sort_key};
use crate::domain::{AccountId, CatalogFilter, Cursor, Integration, IntegrationId, Page, Slice, Status};
use crate::error::{Error, Result};
use crate::store::AccountState;

/// Bytes of the digest that binds a cursor to its list.
const BINDING: usize = 8;
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
    /// [`Error::BadInput`] for a cursor that does not belong to this account and filter.
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
        let mut bytes = Vec::with_capacity(BINDING + ID + category.len() + name.len() + 1);
        bytes.extend_from_slice(&self.binding());
        bytes.extend_from_slice(id.0.as_bytes());
        bytes.extend_from_slice(category.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(name.as_bytes());
        Cursor(URL_SAFE_NO_PAD.encode(bytes))
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
        let foreign = || {
            Error::bad_input(
                "The cursor does not belong to this list: start again without one, or keep account and filters",
            )
        };
        cursor.map(|cursor| self.decode(cursor).ok_or_else(foreign)).transpose()
    }

    fn decode(&self, Cursor(text): &Cursor) -> Option<SortKey> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (binding, rest) = bytes.split_at_checked(BINDING)?;
        let (id, key) = rest.split_at_checked(ID)?;
        let (category, name) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        let id = uuid::Uuid::from_slice(id).ok()?;
        (binding == self.binding()).then(|| (category.to_owned(), name.to_owned(), IntegrationId(id)))
    }

    /// A digest of account, order and filters: a cursor of another list is told apart, which keeps no secret but prevents
    /// pages that silently skip entries.
    fn binding(&self) -> [u8; BINDING] {
        let (account, filter) = (&self.account, &self.filter);
        let digest = Sha256::digest(format!("category,display_name,id\0{account}\0{filter:?}"));
        let mut binding = [0; BINDING];
        binding.copy_from_slice(&digest[..BINDING]);
        binding
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
