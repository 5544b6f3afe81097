//! The audit log.

use async_graphql::connection::PageInfo;
use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::{DateTime, IntegrationRef};
use crate::domain::event::Outcome;
use crate::domain::{self, Action, ActorKind, Cursor, EventFilter};
use crate::service::EventPage;

/// Which events are wanted. What is absent matches all.
#[derive(Default, InputObject)]
pub(in crate::graphql) struct AuditEventFilter {
    /// Only this.
    action: Option<AuditAction>,
    /// Only of this integration. A name matches what it was called at the time.
    integration: Option<IntegrationRef>,
    /// Only of actors of this kind, such as `api_key`, or with this id.
    actor: Option<String>,
    /// Only what ended so.
    outcome: Option<AuditOutcome>,
    /// Not before this moment.
    since: Option<DateTime>,
    /// Before this moment.
    until: Option<DateTime>,
}

impl From<AuditEventFilter> for EventFilter {
    fn from(filter: AuditEventFilter) -> Self {
        Self {
            action: filter.action.map(Into::into),
            integration: filter.integration.map(Into::into),
            actor: filter.actor,
            outcome: filter.outcome.map(Into::into),
            since: filter.since.map(|DateTime(moment)| moment),
            until: filter.until.map(|DateTime(moment)| moment),
        }
    }
}

/// What is on record.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Action")]
pub(in crate::graphql) enum AuditAction {
    /// An integration that was not installed is.
    #[graphql(name = "INSTALLATION_INSTALLED")]
    Installed,
    /// Params or secrets of an installed integration were supplied anew.
    #[graphql(name = "INSTALLATION_UPDATED")]
    Updated,
    /// An installed integration is not any more; what it stored is kept.
    #[graphql(name = "INSTALLATION_UNINSTALLED")]
    Uninstalled,
    /// What an installation stored was deleted.
    #[graphql(name = "INSTALLATION_PURGED")]
    Purged,
    /// Secret values were handed out.
    SecretsRead,
    /// The data key of the account was replaced by a new one.
    DataKeyRotated,
    /// The account's data keys were destroyed, and what it stored was deleted.
    AccountShredded,
    /// Data keys were wrapped anew with the current provider key.
    ProviderKeyRewrapped,
    /// A provider key was forgotten.
    ProviderKeyRetired,
    /// An entry was added: to the account's own part of the catalog or, in the operator's log, to the shared one.
    IntegrationCreated,
    /// Such an entry was changed, or is offered again.
    IntegrationUpdated,
    /// Such an entry is not offered any more.
    IntegrationDeprecated,
    /// Such an entry was deleted, and what was stored for it.
    IntegrationDeleted,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was revoked.
    ApiKeyRevoked,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Outcome")]
pub(in crate::graphql) enum AuditOutcome {
    /// It was done.
    Succeeded,
    /// It was allowed and tried, and failed.
    Failed,
}

/// On whose word something was done.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "ActorKind", remote = "ActorKind")]
pub(in crate::graphql) enum AuditActorKind {
    /// Nobody was asked for proof.
    Anonymous,
    /// The gateway in front vouched for the request.
    Gateway,
    /// An API key.
    ApiKey,
    /// A token of an identity provider.
    Token,
    /// A person at the server's command line.
    Operator,
    /// The server itself.
    System,
}

/// Who did something.
#[derive(SimpleObject)]
pub(in crate::graphql) struct Actor<'a> {
    /// On whose word.
    kind: AuditActorKind,
    /// Which one of that kind; empty when there is only one.
    id: &'a str,
    /// What people call it; may be empty.
    label: &'a str,
}

/// One event of the audit log. Names of what was changed or read, never a value.
pub(in crate::graphql) struct AuditEvent<'a>(&'a domain::Event);

/// One event of the audit log. Names of what was changed or read, never a value.
#[Object]
impl<'a> AuditEvent<'a> {
    /// Larger for each later event.
    async fn id(&self) -> ID {
        ID(self.0.id.0.to_string())
    }

    /// When it happened.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at())
    }

    /// Who did it.
    async fn actor(&self) -> Actor<'a> {
        let domain::Actor { kind, id, label } = &self.0.actor;
        Actor { kind: (*kind).into(), id, label }
    }

    /// What was done.
    async fn action(&self) -> AuditAction {
        self.0.action.into()
    }

    /// The integration's id, if it was done to one.
    async fn integration_id(&self) -> Option<ID> {
        self.0.integration.as_ref().map(|subject| ID(subject.id.to_string()))
    }

    /// The integration's name at that time.
    async fn integration_name(&self) -> Option<&'a str> {
        self.0.integration.as_ref().map(|subject| subject.name.as_str())
    }

    /// The names that were changed or read, `secrets.api_key` or `params.region` style; at most 200 and 4 KiB.
    async fn fields(&self) -> &'a [String] {
        self.0.fields.as_slice()
    }

    /// How many further names were changed or read.
    async fn fields_omitted(&self) -> usize {
        self.0.fields.omitted()
    }

    /// How it ended.
    async fn outcome(&self) -> AuditOutcome {
        self.0.outcome.into()
    }

    /// The `X-Request-Id` of the request.
    async fn request_id(&self) -> &'a str {
        &self.0.request_id
    }
}

/// One event of a page.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AuditEventEdge<'a> {
    /// Where it stands in the list.
    cursor: String,
    /// The event.
    node: AuditEvent<'a>,
}

/// A page of the audit log, newest first.
pub(in crate::graphql) struct AuditEventConnection {
    pub(in crate::graphql) page: EventPage,
    pub(in crate::graphql) is_first: bool,
}

/// A page of the audit log, newest first.
#[Object]
impl AuditEventConnection {
    /// The page, each with its cursor.
    async fn edges(&self) -> Vec<AuditEventEdge<'_>> {
        self.page
            .events
            .iter()
            .map(|event| AuditEventEdge { cursor: self.cursor(event), node: AuditEvent(event) })
            .collect()
    }

    /// The page.
    async fn nodes(&self) -> Vec<AuditEvent<'_>> {
        self.page.events.iter().map(AuditEvent).collect()
    }

    /// Where the page stands in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.page.has_next,
            start_cursor: self.page.events.first().map(|event| self.cursor(event)),
            end_cursor: self.page.events.last().map(|event| self.cursor(event)),
        }
    }
}

impl AuditEventConnection {
    fn cursor(&self, event: &domain::Event) -> String {
        let Cursor(text) = self.page.cursor(event);
        text
    }
}
