//! Lists, as Relay's cursor connections with `nodes` beside `edges`.

use async_graphql::connection::PageInfo;
use async_graphql::{Object, SimpleObject};

use super::{Integration, IntegrationStatus};
use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::domain::{Cursor, Page, Slice};
use crate::error::{Error, Result};
use crate::graphql::plan::{AtHand, Plan, Writer, now};
use crate::service::Listing;

/// A page of integrations, and what can be told of the whole list.
pub(in crate::graphql) struct IntegrationConnection {
    listing: Listing,
    slice: Slice<Integration>,
}

/// One integration of a page.
pub(in crate::graphql) struct IntegrationEdge<'a> {
    listing: &'a Listing,
    node: &'a Integration,
}

/// One integration of a page.
#[Object]
impl<'a> IntegrationEdge<'a> {
    /// Where it stands in the list.
    async fn cursor(&self) -> String {
        cursor(self.listing, self.node)
    }

    /// The integration.
    async fn node(&self) -> &Integration {
        self.node
    }
}

fn cursor(listing: &Listing, Integration(integration): &Integration) -> String {
    let Cursor(text) = listing.cursor(integration);
    text
}

/// How many integrations a category has.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CategoryCount<'a> {
    /// One of 24 categories.
    category: &'a str,
    /// At least 1: categories without any are left out.
    count: usize,
}

/// How many integrations have a status.
#[derive(SimpleObject)]
pub(in crate::graphql) struct StatusCount {
    /// The status.
    status: IntegrationStatus,
    /// Also when there are none.
    count: usize,
}

impl IntegrationConnection {
    /// # Errors
    /// Bad input for a cursor of another list.
    pub(in crate::graphql) fn new(listing: Listing, page: &Page) -> Result<Self> {
        let Slice { items, has_next, has_previous } = listing.page(page)?;
        let items = items.into_iter().map(Integration).collect();
        Ok(Self { slice: Slice { items, has_next, has_previous }, listing })
    }
}

/// A page of integrations, and what can be told of the whole list.
#[Object]
impl IntegrationConnection {
    /// The page, each with its cursor.
    async fn edges(&self) -> Vec<IntegrationEdge<'_>> {
        self.slice.items.iter().map(|node| IntegrationEdge { listing: &self.listing, node }).collect()
    }

    /// The page.
    async fn nodes(&self) -> &[Integration] {
        &self.slice.items
    }

    /// Where the page stands in the list.
    async fn page_info(&self) -> PageInfo {
        let cursor = |node| cursor(&self.listing, node);
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
    async fn category_counts(&self) -> Vec<CategoryCount<'_>> {
        let counts = self.listing.category_counts();
        counts.map(|(category, count)| CategoryCount { category, count }).collect()
    }

    /// Matches with each status as if `status` had not been given.
    async fn status_counts(&self) -> Vec<StatusCount> {
        let counts = self.listing.status_counts();
        counts.into_iter().map(|(status, count)| StatusCount { status: status.into(), count }).collect()
    }
}

impl AtHand for IntegrationConnection {
    fn write(&self, field: &str, below: &Plan, to: &mut Writer<'_>) {
        let ctx = to.context;
        match field {
            "edges" => to.list(&now(self.edges(ctx)), below),
            "nodes" => to.list(now(self.nodes(ctx)), below),
            "pageInfo" => to.object(&now(self.page_info(ctx)), below),
            "totalCount" => to.leaf(&now(self.total_count(ctx))),
            "categoryCounts" => to.list(&now(self.category_counts(ctx)), below),
            "statusCounts" => to.list(&now(self.status_counts(ctx)), below),
            _ => to.leaf(&()),
        }
    }
}

impl AtHand for IntegrationEdge<'_> {
    fn write(&self, field: &str, below: &Plan, to: &mut Writer<'_>) {
        let ctx = to.context;
        match field {
            "cursor" => to.leaf(&now(self.cursor(ctx))),
            "node" => to.object(now(self.node(ctx)), below),
            _ => to.leaf(&()),
        }
    }
}

impl AtHand for CategoryCount<'_> {
    fn write(&self, field: &str, _: &Plan, to: &mut Writer<'_>) {
        match field {
            "category" => to.leaf(&self.category),
            "count" => to.leaf(&self.count),
            _ => to.leaf(&()),
        }
    }
}

impl AtHand for StatusCount {
    fn write(&self, field: &str, _: &Plan, to: &mut Writer<'_>) {
        match field {
            "status" => to.leaf(&self.status),
            "count" => to.leaf(&self.count),
            _ => to.leaf(&()),
        }
    }
}

impl AtHand for PageInfo {
    fn write(&self, field: &str, _: &Plan, to: &mut Writer<'_>) {
        match field {
            "hasPreviousPage" => to.leaf(&self.has_previous_page),
            "hasNextPage" => to.leaf(&self.has_next_page),
            "startCursor" => to.leaf(&self.start_cursor),
            "endCursor" => to.leaf(&self.end_cursor),
            _ => to.leaf(&()),
        }
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

/// How many a list that goes forward is asked for.
///
/// # Errors
/// Bad input when it is out of range.
pub(in crate::graphql) fn first_of(first: Option<i32>) -> Result<usize> {
    first.map_or(Ok(PAGE_DEFAULT), |first| size("first", first))
}

fn size(name: &str, size: i32) -> Result<usize> {
    let fits = usize::try_from(size).ok().filter(|size| (1..=PAGE_MAX).contains(size));
    fits.ok_or_else(|| Error::bad_input(format!("{name} must be from 1 to {PAGE_MAX}")))
}
