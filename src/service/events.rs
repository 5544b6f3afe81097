//! Reading the audit log, and letting go of what is old.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::cursor::{self, Binding};
use super::{Services, TenantServices};
use crate::domain::{Cursor, Event, EventFilter, EventId, Reference};
use crate::error::{Error, Result};

/// Events that are deleted with one statement.
const ERASED_AT_ONCE: u64 = 500;

/// A page of an account's events, newest first.
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// Whether older ones follow.
    pub has_next: bool,
    binding: Binding,
}

impl EventPage {
    /// Where this event of the page stands in the list.
    pub fn cursor(&self, event: &Event) -> Cursor {
        self.binding.cursor(event.id.0.as_bytes())
    }
}

impl TenantServices {
    /// The newest events that match, at most `limit`; with a cursor, those after it.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a cursor that does not belong to this account and filter, or a filter that no database
    /// could hold; those of the database.
    pub async fn events(&self, filter: &EventFilter, limit: usize, after: Option<&Cursor>) -> Result<EventPage> {
        refuse_nul(filter)?;
        let binding = Binding::of("events", self.account(), filter);
        let after = after.map(|after| position(&binding, after).ok_or_else(cursor::foreign)).transpose()?;
        // One more tells whether there are more.
        let mut events = self.tenant.events_before(filter, after, limit as u64 + 1).await?;
        let has_next = events.len() > limit;
        events.truncate(limit);
        Ok(EventPage { events, has_next, binding })
    }
}

impl Services {
    /// Deletes the events of all accounts from before this moment, account by account; how many there were. Several
    /// replicas may do it at once.
    ///
    /// # Errors
    /// Those of the database; what was deleted until then stays deleted.
    pub async fn erase_events_before(&self, moment: DateTime<Utc>) -> Result<u64> {
        let (store, first_kept) = (&self.inner.store, EventId::first_at(moment));
        let (mut account, mut erased) = (None, 0);
        while let Some((next, oldest)) = store.system().audited_after(account.as_ref()).await? {
            let tenant = store.tenant(next.clone());
            let mut has_more = oldest < first_kept;
            while has_more {
                let count = tenant.erase_events_before(first_kept, ERASED_AT_ONCE).await?;
                has_more = count == ERASED_AT_ONCE;
                erased += count;
            }
            account = Some(next);
        }
        Ok(erased)
    }
}

fn position(binding: &Binding, after: &Cursor) -> Option<EventId> {
    Uuid::from_slice(&binding.position(after)?).ok().map(EventId)
}

/// PostgreSQL cannot be asked for it.
fn refuse_nul(filter: &EventFilter) -> Result<()> {
    let name = match &filter.integration {
        Some(Reference::Name(name)) => Some(name),
        Some(Reference::Id(_)) | None => None,
    };
    if [name, filter.actor.as_ref()].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Error::bad_input("actor and integration must not contain the NUL character"));
    }
    Ok(())
}
