//! Finding and paging: filters, cursors, slices.

use super::entry::AuthKind;
use super::integration::Status;
use super::search_text::SearchText;
use super::words::words;

/// What of the catalog is wanted, and in which order. What is not given matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogQuery {
    /// Exactly this category; one that does not exist matches nothing.
    pub category: Option<String>,
    /// Only this status.
    pub status: Option<Status>,
    /// Part of name, display name, description or tag, without case and diacritics; when nothing in the catalog has it,
    /// entries with words within a letter of its words.
    pub search: Option<SearchText>,
    /// Only what has exactly this tag; one that nobody has matches nothing.
    pub tag: Option<String>,
    /// Only what can be authenticated to like this.
    pub auth_kind: Option<AuthKind>,
    /// The order of the list.
    pub order: CatalogOrder,
}

words! {
    /// Orders of the catalog. Each ends with the display name, without case, and the id, so that no two places are equal.
    #[derive(Default)]
    CatalogOrder {
        /// By category.
        #[default]
        Category = "category",
        /// By name.
        Name = "name",
        /// By display name.
        DisplayName = "display_name",
        /// What was installed last comes first, what is not installed last.
        InstalledAt = "installed_at",
        /// What a search means most likely comes first; without a search, by display name.
        Relevance = "relevance",
    }
}

/// A position in a list: the sort key of an item, bound to the list it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Everything.
    All,
    /// The first `limit` between the two cursors.
    First {
        /// How many, from 1.
        limit: usize,
        /// Only what comes after.
        after: Option<Cursor>,
        /// Only what comes before.
        before: Option<Cursor>,
    },
    /// The last `limit` between the two cursors.
    Last {
        /// How many, from 1.
        limit: usize,
        /// Only what comes after.
        after: Option<Cursor>,
        /// Only what comes before.
        before: Option<Cursor>,
    },
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Whether more follows.
    pub has_next: bool,
    /// Whether more precedes.
    pub has_previous: bool,
}
