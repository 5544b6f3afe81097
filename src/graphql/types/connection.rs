//! Lists, as Relay's cursor connections with `nodes` beside `edges`.

use async_graphql::connection::PageInfo;
use async_graphql::{Object, SimpleObject};

use super::Integration;
use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::domain::{self, Cursor, Page, Slice};
use crate::error::{Error, Result};
use crate::service::Listing;

/// A page of integrations, and what can be told of the whole list.
pub(in crate::graphql) struct IntegrationConnection {
    listing: Listing,
    slice: Slice<domain::Integration>,
}

/// One integration of a page.
#[derive(SimpleObject)]
pub(in crate::graphql) struct IntegrationEdge {
    /// Where it stands in the list.
    cursor: String,
    /// The integration.
    node: Integration,
}

/// How many integrations a category has.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CategoryCount {
    /// One of 24 categories.
    category: String,
    /// At least 1: categories without any are left out.
    count: usize,
}

impl IntegrationConnection {
    /// # Errors
    /// Bad input for a cursor of another list.
    pub(in crate::graphql) fn new(listing: Listing, page: &Page) -> Result<Self> {
        Ok(Self { slice: listing.page(page)?, listing })
    }
}

/// A page of integrations, and what can be told of the whole list.
#[Object]
impl IntegrationConnection {
    /// The page, each with its cursor.
    async fn edges(&self) -> Vec<IntegrationEdge> {
        let edge = |item: &domain::Integration| IntegrationEdge {
            cursor: self.listing.cursor(item).0,
            node: Integration(item.clone()),
        };
        self.slice.items.iter().map(edge).collect()
    }

    /// The page.
    async fn nodes(&self) -> Vec<Integration> {
        self.slice.items.iter().cloned().map(Integration).collect()
    }

    /// Where the page stands in the list.
    async fn page_info(&self) -> PageInfo {
        let cursor = |item: &domain::Integration| self.listing.cursor(item).0;
        PageInfo {
            has_previous_page: self.slice.has_previous,
            has_next_page: self.slice.has_next,
            start_cursor: self.slice.items.first().map(cursor),
            end_cursor: self.slice.items.last().map(cursor),
        }
    }

    /// All matches, not only this page.
    async fn total_count(&self) -> usize {
        self.listing.total()
    }

    /// Matches in each category as if `category` had not been given, so that a sidebar keeps its rows.
    async fn category_counts(&self) -> Vec<CategoryCount> {
        let counts = self.listing.category_counts();
        counts.map(|(category, count)| CategoryCount { category: category.to_owned(), count }).collect()
    }
}

/// The arguments of a connection.
pub(in crate::graphql) struct PageArguments {
    pub(in crate::graphql) first: Option<i32>,
    pub(in crate::graphql) after: Option<String>,
    pub(in crate::graphql) last: Option<i32>,
    pub(in crate::graphql) before: Option<String>,
}

impl PageArguments {
    /// # Errors
    /// Bad input when a size is out of range, or both are given.
    pub(in crate::graphql) fn page(self) -> Result<Page> {
        let (after, before) = (self.after.map(Cursor), self.before.map(Cursor));
        match (self.first, self.last) {
            (Some(_), Some(_)) => Err(Error::bad_input("Give either first or last")),
            (None, Some(last)) => Ok(Page::Last { limit: size("last", last)?, after, before }),
            (Some(first), None) => Ok(Page::First { limit: size("first", first)?, after, before }),
            (None, None) => Ok(Page::First { limit: PAGE_DEFAULT, after, before }),
        }
    }
}

fn size(name: &str, size: i32) -> Result<usize> {
    let fits = usize::try_from(size).ok().filter(|size| (1..=PAGE_MAX).contains(size));
    fits.ok_or_else(|| Error::bad_input(format!("{name} must be from 1 to {PAGE_MAX}")))
}
