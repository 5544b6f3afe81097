//! A list under a query: counts, total, order, pages. Pure: everything was read before.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::cursor::{self, Binding};
use super::search::Rank;
use super::snapshot::Snapshot;
use crate::domain::{
    AccountId, CatalogOrder, CatalogQuery, Cursor, Integration, IntegrationId, Page, SearchText, Slice, Status,
};
use crate::error::Result;
use crate::store::AccountState;

/// Bytes of an id in a cursor, and of the number before it.
const ID: usize = 16;
const MAJOR: usize = 8;

/// What matches a query, for one account. Works out what it is asked for, once.
pub struct Listing {
    account: AccountId,
    snapshot: Arc<Snapshot>,
    state: Arc<AccountState>,
    query: CatalogQuery,
    /// What the search found, ascending by place; nothing without one.
    ranks: OnceLock<Vec<(usize, Rank)>>,
    matches: OnceLock<Matches>,
}

/// What matches, in the order of the list; and how much would, had one filter not been given.
struct Matches {
    places: Places,
    /// By category, as if none had been chosen.
    categories: Vec<(usize, usize)>,
    /// Available and installed, as if neither had been chosen.
    statuses: [(Status, usize); 2],
}

/// Places in the snapshot, in the order of the list.
enum Places {
    /// All of these.
    Range(Range<usize>),
    /// These.
    Some(Vec<usize>),
}

/// Where an item stands in an order; compared from the first field to the last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Position<'a> {
    major: u64,
    group: &'a str,
    name: &'a str,
    id: IntegrationId,
}

impl Listing {
    pub(super) fn new(
        account: &AccountId,
        snapshot: Arc<Snapshot>,
        state: Arc<AccountState>,
        query: CatalogQuery,
    ) -> Self {
        Self { account: account.clone(), snapshot, state, query, ranks: OnceLock::new(), matches: OnceLock::new() }
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
        self.matches().categories.iter().map(move |(category, count)| (name(*category), *count))
    }

    /// How many match with each status, as if none had been chosen; also where there are none.
    pub fn status_counts(&self) -> [(Status, usize); 2] {
        self.matches().statuses
    }

    /// A part of the list.
    ///
    /// # Errors
    /// [`BadInput`](crate::error::Error::BadInput) for a cursor that does not belong to this account and query.
    pub fn page(&self, page: &Page) -> Result<Slice<Integration>> {
        let places = self.places();
        let (limit, after, before) = match page {
            Page::All => (usize::MAX, None, None),
            Page::First { limit, after, before } | Page::Last { limit, after, before } => {
                (*limit, self.bytes_of(after.as_ref())?, self.bytes_of(before.as_ref())?)
            }
        };
        let (after, before) = (position_in(after.as_deref())?, position_in(before.as_deref())?);
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
        let place = self.snapshot.place(integration.entry.id);
        let position = place.map_or_else(Vec::new, |place| self.position(place).to_bytes());
        self.binding().cursor(&position)
    }

    /// How many matches stand before the first whose position satisfies this.
    fn first_place(&self, is_past: impl Fn(&Position<'_>) -> bool) -> usize {
        let places = self.places();
        let is_before = |n: usize| !is_past(&self.position(places.at(n)));
        let (mut low, mut high) = (0, places.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn position(&self, place: usize) -> Position<'_> {
        let listed = &self.snapshot.listed()[place];
        let (category, name, id) = &listed.sort_key;
        let (group, name) = match self.query.order {
            CatalogOrder::Category => (category.as_str(), name.as_str()),
            CatalogOrder::Name => ("", listed.entry.name.as_str()),
            CatalogOrder::DisplayName | CatalogOrder::InstalledAt | CatalogOrder::Relevance => ("", name.as_str()),
        };
        Position { major: self.major(place), group, name, id: *id }
    }

    /// What counts before any name.
    fn major(&self, place: usize) -> u64 {
        match self.query.order {
            CatalogOrder::Category | CatalogOrder::Name | CatalogOrder::DisplayName => 0,
            CatalogOrder::InstalledAt => {
                let row = self.state.find(self.snapshot.listed()[place].entry.id);
                let at = row.and_then(|row| row.installed_at).map(|at| at.timestamp_micros());
                at.and_then(|at| u64::try_from(at).ok()).map_or(u64::MAX, |at| u64::MAX - 1 - at)
            }
            CatalogOrder::Relevance => {
                let ranks = self.ranks();
                ranks.binary_search_by_key(&place, |(at, _)| *at).map_or(0, |at| ranks[at].1 as u64)
            }
        }
    }

    fn places(&self) -> &Places {
        &self.matches().places
    }

    fn matches(&self) -> &Matches {
        self.matches.get_or_init(|| self.find())
    }

    fn ranks(&self) -> &[(usize, Rank)] {
        let search = self.query.search.as_ref().map(SearchText::as_str);
        self.ranks.get_or_init(|| search.map(|text| self.snapshot.search(text)).unwrap_or_default())
    }

    fn find(&self) -> Matches {
        let all = 0..self.snapshot.len();
        let wanted = self.query.category.as_ref().map_or(all.clone(), |name| self.snapshot.places_of(name));
        let fitting = self.fitting();
        let mut installed = self.installed();
        installed.retain(|at| fitting.as_ref().is_none_or(|fitting| fitting.binary_search(at).is_ok()));

        let in_category = fitting.as_ref().map_or(wanted.len(), |fitting| within(fitting, &wanted).len());
        let installed_in_category = within(&installed, &wanted).len();
        let statuses =
            [(Status::Available, in_category - installed_in_category), (Status::Installed, installed_in_category)];
        let found = match self.query.status {
            None => fitting,
            Some(Status::Installed) => Some(installed.clone()),
            Some(Status::Available) => Some(match fitting {
                None => without(all, &installed),
                Some(fitting) => without(fitting, &installed),
            }),
        };
        let count = |places: &Range<usize>| found.as_ref().map_or(places.len(), |found| within(found, places).len());
        let categories = self.snapshot.categories().iter().enumerate();
        let categories =
            categories.map(|(at, (_, places))| (at, count(places))).filter(|(_, count)| *count > 0).collect();
        let places = match found {
            None => Places::Range(wanted),
            Some(found) => Places::Some(within(&found, &wanted).to_vec()),
        };
        Matches { places: self.in_order(places, &installed), categories, statuses }
    }

    /// What search, tag and kind of authentication leave, ascending; `None` when that is everything.
    fn fitting(&self) -> Option<Vec<usize>> {
        let CatalogQuery { search, tag, auth_kind, .. } = &self.query;
        let found = search.as_ref().map(|_| self.ranks().iter().map(|(at, _)| *at).collect());
        let tagged = tag.as_ref().map(|tag| self.snapshot.tagged(tag));
        let of_kind = auth_kind.map(|kind| self.snapshot.of_kind(kind));
        [tagged, of_kind].into_iter().flatten().fold(found, |found, next| Some(common(found, next)))
    }

    /// The places of what is installed, in ascending order: found from the account's side, which is the smaller one.
    fn installed(&self) -> Vec<usize> {
        let rows = self.state.installations().iter().filter(|row| row.installed_at.is_some());
        let mut places: Vec<_> = rows.filter_map(|row| self.snapshot.place(row.integration_id)).collect();
        places.sort_unstable();
        places
    }

    /// The same places, which are ascending, in the order that is wanted: walked, not sorted.
    fn in_order(&self, places: Places, installed: &[usize]) -> Places {
        let order = match self.query.order {
            // Places are numbered in this order.
            CatalogOrder::Category => return places,
            CatalogOrder::Name => self.snapshot.by_name_order(),
            CatalogOrder::DisplayName | CatalogOrder::InstalledAt | CatalogOrder::Relevance => {
                self.snapshot.by_display_name()
            }
        };
        let mut is_wanted = vec![false; self.snapshot.len()];
        (0..places.len()).for_each(|n| is_wanted[places.at(n)] = true);
        let ordered = order.iter().copied().filter(|place| is_wanted[*place]);
        Places::Some(match self.query.order {
            CatalogOrder::Category | CatalogOrder::Name | CatalogOrder::DisplayName => ordered.collect(),
            CatalogOrder::InstalledAt => self.newest_first(ordered, installed),
            CatalogOrder::Relevance => self.best_first(ordered),
        })
    }

    fn newest_first(&self, ordered: impl Iterator<Item = usize>, installed: &[usize]) -> Vec<usize> {
        let mut is_installed = vec![false; self.snapshot.len()];
        installed.iter().for_each(|place| is_installed[*place] = true);
        let (mut newest, rest): (Vec<_>, Vec<_>) = ordered.partition(|place| is_installed[*place]);
        // A stable sort: what was installed at once stays in the order of display names.
        newest.sort_by_cached_key(|place| self.major(*place));
        newest.extend(rest);
        newest
    }

    fn best_first(&self, ordered: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut ranks = vec![0; self.snapshot.len()];
        self.ranks().iter().for_each(|(place, rank)| ranks[*place] = *rank as usize);
        let mut ranked: Vec<Vec<usize>> = Vec::new();
        for place in ordered {
            let rank = ranks[place];
            if ranked.len() <= rank {
                ranked.resize_with(rank + 1, Vec::new);
            }
            ranked[rank].push(place);
        }
        ranked.concat()
    }

    fn integration(&self, place: usize) -> Integration {
        let entry = self.snapshot.listed()[place].entry.clone();
        let installation = self.state.find(entry.id).cloned();
        Integration::new(entry, installation)
    }

    /// What this list's cursors hold.
    fn bytes_of(&self, cursor: Option<&Cursor>) -> Result<Option<Vec<u8>>> {
        cursor.map(|cursor| self.binding().position(cursor).ok_or_else(cursor::foreign)).transpose()
    }

    fn binding(&self) -> Binding {
        Binding::of("catalog", &self.account, &self.query)
    }
}

impl Position<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        // No name holds a NUL.
        let texts = [self.group.as_bytes(), &[0], self.name.as_bytes()].concat();
        [&self.major.to_be_bytes()[..], self.id.0.as_bytes(), &texts].concat()
    }
}

impl<'a> Position<'a> {
    fn of_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (major, rest) = bytes.split_at_checked(MAJOR)?;
        let (id, texts) = rest.split_at_checked(ID)?;
        let (group, name) =
            std::str::from_utf8(texts).ok()?.split_once('\0').filter(|(_, name)| !name.contains('\0'))?;
        let major = u64::from_be_bytes(major.try_into().ok()?);
        Some(Self { major, group, name, id: IntegrationId(uuid::Uuid::from_slice(id).ok()?) })
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

fn position_in(bytes: Option<&[u8]>) -> Result<Option<Position<'_>>> {
    bytes.map(|bytes| Position::of_bytes(bytes).ok_or_else(cursor::foreign)).transpose()
}

/// Those of these places, which are ascending, that lie in the range.
fn within<'a>(places: &'a [usize], range: &Range<usize>) -> &'a [usize] {
    &places[places.partition_point(|at| *at < range.start)..places.partition_point(|at| *at < range.end)]
}

/// What stands in both, ascending as both are; what stands in the second when the first is everything.
fn common(found: Option<Vec<usize>>, next: &[usize]) -> Vec<usize> {
    let Some(mut found) = found else { return next.to_vec() };
    let mut next = next.iter().copied().peekable();
    found.retain(|place| {
        while next.next_if(|other| other < place).is_some() {}
        next.peek() == Some(place)
    });
    found
}

/// `all` without `some`; both ascending.
fn without(all: impl IntoIterator<Item = usize>, some: &[usize]) -> Vec<usize> {
    let mut next = some.iter().peekable();
    all.into_iter().filter(move |at| next.next_if_eq(&at).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Utc};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::domain::{AuthKind, Entry, EntryState, Installation};

    const CATEGORIES: [&str; 3] = ["ai", "crm", "payments"];
    const TAGS: [&str; 2] = ["cards", "chat"];
    const KINDS: [AuthKind; 2] = [AuthKind::Bearer, AuthKind::Basic];

    /// What an entry is like, and what the account did with it: installed it so many microseconds after the epoch, or
    /// uninstalled it since.
    #[derive(Clone, Debug)]
    struct Kind {
        category: usize,
        title: &'static str,
        has_word: bool,
        tag: usize,
        auth: usize,
        installed: Option<Option<u32>>,
    }

    fn kinds() -> impl Strategy<Value = Vec<Kind>> {
        let titles = prop::sample::select(vec!["Stripe", "stripes", "Pin Stripe", "Slack", "Word"]);
        let kind = (0..3_usize, titles, any::<bool>(), 0..2_usize, 0..2_usize, any::<Option<Option<u32>>>());
        let kind = kind.prop_map(|(category, title, has_word, tag, auth, installed)| Kind {
            category,
            title,
            has_word,
            tag,
            auth,
            installed,
        });
        prop::collection::vec(kind, 0..40)
    }

    fn queries() -> impl Strategy<Value = CatalogQuery> {
        let search =
            prop::sample::select(vec![None, Some("wOrD"), Some("stripe"), Some("STRPE"), Some("nothing"), Some("")]);
        let orders = prop::sample::select(CatalogOrder::ALL.to_vec());
        let category = prop::option::of(0..4_usize);
        (category, any::<Option<bool>>(), search, prop::option::of(0..3_usize), prop::option::of(0..2_usize), orders)
            .prop_map(|(category, installed, search, tag, auth, order)| CatalogQuery {
                category: category.map(|n| CATEGORIES.get(n).unwrap_or(&"nothing").to_string()),
                status: installed.map(|yes| if yes { Status::Installed } else { Status::Available }),
                search: search.and_then(|text| SearchText::parse(text).expect("within the limits")),
                tag: tag.map(|n| TAGS.get(n).unwrap_or(&"nothing").to_string()),
                auth_kind: auth.map(|n| KINDS[n]),
                order,
            })
    }

    fn entry(n: usize, kind: &Kind) -> Entry {
        let name = format!("entry_{n}");
        Entry {
            id: IntegrationId::of_builtin(&name),
            display_name: format!("{} {}", kind.title, n % 7),
            description: if kind.has_word { "Has the WORD in it".into() } else { String::new() },
            category: CATEGORIES[kind.category].into(),
            tags: vec![TAGS[kind.tag].into()],
            icon_url: None,
            docs_url: None,
            homepage_url: None,
            credentials_url: None,
            auth_kinds: vec![KINDS[kind.auth]],
            fields: Vec::new(),
            params_schema: Value::Null,
            secrets_schema: Value::Null,
            state: EntryState::Active,
            is_custom: false,
            differs_from_default: false,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            name,
        }
    }

    fn installed_at(kind: &Kind) -> Option<DateTime<Utc>> {
        kind.installed.flatten().map(|micros| DateTime::from_timestamp_micros(micros.into()).expect("in range"))
    }

    fn listing(kinds: &[Kind], query: CatalogQuery) -> Listing {
        let entries: Vec<_> = kinds.iter().enumerate().map(|(n, kind)| entry(n, kind)).collect();
        let at = DateTime::UNIX_EPOCH;
        let row = |(entry, kind): (&Entry, &Kind)| {
            kind.installed?;
            Some(Arc::new(Installation { installed_at: installed_at(kind), ..Installation::new(entry.id, at) }))
        };
        let rows = entries.iter().zip(kinds).filter_map(row);
        let state = rows.fold(AccountState::default(), |state, row| state.with(row, 0));
        let account = AccountId::parse("acme").expect("well-formed");
        Listing::new(&account, Arc::new(Snapshot::new(1, entries)), Arc::new(state), query)
    }

    fn status(kind: &Kind) -> Status {
        if installed_at(kind).is_some() { Status::Installed } else { Status::Available }
    }

    /// Whether an entry has the text, worked out anew; and its rank, where the texts above leave two.
    fn found_by(kinds: &[Kind], search: Option<&str>) -> Vec<Option<Rank>> {
        let all = || vec![Some(Rank::Exact); kinds.len()];
        let Some(text) = search.map(str::to_lowercase).filter(|text| !text.is_empty()) else { return all() };
        let literal = |kind: &Kind| {
            let title = kind.title.to_lowercase();
            let in_title = match title.find(&text) {
                Some(0) => Some(Rank::Prefix),
                Some(_) => Some(Rank::Word),
                None => None,
            };
            in_title.or((text == "word" && kind.has_word).then_some(Rank::DescriptionWord))
        };
        let found: Vec<_> = kinds.iter().map(literal).collect();
        if found.iter().any(Option::is_some) {
            return found;
        }
        let near = |kind: &Kind| (text == "strpe" && kind.title.ends_with("tripe")).then_some(Rank::Near);
        kinds.iter().map(near).collect()
    }

    /// Names in order, counts by category and by status.
    type Answer = (Vec<String>, BTreeMap<String, usize>, [(Status, usize); 2]);

    /// The answer, worked out the slow way.
    fn expected(kinds: &[Kind], query: &CatalogQuery) -> Answer {
        let ranks = found_by(kinds, query.search.as_ref().map(SearchText::as_str));
        let fits = |n: usize| {
            let kind = &kinds[n];
            ranks[n].is_some()
                && query.tag.as_ref().is_none_or(|tag| *tag == TAGS[kind.tag])
                && query.auth_kind.is_none_or(|auth| auth == KINDS[kind.auth])
        };
        let in_category = |n: usize| query.category.as_ref().is_none_or(|name| *name == CATEGORIES[kinds[n].category]);
        let has_status = |n: usize| query.status.is_none_or(|wanted| wanted == status(&kinds[n]));
        let fitting: Vec<_> = (0..kinds.len()).filter(|n| fits(*n)).collect();
        let mut categories = BTreeMap::new();
        for n in fitting.iter().filter(|n| has_status(**n)) {
            *categories.entry(CATEGORIES[kinds[*n].category].to_owned()).or_default() += 1;
        }
        let count =
            |wanted: Status| fitting.iter().filter(|n| in_category(**n) && status(&kinds[**n]) == wanted).count();
        let statuses = [Status::Available, Status::Installed].map(|status| (status, count(status)));
        let mut places: Vec<_> = fitting.into_iter().filter(|n| in_category(*n) && has_status(*n)).collect();
        places.sort_by_key(|n| {
            let entry = entry(*n, &kinds[*n]);
            let (major, group) = match query.order {
                CatalogOrder::Category => (0, entry.category),
                CatalogOrder::Name => (0, entry.name),
                CatalogOrder::DisplayName => (0, String::new()),
                CatalogOrder::InstalledAt => {
                    (installed_at(&kinds[*n]).map_or(i64::MAX, |at| -at.timestamp_micros()), String::new())
                }
                CatalogOrder::Relevance => (ranks[*n].expect("found") as i64, String::new()),
            };
            (major, group, entry.display_name.to_lowercase(), entry.id)
        });
        (places.into_iter().map(|n| format!("entry_{n}")).collect(), categories, statuses)
    }

    fn names(slice: &Slice<Integration>) -> Vec<String> {
        slice.items.iter().map(|item| item.entry.name.clone()).collect()
    }

    proptest! {
        #[test]
        fn lists_counts_and_pages_are_those_worked_out_the_slow_way(
            kinds in kinds(), query in queries(), limit in 1..9_usize,
        ) {
            let (all, categories, statuses) = expected(&kinds, &query);
            let listing = listing(&kinds, query.clone());
            prop_assert_eq!(listing.total(), all.len());
            let told: BTreeMap<_, _> = listing.category_counts().map(|(name, n)| (name.to_owned(), n)).collect();
            if query.category.is_none() {
                prop_assert_eq!(told.values().sum::<usize>(), listing.total());
            }
            prop_assert_eq!(told, categories);
            if query.status.is_none() {
                prop_assert_eq!(statuses[0].1 + statuses[1].1, listing.total());
            }
            prop_assert_eq!(listing.status_counts(), statuses);
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
