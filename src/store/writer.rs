//! The one writer of an SQLite file: changes and events that arrive while a commit waits for the disk are committed together by
//! the next.
//!
//! One commit costs the same disk flush for one change and for a hundred. Each change is acknowledged only after the
//! commit that holds it, and fails or succeeds as if it were alone.

use ::entity::{account_revision, installation, installation_secret};
use sea_orm::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, SimpleExpr};
use tokio::sync::{mpsc, oneshot};

use super::changes::{Change, counters};
use super::failure::Failed;
use super::pool::{Pool, Transaction};
use super::readiness::OpenedFile;
use super::{TenantStore, events, scope};
use crate::domain::{CONNECTION, Event};
use crate::error::{Error, Result};

/// Most changes of one commit.
const TOGETHER: usize = 128;
/// Most changes that wait; more wait for a place.
const QUEUE: usize = 1_024;

/// Hands changes to the writer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Job>);

struct Job {
    tenant: TenantStore,
    content: Content,
    written: oneshot::Sender<Result<bool>>,
}

/// What is to be written.
enum Content {
    /// A change, and the revision that it was worked out from.
    Change { known: i64, change: Change },
    /// An event that no change goes with.
    Event(Event),
}

impl Writer {
    /// A writer on this pool of one connection to this file; it ends when the last handle is dropped.
    pub(super) fn start(pool: Pool, file: OpenedFile) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(pool, file, queue));
        Self(jobs)
    }

    /// Whether the change was written: false when the account has moved on.
    pub(super) async fn write(&self, tenant: TenantStore, known: i64, change: Change) -> Result<bool> {
        self.send(tenant, Content::Change { known, change }).await
    }

    pub(super) async fn record(&self, tenant: TenantStore, event: Event) -> Result<()> {
        self.send(tenant, Content::Event(event)).await.map(drop)
    }

    async fn send(&self, tenant: TenantStore, content: Content) -> Result<bool> {
        let (written, answer) = oneshot::channel();
        let gone = || Error::Internal { cause: "the writer ended; its place is logged".into() };
        self.0.send(Job { tenant, content, written }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn write_all(pool: Pool, file: OpenedFile, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, TOGETHER).await > 0 {
        // A request that is gone leaves no trace.
        jobs.retain(|job| !job.written.is_closed());
        if jobs.is_empty() {
            continue;
        }
        match file.check() {
            Ok(()) => write(&pool, std::mem::take(&mut jobs)).await,
            Err(error) => refuse(std::mem::take(&mut jobs), &error),
        }
    }
}

async fn write(pool: &Pool, mut jobs: Vec<Job>) {
    let t = match pool.begin().await {
        Ok(t) => t,
        Err(error) => return refuse(jobs, &error.into()),
    };
    // The lock may have come too late: what nobody waits for any more, because its request was ended, is not done.
    jobs.retain(|job| !job.written.is_closed());
    match commit(t, &jobs).await {
        Ok(written) => jobs.into_iter().zip(written).for_each(|(job, written)| answer(job, written)),
        // One of them is at fault, or the file: each alone tells, and none fails for another's sake.
        Err(Failed::Database(_)) if jobs.len() > 1 => {
            for job in jobs {
                Box::pin(write(pool, vec![job])).await;
            }
        }
        // A commit may have taken effect all the same: nobody is told that it did not, and it is not run again.
        Err(failed) => refuse(jobs, &failed.into()),
    }
}

fn refuse(jobs: Vec<Job>, error: &Error) {
    jobs.into_iter().for_each(|job| answer(job, Err(error.clone())));
}

fn answer(job: Job, written: Result<bool>) {
    // Who asked may have gone meanwhile.
    let _ = job.written.send(written);
}

/// Whether each was written. A job whose account has moved on is left out, and one that has a receipt already; nobody else
/// moves while the lock is held.
async fn commit(t: Transaction, jobs: &[Job]) -> std::result::Result<Vec<Result<bool>>, Failed> {
    let accounts: Vec<_> = jobs.iter().map(|job| job.tenant.account()).collect();
    let mut revisions = scope::revisions_of(&t, &accounts).await?;
    // A request waits for its answer before the account's next: no job here was worked out from another one.
    let mut is_its_turn = |job: &Job| {
        let Content::Change { known, change } = &job.content else { return true };
        let revision = revisions.entry(job.tenant.account().clone()).or_insert(0);
        let fits = *revision == *known;
        if fits {
            *revision = change.installation.revision;
        }
        fits
    };
    let mut written = Vec::with_capacity(jobs.len());
    for job in jobs {
        let is_its_turn = is_its_turn(job);
        let receipt = if is_its_turn { job.tenant.write_receipt(&t).await } else { Ok(()) };
        written.push(match receipt {
            Ok(()) => Ok(is_its_turn),
            Err(Failed::Rule(refusal)) => Err(refusal),
            Err(failed) => return Err(failed),
        });
    }
    let accepted = jobs.iter().zip(&written).filter(|(_, written)| matches!(written, Ok(true)));
    let accepted: Vec<_> = accepted.map(|(job, _)| job).collect();
    if accepted.is_empty() {
        t.rollback().await?;
        return Ok(written);
    }
    write_rows(&t, &accepted).await?;
    t.commit().await.map_err(Failed::on_commit)?;
    Ok(written)
}

async fn write_rows(t: &Transaction, jobs: &[&Job]) -> std::result::Result<(), Failed> {
    let changes: Vec<_> = jobs.iter().filter_map(|job| Some((&job.tenant, job.content.change()?))).collect();
    if !changes.is_empty() {
        write_changes(t, &changes).await?;
    }
    let events = jobs.iter().map(|job| (&job.tenant, events::row(job.content.event())));
    scope::insert_for_each(events).exec_without_returning(t).await?;
    Ok(())
}

async fn write_changes(t: &Transaction, changes: &[(&TenantStore, &Change)]) -> std::result::Result<(), Failed> {
    let revisions = changes.iter().map(|(tenant, change)| (*tenant, revision(change)));
    scope::insert_for_each(revisions)
        .on_conflict(
            OnConflict::column(account_revision::Column::AccountId)
                .update_column(account_revision::Column::Revision)
                .value(account_revision::Column::Seals, more_seals())
                .to_owned(),
        )
        .exec_without_returning(t)
        .await?;
    let rows = changes.iter().map(|(tenant, change)| (*tenant, row(change)));
    scope::insert_for_each(rows).on_conflict(replace_row()).exec_without_returning(t).await?;
    let secrets: Vec<_> =
        changes.iter().flat_map(|(tenant, change)| secrets(change).map(|secret| (*tenant, secret))).collect();
    if !secrets.is_empty() {
        scope::insert_for_each(secrets).on_conflict(replace_secret()).exec_without_returning(t).await?;
    }
    for (tenant, change) in changes.iter().filter(|(_, change)| change.removes()) {
        change.remove(tenant, t).await?;
    }
    Ok(())
}

impl Content {
    fn change(&self) -> Option<&Change> {
        match self {
            Self::Change { change, .. } => Some(change),
            Self::Event(_) => None,
        }
    }

    fn event(&self) -> &Event {
        match self {
            Self::Change { change, .. } => &change.event,
            Self::Event(event) => event,
        }
    }
}

fn revision(change: &Change) -> account_revision::ActiveModel {
    account_revision::ActiveModel {
        revision: Set(change.installation.revision),
        seals: Set(change.seals()),
        own_catalog: Set(0),
        ..Default::default()
    }
}

/// What is counted already, and what is added.
fn more_seals() -> SimpleExpr {
    use account_revision::{Column::Seals, Entity};
    Expr::col((Entity, Seals)).add(Expr::col(("excluded", Seals)))
}

fn row(change: &Change) -> installation::ActiveModel {
    let row = &change.installation;
    installation::ActiveModel {
        integration_id: Set(row.integration_id.0),
        connection: Set(CONNECTION.to_owned()),
        params: Set(serde_json::Value::Object(row.params.to_map())),
        secret_names: Set(row.secret_names.clone().into()),
        secret_counters: Set(counters(&row.secret_counters)),
        installed_at: Set(row.installed_at),
        revision: Set(row.revision),
        created_at: Set(row.updated_at),
        updated_at: Set(row.updated_at),
        ..Default::default()
    }
}

fn secrets(change: &Change) -> impl Iterator<Item = installation_secret::ActiveModel> {
    let row = &change.installation;
    change.stored().map(|(name, sealed)| installation_secret::ActiveModel {
        integration_id: Set(row.integration_id.0),
        connection: Set(CONNECTION.to_owned()),
        name: Set(name.to_owned()),
        sealed: Set(sealed.bytes.clone()),
        key_id: Set(i64::from(sealed.key_id)),
        created_at: Set(row.updated_at),
        updated_at: Set(row.updated_at),
        ..Default::default()
    })
}

/// What happens to a row that is there already.
fn replace_row() -> OnConflict {
    use installation::Column::{
        AccountId, Connection, InstalledAt, IntegrationId, Params, Revision, SecretCounters, SecretNames, UpdatedAt,
    };
    OnConflict::columns([AccountId, IntegrationId, Connection])
        .update_columns([Params, SecretNames, SecretCounters, InstalledAt, Revision, UpdatedAt])
        .to_owned()
}

/// What happens to a secret that is there already.
fn replace_secret() -> OnConflict {
    use installation_secret::Column::{AccountId, Connection, IntegrationId, KeyId, Name, Sealed, UpdatedAt};
    OnConflict::columns([AccountId, IntegrationId, Connection, Name])
        .update_columns([Sealed, KeyId, UpdatedAt])
        .to_owned()
}
