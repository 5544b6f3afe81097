//! The audit log.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{RestState, query, request_schemas, respond};
use crate::domain::event::Outcome;
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::{self, Action, Cursor, EventFilter, Operation, Reference};
use crate::edge::{Failure, Visitor};
use crate::error::{Error, Result};

/// List events
///
/// The account's audit log, newest first: each change of an installation and of an API key, and each reading of secrets,
/// with the names that it was about, never a value. An event is written together with what it tells of.
#[utoipa::path(get, path = "/events", tag = "audit", operation_id = "listEvents",
    params(EventQuery),
    responses(
        (status = 200, description = "A page of the log", body = EventList,
         headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account, or a malformed parameter"),
    ))]
pub(super) async fn list(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    uri: Uri,
) -> std::result::Result<Response, Failure> {
    let tenant = state.edge.enter(&visitor, Operation::ListEvents)?;
    let asked: EventQuery = query::read(&uri)?;
    let limit = query::limit(asked.limit.as_deref())?.unwrap_or(PAGE_DEFAULT);
    let after = asked.cursor.clone().map(Cursor);
    let page = tenant.events(&asked.filter()?, limit, after.as_ref()).await?;
    let next = page.events.last().filter(|_| page.has_next).map(|last| page.cursor(last));
    let next_cursor = next.as_ref().map(|Cursor(text)| text.as_str());
    let list = EventList { events: page.events.iter().map(Event::from).collect(), next_cursor };
    let mut response = respond::cached(&headers, &list)?;
    if let Some(cursor) = next {
        query::link_next(&mut response, &uri, &cursor)?;
    }
    Ok(response)
}

/// Filters and paging of the audit log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only this action, such as `installation.installed`.
    #[param(schema_with = request_schemas::action)]
    action: Option<String>,
    /// Only of this integration, by UUID or by the name it had at the time.
    integration: Option<String>,
    /// Only of actors of this kind, such as `api_key`, or with this id.
    actor: Option<String>,
    /// Only events with this outcome.
    #[param(schema_with = request_schemas::outcome)]
    outcome: Option<String>,
    /// Not before this moment (RFC 3339).
    #[param(value_type = Option<DateTime<Utc>>)]
    since: Option<String>,
    /// Before this moment (RFC 3339).
    #[param(value_type = Option<DateTime<Utc>>)]
    until: Option<String>,
    /// Page size, 50 when absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// Continues after the page that had this as `next_cursor`.
    #[param(schema_with = request_schemas::cursor)]
    cursor: Option<String>,
}

impl EventQuery {
    /// # Errors
    /// [`Error::BadInput`] naming the parameter and what it may be.
    fn filter(self) -> Result<EventFilter> {
        Ok(EventFilter {
            action: query::word("action", self.action.as_deref(), Action::ALL, Action::as_str)?,
            integration: self.integration.map(|text| Reference::parse(&text)),
            actor: self.actor,
            outcome: query::word("outcome", self.outcome.as_deref(), Outcome::ALL, Outcome::as_str)?,
            since: moment("since", self.since)?,
            until: moment("until", self.until)?,
        })
    }
}

fn moment(name: &str, text: Option<String>) -> Result<Option<DateTime<Utc>>> {
    let Some(text) = text else { return Ok(None) };
    // A + in a query string is a space.
    let hint = if text.contains(' ') { "; in a query string + is written %2B" } else { "" };
    let parsed = DateTime::parse_from_rfc3339(&text).map(|moment| Some(moment.to_utc()));
    parsed.map_err(|_| Error::bad_input(format!("{name} must be a moment like 2026-11-24T12:00:00Z{hint}")))
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct EventList<'a> {
    /// Newest first.
    events: Vec<Event<'a>>,
    /// For the next page; null on the last.
    next_cursor: Option<&'a str>,
}

/// One event of the audit log.
#[derive(Serialize, ToSchema)]
pub struct Event<'a> {
    /// Larger for each later event.
    id: Uuid,
    /// When it happened.
    at: DateTime<Utc>,
    actor: Actor<'a>,
    /// What was done.
    #[schema(example = "installation.installed")]
    action: &'a str,
    /// The integration, if it was done to one.
    integration_id: Option<Uuid>,
    /// The integration's name at that time.
    #[schema(example = "stripe")]
    integration_name: Option<&'a str>,
    /// The names that were changed or read, at most 200 and 4 KiB; never a value.
    #[schema(example = json!(["secrets.api_key", "params.api_version"]))]
    fields: &'a [String],
    /// How many further names were changed or read.
    #[schema(value_type = u64, example = 0)]
    fields_omitted: usize,
    /// `succeeded` or `failed`.
    #[schema(example = "succeeded")]
    outcome: &'a str,
    /// The `X-Request-Id` of the request.
    request_id: &'a str,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
struct Actor<'a> {
    /// `anonymous`, `gateway`, `api_key`, `token`, `operator` or `system`.
    #[schema(example = "api_key")]
    kind: &'a str,
    /// Which one of that kind; empty when there is only one.
    id: &'a str,
    /// What people call it; may be empty.
    label: &'a str,
}

impl<'a> From<&'a domain::Event> for Event<'a> {
    fn from(event: &'a domain::Event) -> Self {
        let subject = event.integration.as_ref();
        Self {
            id: event.id.0,
            at: event.at(),
            actor: Actor { kind: event.actor.kind.as_str(), id: &event.actor.id, label: &event.actor.label },
            action: event.action.as_str(),
            integration_id: subject.map(|subject| subject.id.0),
            integration_name: subject.map(|subject| subject.name.as_str()),
            fields: event.fields.as_slice(),
            fields_omitted: event.fields.omitted(),
            outcome: event.outcome.as_str(),
            request_id: &event.request_id,
        }
    }
}
