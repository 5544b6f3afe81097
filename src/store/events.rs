//! The account's audit log. Events are added, and deleted when they are old; there is no way to change one.

use ::entity::audit_event::{ActiveModel, Column, Entity, Model};
use sea_orm::prelude::Uuid;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set, Value,
};

use super::TenantStore;
use super::failure::{self, Failed};
use crate::domain::event::{Outcome, Subject};
use crate::domain::{Action, Actor, ActorKind, Event, EventFilter, EventId, FieldNames, IntegrationId, Reference};
use crate::error::Result;

/// The oldest events, so many at a time: a long lock would keep installs waiting.
const ERASE: &str = r#"DELETE FROM "audit_events" WHERE "account_id" = $1 AND "id" IN (
    SELECT "id" FROM "audit_events" WHERE "account_id" = $1 AND "id" < $2 ORDER BY "id" LIMIT $3
) RETURNING 1"#;

impl TenantStore {
    /// Adds an event that no change goes with.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record(&self, event: Event) -> Result<()> {
        match &self.store.writer {
            Some(writer) => writer.record(self.clone(), event).await,
            None => Ok(self.insert_event(&event, &self.store.write).await?),
        }
    }

    /// Adds an event where it belongs: in the transaction of what it tells of.
    pub(super) async fn insert_event(
        &self,
        event: &Event,
        on: &impl ConnectionTrait,
    ) -> std::result::Result<(), DbErr> {
        self.insert(row(event)).exec_without_returning(on).await.map(drop)
    }

    /// The newest events that match, before this one if it is given; newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn events_before(&self, filter: &EventFilter, id: Option<EventId>, limit: u64) -> Result<Vec<Event>> {
        let events = self.matching(filter).order_by_desc(Column::Id).limit(limit);
        self.read_events(match id {
            Some(EventId(id)) => events.filter(Column::Id.lt(id)),
            None => events,
        })
        .await
    }

    /// The oldest events that match, after this one if it is given; oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn events_after(&self, filter: &EventFilter, id: Option<EventId>, limit: u64) -> Result<Vec<Event>> {
        let events = self.matching(filter).order_by_asc(Column::Id).limit(limit);
        self.read_events(match id {
            Some(EventId(id)) => events.filter(Column::Id.gt(id)),
            None => events,
        })
        .await
    }

    /// Deletes the oldest events before this one, at most so many; how many there were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn erase_events_before(&self, EventId(id): EventId, most: u64) -> Result<u64> {
        // Replicas that erase the same rows at once may be told by PostgreSQL to try again.
        let erase = async || {
            let erased = self.query(&self.store.write, ERASE, [id.into(), most.into()]).await?;
            Ok::<_, Failed>(erased.len() as u64)
        };
        failure::until_won(erase).await
    }

    fn matching(&self, filter: &EventFilter) -> Select<Entity> {
        let EventFilter { action, integration, actor, outcome, since, until } = filter;
        let integration = integration.as_ref().map(|reference| match reference {
            Reference::Id(IntegrationId(id)) => Column::IntegrationId.eq(*id),
            Reference::Name(name) => Column::IntegrationName.eq(name),
        });
        let actor = actor.as_ref().map(|actor| Column::ActorKind.eq(actor).or(Column::ActorId.eq(actor)));
        let conditions = [
            action.map(|action| Column::Action.eq(action.as_str())),
            integration,
            actor,
            outcome.map(|outcome| Column::Outcome.eq(outcome.as_str())),
            since.map(|since| Column::Id.gte(EventId::first_at(since).0)),
            until.map(|until| Column::Id.lt(EventId::first_at(until).0)),
        ];
        let all = conditions.into_iter().flatten().fold(Condition::all(), Condition::add);
        self.select::<Entity>().filter(all)
    }

    async fn read_events(&self, events: Select<Entity>) -> Result<Vec<Event>> {
        let rows = events.all(&self.store.read).await?;
        Ok(rows.into_iter().map(read).collect::<std::result::Result<_, _>>()?)
    }
}

/// The event as a row; its account is added by the handle that writes it.
pub(super) fn row(event: &Event) -> ActiveModel {
    ActiveModel {
        id: Set(event.id.0),
        at: Set(event.at()),
        actor_kind: Set(event.actor.kind.as_str().to_owned()),
        actor_id: Set(event.actor.id.clone()),
        actor_label: Set(event.actor.label.clone()),
        action: Set(event.action.as_str().to_owned()),
        integration_id: Set(event.integration.as_ref().map(|subject| subject.id.0)),
        integration_name: Set(event.integration.as_ref().map_or_else(String::new, |subject| subject.name.clone())),
        fields: Set(event.fields.to_stored().into()),
        outcome: Set(event.outcome.as_str().to_owned()),
        request_id: Set(event.request_id.clone()),
        ..Default::default()
    }
}

/// The same for a statement written out by hand, in the order of the columns.
pub(super) fn values(event: &Event) -> [Value; 11] {
    let subject = event.integration.as_ref();
    [
        event.id.0.into(),
        event.at().into(),
        event.actor.kind.as_str().into(),
        event.actor.id.as_str().into(),
        event.actor.label.as_str().into(),
        event.action.as_str().into(),
        subject.map(|subject| subject.id.0).into(),
        subject.map_or("", |subject| subject.name.as_str()).into(),
        serde_json::Value::from(event.fields.to_stored()).into(),
        event.outcome.as_str().into(),
        event.request_id.as_str().into(),
    ]
}

fn read(row: Model) -> std::result::Result<Event, DbErr> {
    let subject = |id: Uuid| Subject { id: IntegrationId(id), name: row.integration_name.clone() };
    Ok(Event {
        id: EventId(row.id),
        actor: Actor {
            kind: ActorKind::parse(&row.actor_kind).ok_or_else(|| broken("actor_kind"))?,
            id: row.actor_id,
            label: row.actor_label,
        },
        action: Action::parse(&row.action).ok_or_else(|| broken("action"))?,
        integration: row.integration_id.map(subject),
        fields: FieldNames::stored(serde_json::from_value(row.fields).map_err(|_| broken("fields"))?),
        outcome: Outcome::parse(&row.outcome).ok_or_else(|| broken("outcome"))?,
        request_id: row.request_id,
    })
}

fn broken(column: &str) -> DbErr {
    DbErr::Type(format!("audit_events.{column} is not what it should be"))
}
