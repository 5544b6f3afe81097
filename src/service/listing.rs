//! A list under a filter: counts, total, pages. Pure: everything was read before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::snapshot::{Listed, Snapshot, SortKey};
use crate::domain::{AccountId, CatalogFilter, Cursor, Installation, Integration, IntegrationId, Page, Slice, Status};
use crate::error::{Error, Result};

/// Bytes of the digest that binds a cursor to its list.
const BINDING: usize = 8;
/// Bytes of an id in a cursor.
const ID: usize = 16;

/// What matches a filter, for one account.
pub struct Listing {
    snapshot: Arc<Snapshot>,
    installations: HashMap<IntegrationId, Installation>,
    filter: CatalogFilter,
    binding: [u8; BINDING],
}

impl Listing {
    pub(super) fn new(
        account: &AccountId,
        snapshot: Arc<Snapshot>,
        installations: HashMap<IntegrationId, Installation>,
        mut filter: CatalogFilter,
    ) -> Self {
        filter.search = filter.search.map(|text| text.to_lowercase()).filter(|text| !text.is_empty());
        let binding = binding(account, &filter);
        Self { snapshot, installations, filter, binding }
    }

    /// How many match, over all pages.
    pub fn total(&self) -> usize {
        self.matches().count()
    }

    /// How many match in each category, as if no category had been chosen: a sidebar keeps its rows.
    pub fn category_counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for listed in self.snapshot.listed().iter().filter(|l| self.fits_apart_from_category(l)) {
            *counts.entry(listed.entry.category.as_str()).or_default() += 1;
        }
        counts
    }

    /// A part of the list.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a cursor that does not belong to this account and filter.
    pub fn page(&self, page: &Page) -> Result<Slice<Integration>> {
        let (mut window, after, before) = match page {
            Page::All => (self.matches().collect(), None, None),
            Page::First { after, before, .. } | Page::Last { after, before, .. } => {
                self.window(after.as_ref(), before.as_ref())?
            }
        };
        let (cut_front, cut_back) = match *page {
            Page::All => (0, 0),
            Page::First { limit, .. } => (0, window.len().saturating_sub(limit)),
            Page::Last { limit, .. } => (window.len().saturating_sub(limit), 0),
        };
        window.truncate(window.len() - cut_back);
        let shown = &window[cut_front..];
        Ok(Slice {
            has_next: cut_back > 0 || self.matches().any(|l| before.as_ref().is_some_and(|key| l.sort_key >= *key)),
            has_previous: cut_front > 0 || self.matches().any(|l| after.as_ref().is_some_and(|key| l.sort_key <= *key)),
            items: shown.iter().map(|listed| self.integration(listed)).collect(),
            cursors: shown.iter().map(|listed| self.cursor(listed)).collect(),
        })
    }

    fn window(
        &self,
        after: Option<&Cursor>,
        before: Option<&Cursor>,
    ) -> Result<(Vec<&Listed>, Option<SortKey>, Option<SortKey>)> {
        let position = |cursor: Option<&Cursor>| cursor.map(|cursor| self.position(cursor)).transpose();
        let (after, before) = (position(after)?, position(before)?);
        let inside = |listed: &&Listed| {
            after.as_ref().is_none_or(|key| listed.sort_key > *key)
                && before.as_ref().is_none_or(|key| listed.sort_key < *key)
        };
        Ok((self.matches().filter(inside).collect(), after, before))
    }

    fn matches(&self) -> impl Iterator<Item = &Listed> {
        self.snapshot.listed().iter().filter(|listed| {
            self.filter.category.as_ref().is_none_or(|category| listed.entry.category == *category)
                && self.fits_apart_from_category(listed)
        })
    }

    fn fits_apart_from_category(&self, listed: &Listed) -> bool {
        self.filter.status.is_none_or(|status| self.status(listed) == status)
            && self.filter.search.as_ref().is_none_or(|needle| listed.mentions(needle))
    }

    fn status(&self, listed: &Listed) -> Status {
        let installed = self.installations.get(&listed.entry.id).is_some_and(|i| i.installed_at.is_some());
        if installed { Status::Installed } else { Status::Available }
    }

    fn integration(&self, listed: &Listed) -> Integration {
        Integration { entry: listed.entry.clone(), installation: self.installations.get(&listed.entry.id).cloned() }
    }

    fn cursor(&self, listed: &Listed) -> Cursor {
        let (category, name, id) = &listed.sort_key;
        let mut bytes = Vec::with_capacity(BINDING + ID + category.len() + name.len() + 1);
        bytes.extend_from_slice(&self.binding);
        bytes.extend_from_slice(id.0.as_bytes());
        bytes.extend_from_slice(category.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(name.as_bytes());
        Cursor(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn position(&self, cursor: &Cursor) -> Result<SortKey> {
        self.decode(cursor).ok_or_else(|| {
            Error::bad_input(
                "The cursor does not belong to this list: start again without one, or keep account and filters",
            )
        })
    }

    fn decode(&self, Cursor(text): &Cursor) -> Option<SortKey> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (binding, rest) = bytes.split_at_checked(BINDING)?;
        let (id, key) = rest.split_at_checked(ID)?;
        let (category, name) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        let id = uuid::Uuid::from_slice(id).ok()?;
        (binding == self.binding).then(|| (category.to_owned(), name.to_owned(), IntegrationId(id)))
    }
}

/// A digest of account, order and filters: a cursor of another list is told apart, which keeps no secret but prevents
/// pages that silently skip entries.
fn binding(account: &AccountId, filter: &CatalogFilter) -> [u8; BINDING] {
    let parts = format!("category,display_name,id\0{account}\0{filter:?}");
    let digest = Sha256::digest(parts);
    let mut binding = [0; BINDING];
    binding.copy_from_slice(&digest[..BINDING]);
    binding
}
