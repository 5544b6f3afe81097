//! The audit log, for keeping elsewhere.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::app;
use crate::config::Config;
use crate::domain::{self, AccountId, EventFilter};
use crate::error::Error;
use crate::rest::Event;
use crate::store::{Store, TenantStore};
use crate::telemetry;

/// Events that are in memory at once.
const PAGE: u64 = 200;

#[derive(Args)]
pub(super) struct Export {
    /// Only this account; `_operator` has what belongs to no account
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Option<AccountId>,
    /// Not before this moment, such as 2026-11-24T12:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    since: Option<DateTime<Utc>>,
    /// Before this moment [default: now]
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    until: Option<DateTime<Utc>>,
    /// One JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::stored(text).ok_or_else(|| "an account id has up to 63 of a-z 0-9 _ -, and starts with a-z 0-9".into())
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let moment = DateTime::parse_from_rfc3339(text);
    moment.map(|moment| moment.to_utc()).map_err(|_| "must be a moment like 2026-11-24T12:00:00Z".into())
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    account: &'a str,
    #[serde(flatten)]
    event: Event<'a>,
}

/// Writes the events to standard output, account by account, oldest first.
pub(super) async fn export(config: Config, Export { account, since, until, format }: Export) -> Result<(), String> {
    telemetry::init(&config.log);
    let Format::Jsonl = format;
    let store = app::open_existing(&config).await?;
    // Without an end it might never reach one: events are written meanwhile.
    let filter = EventFilter { since, until: until.or_else(|| Some(Utc::now())), ..EventFilter::default() };
    let mut progress = Progress::default();
    let exported = match account {
        Some(account) => export_account(&store, account, &filter, &mut progress).await,
        None => export_all(&store, &filter, &mut progress).await,
    };
    progress.end();
    store.close().await;
    exported.or_else(Stop::sentence)
}

/// Why an export ends early.
pub(super) enum Stop {
    Database(Error),
    Output(std::io::Error),
}

impl Stop {
    /// In words for an operator; none when whoever read it has seen enough.
    pub(super) fn sentence(self) -> Result<(), String> {
        match self {
            Self::Output(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Self::Output(error) => Err(format!("cannot write the events: {error}")),
            Self::Database(error) => Err(app::database_sentence(error)),
        }
    }
}

async fn export_all(store: &Store, filter: &EventFilter, progress: &mut Progress) -> Result<(), Stop> {
    let mut last = None;
    while let Some((account, _)) = store.system().audited_after(last.as_ref()).await.map_err(Stop::Database)? {
        export_account(store, account.clone(), filter, progress).await?;
        last = Some(account);
    }
    Ok(())
}

async fn export_account(
    store: &Store,
    account: AccountId,
    filter: &EventFilter,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let tenant = store.tenant(account);
    pages_of(&tenant, filter, |events| {
        let mut lines = Vec::new();
        for event in events {
            let line = Line { account: tenant.account().as_str(), event: event.into() };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        let mut out = stdout().lock();
        out.write_all(&lines)?;
        out.flush()?;
        progress.advance(events.len());
        Ok(())
    })
    .await
}

/// An account's events, oldest first, some at a time.
pub(super) async fn pages_of(
    tenant: &TenantStore,
    filter: &EventFilter,
    mut write: impl FnMut(&[domain::Event]) -> std::io::Result<()>,
) -> Result<(), Stop> {
    let mut last = None;
    loop {
        let events = tenant.events_after(filter, last, PAGE).await.map_err(Stop::Database)?;
        let Some(newest) = events.last() else { return Ok(()) };
        last = Some(newest.id);
        write(&events).map_err(Stop::Output)?;
    }
}

/// How far it is, told where somebody is watching and the events go elsewhere.
#[derive(Default)]
struct Progress(usize);

impl Progress {
    fn advance(&mut self, events: usize) {
        self.0 += events;
        if Self::is_watched() {
            let _ = write!(stderr(), "\r{} events", self.0);
        }
    }

    fn end(&self) {
        if Self::is_watched() {
            let _ = writeln!(stderr(), "\r{} events", self.0);
        }
    }

    fn is_watched() -> bool {
        stderr().is_terminal() && !stdout().is_terminal()
    }
}
