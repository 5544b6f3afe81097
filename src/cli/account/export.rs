//! What is kept of an account, without secrets.

use std::collections::HashMap;
use std::io::{self, Write, stdout};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::unknown;
use crate::app;
use crate::cli::audit::{Stop, pages_of};
use crate::config::Config;
use crate::domain::{AccountId, EventFilter, Installation};
use crate::rest::Event;
use crate::store::{self, Store, TenantStore};

pub(super) const HELP: &str = "\
The document:
  account, exported_at
  installations   integration (id, name), installed, installed_at, updated_at, params, secret_names
  events          the audit log, oldest first, as REST has it

Examples:
  patchbay account export acme > acme.json";

#[derive(Serialize)]
struct Installed<'a> {
    integration: Integration<'a>,
    installed: bool,
    installed_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    params: Map<String, Value>,
    secret_names: &'a [String],
}

#[derive(Serialize)]
struct Integration<'a> {
    id: Uuid,
    /// None when the catalog does not have it any more.
    name: Option<&'a str>,
}

pub(super) async fn export(config: &Config, account: AccountId) -> Result<(), String> {
    let store = app::open_existing(config).await?;
    let tenant = store.tenant(account);
    if tenant.revision().await.map_err(app::database_sentence)? == 0 {
        return Err(unknown(tenant.account()));
    }
    let written = write(&store, &tenant).await;
    let missing = tenant.missing_secrets().await;
    store.close().await;
    written.or_else(Stop::sentence)?;
    match missing.map_err(app::database_sentence)?.as_slice() {
        [] => Ok(()),
        [(integration, name), ..] => Err(format!(
            "the export is whole, but secret {name} of integration {integration} is on record and has no value: \
             `patchbay keys verify` names all such secrets"
        )),
    }
}

/// The events are many: they are written as they are read.
async fn write(store: &Store, tenant: &TenantStore) -> Result<(), Stop> {
    let now = store::now();
    let state = tenant.state().await.map_err(Stop::Database)?;
    let (_, catalog) = store.system().catalog().await.map_err(Stop::Database)?;
    let own = tenant.own_entries().await.map_err(Stop::Database)?;
    let names: HashMap<_, _> = catalog.iter().chain(&own).map(|row| (row.id, row.name.as_str())).collect();
    let installations = state.installations().iter().map(|row| Installed::of(row, &names));
    let own: Vec<_> = own.iter().map(|row| &row.definition).collect();
    let head = head(tenant.account(), now, &installations.collect::<Vec<_>>(), &own);
    put(head.map_err(io::Error::from)).map_err(Stop::Output)?;
    // Without an end it might never reach one: events are written meanwhile.
    let filter = EventFilter { until: Some(now), ..EventFilter::default() };
    let mut separator = "\n";
    pages_of(tenant, &filter, |events| {
        let mut text = String::new();
        for event in events {
            text.push_str(separator);
            text.push_str(&serde_json::to_string(&Event::from(event))?);
            separator = ",\n";
        }
        put(Ok(text))
    })
    .await?;
    put(Ok("\n]}\n".to_owned())).map_err(Stop::Output)
}

/// All up to the events.
fn head(
    account: &AccountId,
    now: DateTime<Utc>,
    installations: &[Installed<'_>],
    own: &[&Value],
) -> serde_json::Result<String> {
    let (account, now) = (serde_json::to_string(account.as_str())?, serde_json::to_string(&now)?);
    let (installations, own) = (serde_json::to_string(installations)?, serde_json::to_string(own)?);
    Ok(format!(
        "{{\"account\": {account}, \"exported_at\": {now},\n\"installations\": {installations},\n\
         \"own_integrations\": {own},\n\"events\": ["
    ))
}

fn put(text: io::Result<String>) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text?.as_bytes())?;
    out.flush()
}

impl<'a> Installed<'a> {
    fn of(row: &'a Installation, names: &HashMap<Uuid, &'a str>) -> Self {
        let id = row.integration_id.0;
        Self {
            integration: Integration { id, name: names.get(&id).copied() },
            installed: row.installed_at.is_some(),
            installed_at: row.installed_at,
            updated_at: row.updated_at,
            params: row.params.to_map(),
            secret_names: &row.secret_names,
        }
    }
}
