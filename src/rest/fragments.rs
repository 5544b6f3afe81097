//! Entries as JSON, rendered once per revision of the catalog.
//!
//! Of an item of a list most bytes are the same for every account. An entry that the account never installed is copied
//! whole; for one that it did, what the account stored is written between two copied parts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::body;
use crate::domain::{Cursor, Entry, Integration, IntegrationId};
use crate::edge::Moment;
use crate::error::{Error, Result};
use crate::service::{Listing, Snapshot};

/// What a body is given room for at first.
const ROOM: usize = 4_096;
/// And for each item of a list.
const ROOM_PER_ITEM: usize = 768;

/// A digest of what was rendered.
pub(super) type Print = [u8; 32];

/// What a list may be asked for beside its items' summaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Without schemas.
    Summary,
    /// With `params_schema`, `secrets_schema` and `fields`.
    Schemas,
}

/// The fragments of the catalog in force.
#[derive(Default)]
pub(super) struct Fragments {
    current: ArcSwapOption<Rendered>,
    /// Held while a new revision is rendered, so that one request does it and the others wait.
    rendering: Mutex<()>,
}

/// One revision of the catalog, rendered.
pub(super) struct Rendered {
    snapshot: Arc<Snapshot>,
    fragments: HashMap<IntegrationId, Fragment>,
    print: Print,
}

/// One entry, rendered as never installed, and where to cut it.
struct Fragment {
    entry: Arc<Entry>,
    json: Box<[u8]>,
    print: Print,
    /// Start of what an installation decides.
    state: usize,
    /// End of that.
    rest: usize,
    /// Start of `updated_at`, which an installation may move.
    updated_at: usize,
    /// Start of the schemas.
    schemas: usize,
}

/// The fields of a list after its items; in the order of [`body::IntegrationList`].
#[derive(Serialize)]
struct ListRest<'a> {
    category_counts: BTreeMap<&'a str, usize>,
    status_counts: body::StatusCounts,
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Option<&'a str>>,
}

/// The fields that an installation decides, after `params`; in the order of [`body::Summary`].
#[derive(Serialize)]
struct AfterParams<'a> {
    secret_names: &'a [String],
    missing_fields: Vec<String>,
}

impl Fragments {
    /// The fragments of this snapshot.
    ///
    /// # Errors
    /// [`Error::Internal`] when an entry cannot be rendered, which none can cause.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Result<Arc<Rendered>> {
        if let Some(current) = self.rendered(snapshot) {
            return Ok(current);
        }
        let _rendering = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = self.rendered(snapshot) {
            return Ok(current);
        }
        let fresh = Arc::new(Rendered::new(snapshot.clone())?);
        // A request that began before the catalog changed must not put the old one back.
        if self.current.load().as_ref().is_none_or(|current| current.snapshot.revision() <= snapshot.revision()) {
            self.current.store(Some(fresh.clone()));
        }
        Ok(fresh)
    }

    fn rendered(&self, snapshot: &Arc<Snapshot>) -> Option<Arc<Rendered>> {
        self.current.load_full().filter(|current| Arc::ptr_eq(&current.snapshot, snapshot))
    }
}

/// The maximum size of a list with schemas that has no `limit`, in bytes.
const MAX_WHOLE_LIST_BYTES: usize = 4 << 20;

impl Rendered {
    fn new(snapshot: Arc<Snapshot>) -> Result<Self> {
        let mut print = Sha256::new();
        let mut fragments = HashMap::with_capacity(snapshot.len());
        for entry in snapshot.entries() {
            let fragment = Fragment::new(entry)?;
            print.update(fragment.print);
            fragments.insert(entry.id, fragment);
        }
        Ok(Self { snapshot, fragments, print: print.finalize().into() })
    }

    /// Tells one content of the catalog from another, on every replica alike.
    pub(super) fn print(&self) -> &Print {
        &self.print
    }

    /// The same for one entry.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(super) fn print_of(&self, entry: &Arc<Entry>) -> Result<Print> {
        match self.fragments.get(&entry.id) {
            Some(fragment) => Ok(fragment.print),
            // One of an account's own.
            None => Ok(Fragment::new(entry)?.print),
        }
    }

    /// The answer to a list: [`body::IntegrationList`].
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(super) fn list(
        &self,
        items: &[Integration],
        detail: Detail,
        listing: &Listing,
        next_cursor: Option<Option<&Cursor>>,
    ) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ROOM + items.len() * ROOM_PER_ITEM);
        out.extend_from_slice(b"{\"integrations\":[");
        for (n, integration) in items.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            self.write(&mut out, integration, detail)?;
            if next_cursor.is_none() && matches!(detail, Detail::Schemas) && out.len() > MAX_WHOLE_LIST_BYTES {
                let message = "The list with schemas is larger than 4 MiB: ask for pages of it with limit";
                return Err(Error::bad_input(message));
            }
        }
        out.push(b']');
        let rest = ListRest {
            category_counts: listing.category_counts().collect(),
            status_counts: body::StatusCounts::of(listing.status_counts()),
            total: listing.total(),
            next_cursor: next_cursor.map(|cursor| cursor.map(|Cursor(text)| text.as_str())),
        };
        write_fields(&mut out, &rest)?;
        out.push(b'}');
        Ok(out)
    }

    /// The answer to one: [`body::Integration`].
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(super) fn one(&self, integration: &Integration) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ROOM);
        self.write(&mut out, integration, Detail::Schemas)?;
        Ok(out)
    }

    /// The answer to a change: [`body::Changed`].
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(super) fn changed(&self, integration: &Integration, changed: bool) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ROOM);
        out.extend_from_slice(b"{\"integration\":");
        self.write(&mut out, integration, Detail::Schemas)?;
        out.extend_from_slice(if changed { b",\"changed\":true}" } else { b",\"changed\":false}" });
        Ok(out)
    }

    /// The answer to an install: [`body::InstallResult`].
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(super) fn installed(
        &self,
        integration: &Integration,
        changed: bool,
        names: &body::ReportedNames<'_>,
    ) -> Result<Vec<u8>> {
        let mut out = self.changed(integration, changed)?;
        out.pop();
        write_fields(&mut out, names)?;
        out.push(b'}');
        Ok(out)
    }

    /// Appends an integration.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be rendered, which none can cause.
    fn write(&self, out: &mut Vec<u8>, integration: &Integration, detail: Detail) -> Result<()> {
        match self.fragments.get(&integration.entry.id).filter(|known| Arc::ptr_eq(&known.entry, &integration.entry)) {
            Some(fragment) => fragment.write(out, integration, detail),
            None => Fragment::new(&integration.entry)?.write(out, integration, detail),
        }
    }
}

impl Fragment {
    fn new(entry: &Arc<Entry>) -> Result<Self> {
        let never_installed = Integration::new(entry.clone(), None);
        let json = serde_json::to_vec(&body::Integration::of(&never_installed)).map_err(unrenderable)?;
        let mut from = 0;
        // In a text of JSON every quote is escaped: the first of these can only be the field's name.
        let mut cut = |name: &str| {
            let found = json[from..].windows(name.len()).position(|window| window == name.as_bytes());
            from += found.ok_or_else(|| Error::Internal { cause: format!("no {name} in an entry's JSON") })?;
            Ok::<_, Error>(from)
        };
        let (state, rest) = (cut(",\"status\":")?, cut(",\"is_custom\":")?);
        let (updated_at, schemas) = (cut(",\"updated_at\":")?, cut(",\"params_schema\":")?);
        let print = Sha256::digest(&json).into();
        Ok(Self { entry: entry.clone(), json: json.into(), print, state, rest, updated_at, schemas })
    }

    fn write(&self, out: &mut Vec<u8>, integration: &Integration, detail: Detail) -> Result<()> {
        match &integration.installation {
            None => out.extend_from_slice(&self.json[..self.schemas]),
            Some(_) => {
                out.extend_from_slice(&self.json[..self.state]);
                write_state(out, integration)?;
                out.extend_from_slice(&self.json[self.rest..self.updated_at]);
                out.extend_from_slice(b",\"updated_at\":");
                write_moment(out, integration.updated_at());
            }
        }
        match detail {
            Detail::Summary => out.push(b'}'),
            Detail::Schemas => out.extend_from_slice(&self.json[self.schemas..]),
        }
        Ok(())
    }
}

fn write_state(out: &mut Vec<u8>, integration: &Integration) -> Result<()> {
    match integration.installed_at() {
        None => out.extend_from_slice(b",\"status\":\"available\",\"installed_at\":null"),
        Some(at) => {
            out.extend_from_slice(b",\"status\":\"installed\",\"installed_at\":");
            write_moment(out, at);
        }
    }
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(integration.params().as_json().as_bytes());
    let (secret_names, missing_fields) = (integration.secret_names(), integration.missing_fields());
    write_fields(out, &AfterParams { secret_names, missing_fields })
}

fn write_moment(out: &mut Vec<u8>, at: DateTime<Utc>) {
    out.push(b'"');
    out.extend_from_slice(Moment::of(at).as_str().as_bytes());
    out.push(b'"');
}

/// Appends the fields of an object to those before.
fn write_fields(out: &mut Vec<u8>, fields: &impl Serialize) -> Result<()> {
    let start = out.len();
    serde_json::to_writer(&mut *out, fields).map_err(unrenderable)?;
    out[start] = b',';
    out.pop();
    Ok(())
}

fn unrenderable(error: serde_json::Error) -> Error {
    Error::Internal { cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use chrono::SubsecRound;
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog;
    use crate::domain::{EntryState, Installation};

    fn entries() -> Vec<Arc<Entry>> {
        let files = catalog::builtin().expect("the built-in catalog");
        let now = Utc::now().trunc_subsecs(6);
        let entry = |mut file: catalog::EntryFile| {
            // Looks like the fields that are cut at, but for the escapes.
            file.description.push_str("\",\"status\":\"x\",\"is_custom\":1,\"updated_at\":2,\"params_schema\":3");
            Arc::new(file.clone().into_entry(IntegrationId::of_builtin(&file.name), EntryState::Active, now, now))
        };
        files.into_iter().map(|(file, _)| entry(file)).collect()
    }

    fn installations(entry: &Entry) -> Vec<Option<Arc<Installation>>> {
        let at = Utc::now().trunc_subsecs(6) + chrono::Duration::seconds(1);
        let new = Installation::new(entry.id, at);
        let Value::Object(params) = json!({",\"status\":": ["\",\"is_custom\":"], "n": u64::MAX, "x": null}) else {
            panic!("an object")
        };
        let names = vec!["api_key".to_owned(), "other".to_owned()];
        let full =
            Installation { params: (&params).into(), secret_names: names, installed_at: Some(at), ..new.clone() };
        vec![None, Some(Arc::new(new)), Some(Arc::new(full))]
    }

    #[test]
    fn what_is_put_together_is_what_the_shape_says_to_the_byte() {
        for entry in entries() {
            let fragment = Fragment::new(&entry).expect("rendered");
            for installation in installations(&entry) {
                let integration = Integration::new(entry.clone(), installation);
                let whole = serde_json::to_string(&body::Integration::of(&integration)).expect("JSON");
                let mut out = Vec::new();
                fragment.write(&mut out, &integration, Detail::Schemas).expect("written");
                assert_eq!(String::from_utf8(out).expect("text"), whole);
                let mut out = Vec::new();
                fragment.write(&mut out, &integration, Detail::Summary).expect("written");
                let mut without: Value = serde_json::from_str(&whole).expect("JSON");
                let object = without.as_object_mut().expect("an object");
                assert!(
                    ["params_schema", "secrets_schema", "fields"].iter().all(|name| object.remove(*name).is_some())
                );
                assert_eq!(serde_json::from_slice::<Value>(&out).expect("JSON"), without);
            }
        }
    }
}
