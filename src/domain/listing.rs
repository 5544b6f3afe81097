//! Finding and paging: filters, cursors, slices.

use super::integration::Status;

/// What a list is narrowed to. Empty filters match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogFilter {
    /// Exactly this category; one that does not exist matches nothing.
    pub category: Option<String>,
    /// Only this status.
    pub status: Option<Status>,
    /// Case-insensitive part of name, display name, description or tag.
    pub search: Option<String>,
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
