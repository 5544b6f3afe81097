//! The query string of a list.

use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::fragments::Detail;
use super::{PREFIX, request_schemas};
use crate::domain::integration::Status;
use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::domain::{AuthKind, CatalogOrder, CatalogQuery, Cursor, Page, SearchText};
use crate::error::{Error, Result};

/// Filters and paging of a list.
///
/// The reference at `/docs` fills its form with the examples: together they must ask for something that is there.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only this category. One that does not exist matches nothing.
    #[param(example = "payments")]
    category: Option<String>,
    /// Only integrations with this status.
    #[param(value_type = Option<super::body::Status>)]
    status: Option<String>,
    /// Part of the name, display name, description or a tag, such as `stripe`, at most 200 characters and 8 words. Case,
    /// diacritics and compatibility forms such as full-width letters make no difference. When nothing in the catalog has
    /// it, entries with words within a letter of its words are found.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Only what has exactly this tag. One that nobody has matches nothing.
    tag: Option<String>,
    /// Only what can be authenticated to like this.
    #[param(value_type = Option<super::body::AuthKind>)]
    auth_kind: Option<String>,
    /// The order of the list; `category` when not given. Each is followed by display name, without case, and id.
    #[param(value_type = Option<super::body::Order>)]
    order: Option<String>,
    /// Page size. Without `limit` and `cursor` the whole list is answered; with `include=schemas` up to 4 MiB of it, beyond
    /// which the request is a 400 that asks for `limit`.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// Continues after the page that had this as `next_cursor`. Without `limit` the page size is 50.
    #[param(schema_with = request_schemas::cursor)]
    cursor: Option<String>,
    /// `schemas` adds `params_schema`, `secrets_schema` and `fields` to each integration.
    #[param(value_type = Option<Include>)]
    include: Option<String>,
}

/// What can be added to the items of a list.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes the parameter in the document")]
pub(super) enum Include {
    /// `params_schema`, `secrets_schema` and `fields`.
    Schemas,
}

/// A list that was asked for.
pub(super) struct Wanted {
    pub(super) query: CatalogQuery,
    pub(super) page: Page,
    pub(super) detail: Detail,
}

/// Longest name of an unknown parameter that an error repeats, in bytes.
const MAX_SHOWN_NAME_LEN: usize = 64;

/// Reads the query string. `T` denies unknown fields.
///
/// # Errors
/// [`Error::UnknownParameter`]; [`Error::BadInput`] when a parameter is malformed or stands twice.
pub(super) fn read<T: DeserializeOwned + IntoParams>(uri: &Uri) -> Result<T> {
    let query = uri.query().unwrap_or_default();
    serde_urlencoded::from_str(query).map_err(|_| {
        let known: Vec<_> = T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect();
        let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
        match names.find(|name| !known.iter().any(|known| known == name)) {
            Some(name) => Error::UnknownParameter { name: is_showable(&name).then(|| name.into_owned()), known },
            None => Error::bad_input("A query parameter is malformed or stands twice"),
        }
    })
}

fn is_showable(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    !name.is_empty() && name.len() <= MAX_SHOWN_NAME_LEN && name.bytes().all(is_plain)
}

/// The size of a page, if it is given.
///
/// # Errors
/// [`Error::BadInput`] when it is out of range.
pub(super) fn limit(text: Option<&str>) -> Result<Option<usize>> {
    match text.map(str::parse) {
        None => Ok(None),
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => Ok(Some(limit)),
        Some(_) => Err(Error::bad_input(format!("limit must be a number from 1 to {PAGE_MAX}"))),
    }
}

impl ListQuery {
    /// # Errors
    /// [`Error::BadInput`] naming the parameter and what it may be.
    pub(super) fn parse(mut self) -> Result<Wanted> {
        let detail = match self.include.as_deref() {
            None | Some("") => Detail::Summary,
            Some("schemas") => Detail::Schemas,
            Some(_) => return Err(Error::bad_input("include must be schemas")),
        };
        let status = match self.status.as_deref() {
            None => None,
            Some("available") => Some(Status::Available),
            Some("installed") => Some(Status::Installed),
            Some(_) => return Err(Error::bad_input("status must be available or installed")),
        };
        let page = match (limit(self.limit.as_deref())?, self.cursor.take()) {
            (None, None) => Page::All,
            (limit, cursor) => {
                Page::First { limit: limit.unwrap_or(PAGE_DEFAULT), after: cursor.map(Cursor), before: None }
            }
        };
        let auth_kind = word("auth_kind", self.auth_kind.as_deref(), AuthKind::ALL, AuthKind::as_str)?;
        let order = word("order", self.order.as_deref(), CatalogOrder::ALL, CatalogOrder::as_str)?.unwrap_or_default();
        let Self { category, search, tag, .. } = self;
        let search = search.map_or(Ok(None), |text| SearchText::parse(&text))?;
        Ok(Wanted { query: CatalogQuery { category, status, search, tag, auth_kind, order }, page, detail })
    }
}

/// What this text is the word for, if it is given.
///
/// # Errors
/// [`Error::BadInput`] when it is the word for nothing.
pub(super) fn word<T: Copy>(
    name: &str,
    text: Option<&str>,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<Option<T>> {
    let Some(text) = text else { return Ok(None) };
    let found = all.iter().copied().find(|one| as_str(*one) == text);
    let words = || all.iter().map(|one| as_str(*one)).collect::<Vec<_>>().join(", ");
    found.map(Some).ok_or_else(|| Error::bad_input(format!("{name} must be one of {}", words())))
}

/// Adds a link to the same request for the page after this cursor. A handler sees its address without the prefix it is
/// nested under.
pub(super) fn link_next(response: &mut Response, uri: &Uri, Cursor(cursor): &Cursor) -> Result<()> {
    let kept = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter(|(name, _)| name != "cursor");
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("cursor", cursor).finish();
    let link = format!("<{PREFIX}{}?{query}>; rel=\"next\"", uri.path());
    let link = HeaderValue::from_str(&link).map_err(|e| Error::Internal { cause: e.to_string() })?;
    response.headers_mut().insert(header::LINK, link);
    Ok(())
}
