//! An entry of the operator's own that goes away, and what accounts keep of it.

use serde::Serialize;

use super::defaults::is_builtin;
use super::installed::Installed;
use super::{refuse_unknown, rows};
use crate::cli::operator;
use crate::cli::print::{count, print, print_json, sentence};
use crate::domain::event::Subject;
use crate::domain::{Action, Event, IntegrationId};
use crate::store::{CatalogRow, RowEdit, Store};

pub(super) const HELP: &str = "\
Built-in entries cannot be deleted: deprecate them. With --force each account's installation goes
in a transaction of its own, with an event installation.purged in its audit log; killed half-way,
run it again.

With --json: deleted (the name), accounts (how many had an installation that was deleted)";

#[derive(Serialize)]
struct Deleted<'a> {
    deleted: &'a str,
    accounts: usize,
}

pub(super) async fn delete(store: &Store, name: &str, force: bool, json: bool) -> Result<(), String> {
    let rows = rows(store).await?;
    refuse_unknown(&rows, &[name.to_owned()])?;
    let Some(row) = rows.into_iter().find(|row| row.name == name && !is_builtin(row)) else {
        return Err(format!(
            "{name} is built in, and would be back with the next start: `patchbay catalog deprecate {name}` instead"
        ));
    };
    let id = IntegrationId(row.id);
    let installed = Installed::of(store, &[id]).await?;
    let accounts = installed.accounts(id);
    if !force && !accounts.is_empty() {
        return Err(format!(
            "{} of {name}: `patchbay catalog deprecate {name}` keeps it for them, --force deletes what they stored",
            match accounts.len() {
                1 => "1 account has an installation".to_owned(),
                many => format!("{many} accounts have an installation"),
            }
        ));
    }
    for account in accounts {
        let subject = Subject { id, name: name.to_owned() };
        let event = Event { integration: Some(subject), ..Event::new(&operator(), Action::Purged) };
        store.tenant(account.clone()).forget(id, event).await.map_err(sentence)?;
    }
    let edit = move |rows: &[CatalogRow]| match rows.iter().any(|row| row.id == id.0) {
        true => (vec![RowEdit::Delete(id.0)], ()),
        false => (Vec::new(), ()),
    };
    store.system().edit_catalog(operator(), edit).await.map_err(sentence)?;
    match json {
        true => print_json(&Deleted { deleted: name, accounts: accounts.len() }),
        false => {
            let gone = count(accounts.len() as u64, "installation");
            print(&format!("{name} is deleted, and {gone} of it\n"))
        }
    }
}
