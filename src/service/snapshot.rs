//! The shared catalog in memory: immutable, swapped as a whole, the same for all accounts.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use serde_json::Value;

use super::search::{Rank, Texts, Vocabulary};
use super::validation::Forms;
use crate::catalog::EntryFile;
use crate::domain::{AuthKind, Entry, EntryState, IntegrationId, Reference};
use crate::error::{Error, Result};
use crate::store::{CatalogRow, Store};

/// One revision of the catalog.
pub struct Snapshot {
    revision: i64,
    /// In the order of every list: category, display name without case, id.
    listed: Vec<Arc<Listed>>,
    by_id: HashMap<IntegrationId, usize>,
    by_name: HashMap<String, usize>,
    /// Each category with its places in `listed`, which is sorted by category first.
    categories: Vec<(String, Range<usize>)>,
    /// Made when first needed, as what follows.
    texts: OnceLock<Texts>,
    vocabulary: OnceLock<Vocabulary>,
    by_name_order: OnceLock<Vec<usize>>,
    by_display_name: OnceLock<Vec<usize>>,
    tagged: OnceLock<HashMap<String, Vec<usize>>>,
    of_kind: OnceLock<HashMap<AuthKind, Vec<usize>>>,
}

/// An entry with what is derived from it once.
pub(super) struct Listed {
    pub(super) entry: Arc<Entry>,
    /// Its place in the order.
    pub(super) sort_key: SortKey,
    forms: OnceLock<Forms>,
}

/// Category, display name in lower case, id.
pub(super) type SortKey = (String, String, IntegrationId);

pub(super) fn sort_key(entry: &Entry) -> SortKey {
    (entry.category.clone(), entry.display_name.to_lowercase(), entry.id)
}

impl Snapshot {
    pub(super) fn new(revision: i64, entries: Vec<Entry>) -> Self {
        Self::of(revision, entries.into_iter().map(|entry| Arc::new(Listed::new(entry))).collect())
    }

    /// The same with these entries in it. A name that both have is theirs; what they hide is still found by its id.
    pub(super) fn merged_with(&self, own: &[Arc<Listed>]) -> Self {
        Self::of(self.revision, self.listed.iter().chain(own).cloned().collect())
    }

    fn of(revision: i64, mut listed: Vec<Arc<Listed>>) -> Self {
        listed.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        let by_id = listed.iter().enumerate().map(|(at, l)| (l.entry.id, at)).collect();
        // An account's own entries come last, so that a name that both have is theirs.
        let mut by_name: HashMap<_, _> = HashMap::with_capacity(listed.len());
        for is_custom in [false, true] {
            let entries = listed.iter().enumerate().filter(|(_, l)| l.entry.is_custom == is_custom);
            by_name.extend(entries.map(|(at, l)| (l.entry.name.clone(), at)));
        }
        let chunks = listed.chunk_by(|a, b| a.entry.category == b.entry.category);
        let categories = chunks
            .scan(0, |start, chunk| {
                let range = *start..*start + chunk.len();
                *start = range.end;
                Some((chunk[0].entry.category.clone(), range))
            })
            .collect();
        Self {
            revision,
            listed,
            by_id,
            by_name,
            categories,
            texts: OnceLock::new(),
            vocabulary: OnceLock::new(),
            by_name_order: OnceLock::new(),
            by_display_name: OnceLock::new(),
            tagged: OnceLock::new(),
            of_kind: OnceLock::new(),
        }
    }

    /// Grows with every change of the catalog.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// True before the catalog was loaded.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The entry that is meant, if there is one.
    pub fn find(&self, reference: &Reference) -> Option<Arc<Entry>> {
        self.find_listed(reference).map(|listed| listed.entry.clone())
    }

    pub(super) fn find_listed(&self, reference: &Reference) -> Option<&Arc<Listed>> {
        let at = match reference {
            Reference::Id(id) => self.by_id.get(id),
            Reference::Name(name) => self.by_name.get(name),
        };
        at.map(|at| &self.listed[*at])
    }

    /// All entries, in the order of every list.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.listed.iter().map(|listed| &listed.entry)
    }

    pub(super) fn listed(&self) -> &[Arc<Listed>] {
        &self.listed
    }

    /// Where the entry stands in the list.
    pub(super) fn place(&self, id: IntegrationId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Where a category's entries stand; nowhere when there is none of that name.
    pub(super) fn places_of(&self, category: &str) -> Range<usize> {
        let found = self.categories.binary_search_by(|(name, _)| name.as_str().cmp(category));
        found.map_or(0..0, |at| self.categories[at].1.clone())
    }

    pub(super) fn categories(&self) -> &[(String, Range<usize>)] {
        &self.categories
    }

    /// The places that this text, which is in lower case, is found at, ascending, each with how well it fits.
    pub(super) fn search(&self, text: &str) -> Vec<(usize, Rank)> {
        let texts = self.texts.get_or_init(|| Texts::of(self.entries().map(Arc::as_ref)));
        let found = texts.having(text);
        if !found.is_empty() {
            return found;
        }
        self.vocabulary.get_or_init(|| Vocabulary::of(texts)).near(text)
    }

    /// All places in the order of names.
    pub(super) fn by_name_order(&self) -> &[usize] {
        self.by_name_order.get_or_init(|| self.sorted_by(|entry| &entry.entry.name))
    }

    /// All places in the order of display names, without case.
    pub(super) fn by_display_name(&self) -> &[usize] {
        self.by_display_name.get_or_init(|| self.sorted_by(|entry| &entry.sort_key.1))
    }

    fn sorted_by<'a>(&'a self, text: impl Fn(&'a Listed) -> &'a str) -> Vec<usize> {
        let mut places: Vec<_> = (0..self.listed.len()).collect();
        places.sort_by_key(|at| (text(&self.listed[*at]), self.listed[*at].entry.id));
        places
    }

    /// The places of what has this tag, ascending.
    pub(super) fn tagged(&self, tag: &str) -> &[usize] {
        let tagged = self.tagged.get_or_init(|| self.gathered(|entry| entry.tags.iter().cloned()));
        tagged.get(tag).map_or(&[], Vec::as_slice)
    }

    /// The places of what can be authenticated to like this, ascending.
    pub(super) fn of_kind(&self, kind: AuthKind) -> &[usize] {
        let of_kind = self.of_kind.get_or_init(|| self.gathered(|entry| entry.auth_kinds.iter().copied()));
        of_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The places of each key that entries have.
    fn gathered<'a, K: Eq + Hash, I: Iterator<Item = K>>(
        &'a self,
        keys: impl Fn(&'a Entry) -> I,
    ) -> HashMap<K, Vec<usize>> {
        let mut gathered: HashMap<K, Vec<usize>> = HashMap::new();
        for (place, listed) in self.listed.iter().enumerate() {
            for key in keys(&listed.entry) {
                let places = gathered.entry(key).or_default();
                // An entry may say a thing twice.
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        gathered
    }
}

impl Listed {
    pub(super) fn new(entry: Entry) -> Self {
        Self { sort_key: sort_key(&entry), forms: OnceLock::new(), entry: Arc::new(entry) }
    }

    /// The rules of the entry's fields.
    pub(super) fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| Forms::new(&self.entry))
    }
}

/// The catalog in force.
pub(super) struct CatalogCache {
    current: ArcSwap<Snapshot>,
}

impl CatalogCache {
    pub(super) async fn load(store: &Store) -> Result<Self> {
        Ok(Self { current: ArcSwap::from_pointee(read(store).await?) })
    }

    pub(super) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub(super) async fn refresh(&self, store: &Store) -> Result<()> {
        let revision = store.system().catalog_revision().await?;
        if revision != self.current().revision() {
            self.current.store(Arc::new(read(store).await?));
            tracing::info!(revision, "catalog changed");
        }
        Ok(())
    }
}

async fn read(store: &Store) -> Result<Snapshot> {
    let (revision, rows) = store.system().catalog().await?;
    let entries = rows.into_iter().filter_map(|row| {
        let name = row.name.clone();
        // One row that an operator broke must not take the catalog of everybody with it.
        entry(row).inspect_err(|cause| tracing::error!(name, cause, "catalog entry left out")).ok()
    });
    let snapshot = Snapshot::new(revision, entries.collect());
    if snapshot.is_empty() {
        return Err(Error::Internal { cause: "the catalog is empty".into() });
    }
    Ok(snapshot)
}

/// The entry of a row.
pub(super) fn entry(row: CatalogRow) -> std::result::Result<Entry, String> {
    let mut definition = row.definition;
    if let Value::Object(definition) = &mut definition {
        // The column is the name that counts.
        definition.insert("name".into(), row.name.into());
    }
    let file: EntryFile = serde_json::from_value(definition).map_err(|e| e.to_string())?;
    if file.display_name.is_empty() || file.category.is_empty() {
        return Err("it lacks a display name or a category".to_owned());
    }
    let state = if row.is_active { EntryState::Active } else { EntryState::Deprecated };
    let entry = file.into_entry(IntegrationId(row.id), state, row.created_at, row.updated_at);
    Ok(Entry { differs_from_default: row.modified_from_default, ..entry })
}
