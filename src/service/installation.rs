//! Installing, uninstalling and purging.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::repeats::{Asked, Content, Done, Subject};
use super::snapshot::Listed;
use super::validation::{Check, run_blocking};
use super::{TenantServices, View};
use crate::domain::entry::{Entry, Part};
use crate::domain::installation::merge_names;
use crate::domain::limits::SECRETS_PER_INSTALLATION;
use crate::domain::{
    Action, CONNECTION, Event, FieldNames, IdempotencyKey, Installation, Integration, IntegrationId, Operation, Params,
    Plain, Problems, Reference, Sealed, SecretChange, SecretName, Supplied,
};
use crate::error::{Error, FieldProblem, Result};
use crate::store::{self, AccountState, Change, Receipt};
use crate::vault::{DataKey, SecretPlace};

/// How often a change is worked out before other replicas, which each time were faster, have the better of it.
const ATTEMPTS: u32 = 12;

/// What came of an install or uninstall.
pub struct Outcome {
    /// The integration as it stands now.
    pub integration: Integration,
    /// Whether anything was changed.
    pub changed: bool,
    /// The names that an install supplied and the entry's form lacks; see [`Supplied::unknown_fields`].
    pub unknown_fields: Vec<String>,
}

/// What would come of an install.
pub struct Verdict {
    /// What would be refused; nothing would be stored when there is any.
    pub problems: Vec<FieldProblem>,
    /// Required fields that would still be missing, `secrets.api_key` style.
    pub missing_fields: Vec<String>,
    /// The supplied names that the entry's form lacks; see [`Supplied::unknown_fields`].
    pub unknown_fields: Vec<String>,
}

/// What is to become of an installation.
enum Wish {
    /// Installed, with these params if any, and these secrets merged into those that are kept.
    Install { params: Option<Params>, secrets: Vec<SecretChange<Plain>> },
    /// Not installed; everything else is kept.
    Uninstall,
    /// Not installed, and nothing kept.
    Purge,
}

impl Wish {
    /// The secrets, if a value among them is to be sealed.
    fn sealed(&self) -> Option<&[SecretChange<Plain>]> {
        match self {
            Self::Install { secrets, .. } if sealed(secrets) > 0 => Some(secrets),
            _ => None,
        }
    }
}

impl TenantServices {
    /// Installs an integration, or merges into what is installed.
    ///
    /// Values are checked before any key is touched and sealed before anything is written, so that every failure leaves
    /// nothing behind.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] with one problem per field; [`Error::ParamsQuotaReached`];
    /// [`Error::SecretsUnavailable`] when a secret was supplied and cannot be sealed; [`Error::Overloaded`] when other replicas keep changing the account;
    /// with a key [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the database.
    pub async fn install(
        &self,
        reference: &Reference,
        supplied: Supplied,
        key: Option<IdempotencyKey>,
    ) -> Result<Done<Outcome>> {
        let content = Content {
            subject: Subject::Integration(reference),
            write: |reference: &str| serde_json::to_vec(&(reference, supplied.params(), supplied.secrets())),
            has_secrets: supplied.secrets().values().any(|value| !value.is_null()),
        };
        let asked = self.asked(key, Operation::Install, content).await?;
        if let Some(earlier) = asked.earlier() {
            let mut done = self.outcome_of(earlier).await?;
            done.what.unknown_fields = supplied.unknown_fields(&done.what.integration.entry);
            return Ok(done);
        }
        let listed = self.find_listed(reference).await?;
        let secrets = self.check(&listed, &supplied)?;
        let unknown_fields = supplied.unknown_fields(&listed.entry);
        let wish = Wish::Install { params: supplied.into_params(), secrets };
        let outcome = self.change(&listed.entry, wish, &asked).await?;
        Ok(Done::now(Outcome { unknown_fields, ..outcome }))
    }

    /// What an install with these values would come to. Stores nothing, and needs no key.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn validate(&self, reference: &Reference, supplied: &Supplied) -> Result<Verdict> {
        let View { catalog, state } = self.view().await?;
        let listed = catalog.find_listed(reference).ok_or(Error::NotFound)?;
        let mut problems = match self.check(listed, supplied) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(problems)) => problems,
            Err(error) => return Err(error),
        };
        let mut after = state.find(listed.entry.id).map_or_else(
            || Installation::new(listed.entry.id, listed.entry.created_at),
            |stored| Installation::clone(stored),
        );
        if let Some(params) = supplied.params() {
            let params = params.into();
            // An install looks at the quota last.
            if problems.is_empty()
                && let Err(error) = self.check_quota(&state, &after, &params)
            {
                let message = error.public_message().into_owned();
                problems.push(FieldProblem { part: Part::Params, name: None, message });
            }
            after.params = params;
        }
        after.secret_names.retain(|name| !supplied.secrets().get(name).is_some_and(Value::is_null));
        let is_unset = |name: &str, value: &Value| {
            value.is_null() || listed.entry.field(Part::Secrets, name).is_some_and(|field| field.is_unset_by(value))
        };
        let given = supplied.secrets().iter().filter(|(name, value)| !is_unset(name, value));
        after.secret_names.extend(given.map(|(name, _)| name.clone()));
        let integration = Integration::new(listed.entry.clone(), Some(Arc::new(after)));
        let unknown_fields = supplied.unknown_fields(&listed.entry);
        Ok(Verdict { problems, missing_fields: integration.missing_fields(), unknown_fields })
    }

    /// Uninstalls; params and secrets are kept as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Overloaded`] when other replicas keep changing the account; with a key
    /// [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the database.
    pub async fn uninstall(&self, reference: &Reference, key: Option<IdempotencyKey>) -> Result<Done<Outcome>> {
        self.end(Operation::Uninstall, Wish::Uninstall, reference, key).await
    }

    /// Erases params and secrets for good, and uninstalls. The audit log keeps names alone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Overloaded`] when other replicas keep changing the account; with a key
    /// [`Error::RequestRunning`] and [`Error::KeyReused`]; those of the database.
    pub async fn purge(&self, reference: &Reference, key: Option<IdempotencyKey>) -> Result<Done<Outcome>> {
        self.end(Operation::Purge, Wish::Purge, reference, key).await
    }

    async fn end(
        &self,
        operation: Operation,
        wish: Wish,
        reference: &Reference,
        key: Option<IdempotencyKey>,
    ) -> Result<Done<Outcome>> {
        let subject = Subject::Integration(reference);
        let content = Content { subject, write: serde_json::to_vec::<str>, has_secrets: false };
        let asked = self.asked(key, operation, content).await?;
        if let Some(earlier) = asked.earlier() {
            return self.outcome_of(earlier).await;
        }
        let listed = self.find_listed(reference).await?;
        self.change(&listed.entry, wish, &asked).await.map(Done::now)
    }

    /// What came of a request that was made before: the integration as it stands now.
    async fn outcome_of(&self, earlier: &Receipt) -> Result<Done<Outcome>> {
        let integration = self.integration(&Reference::Id(IntegrationId(earlier.subject))).await?;
        Ok(Done::before(Outcome { integration, changed: earlier.changed, unknown_fields: Vec::new() }))
    }

    /// The entry that a change is about. Of the shared catalog, it is known at once; what else the account sees must be
    /// what it sees now.
    pub(super) async fn find_listed(&self, reference: &Reference) -> Result<Arc<Listed>> {
        if self.tenant.recent_state().await?.own_catalog() == 0
            && let Some(listed) = self.catalog.find_listed(reference)
        {
            return Ok(listed.clone());
        }
        self.view().await?.catalog.find_listed(reference).cloned().ok_or(Error::NotFound)
    }

    /// Works the change out from what the account has, and writes it if it still has that; else once more.
    async fn change(&self, entry: &Arc<Entry>, wish: Wish, asked: &Asked) -> Result<Outcome> {
        let outcome = |installation, changed| Outcome {
            integration: self.shown(Integration::new(entry.clone(), installation)),
            changed,
            unknown_fields: Vec::new(),
        };
        // Before it is the account's turn: while a key service is slow, changes that need no key go on.
        let key = match wish.sealed() {
            Some(secrets) => Some(self.sealing_key(&*self.tenant.recent_state().await?, secrets).await?),
            None => None,
        };
        let on_record = asked.on_record(entry.id.0, true, key.as_deref());
        let tenant = on_record.as_ref().unwrap_or(&self.tenant);
        let _turn = self.inner().turns.of(self.account()).await;
        let mut state = self.tenant.recent_state().await?;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(pause_before(attempt)).await;
            }
            let own = if entry.is_custom { Some(self.view_of(state.clone()).await?) } else { None };
            // An entry of the account's own may have been changed or deleted since it was found.
            let entry = &own.map_or_else(|| Ok(entry.clone()), |view| view.find(&Reference::Id(entry.id)))?;
            match self.work_out(&state, entry, &wish, key.as_ref()).await {
                Ok(Some(mut change)) => {
                    let installation = change.installation.clone();
                    change.event = self.admit_event(change.event);
                    if tenant.write(&state, change).await? {
                        self.inner().changes.notify(self.account());
                        return Ok(outcome(Some(installation), true));
                    }
                    state = self.tenant.state().await?;
                }
                verdict @ (Ok(None) | Err(Error::Invalid(_) | Error::ParamsQuotaReached { .. })) => {
                    // It must hold now, not a moment ago.
                    let now = self.tenant.state().await?;
                    if now.revision() == state.revision() {
                        verdict?;
                        asked.record_unchanged(entry.id.0).await?;
                        return Ok(outcome(state.find(entry.id).cloned(), false));
                    }
                    state = now;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Overloaded)
    }

    /// `None` when nothing is to be done.
    async fn work_out(
        &self,
        state: &AccountState,
        entry: &Arc<Entry>,
        wish: &Wish,
        key: Option<&Arc<DataKey>>,
    ) -> Result<Option<Change>> {
        let before = state.find(entry.id);
        let is_installed = before.is_some_and(|row| row.installed_at.is_some());
        let at = store::now();
        let mut after = before.map(|row| Installation::clone(row)).unwrap_or_else(|| Installation::new(entry.id, at));
        (after.revision, after.updated_at) = (state.next_revision(at), at);
        let mut fields = FieldNames::default();
        let (action, secrets) = match wish {
            Wish::Uninstall if !is_installed => return Ok(None),
            Wish::Uninstall => {
                after.installed_at = None;
                (Action::Uninstalled, Vec::new())
            }
            Wish::Purge if before.is_none_or(|row| row.is_empty()) => return Ok(None),
            Wish::Purge => {
                let names = after.secret_names.iter().filter_map(|name| SecretName::parse(name));
                let removed: Vec<_> = names.map(|name| SecretChange { name, value: None }).collect();
                fields = FieldNames::changed(&after.secret_names, &removed, &after.params, &Params::default());
                after = Installation { revision: after.revision, ..Installation::new(entry.id, at) };
                (Action::Purged, removed)
            }
            Wish::Install { params: None, secrets } if is_installed && secrets.is_empty() => return Ok(None),
            Wish::Install { params, secrets } => {
                View::check_offered(entry, is_installed)?;
                after.installed_at.get_or_insert(at);
                let params = params.clone().unwrap_or_else(|| after.params.clone());
                self.check_quota(state, &after, &params)?;
                fields = FieldNames::changed(&after.secret_names, secrets, &after.params, &params);
                after.secret_names = merge_names(&after.secret_names, secrets)?;
                after.bind_secrets(secrets, self.inner().keys.binds_secrets());
                after.params = params;
                let action = if is_installed { Action::Updated } else { Action::Installed };
                (action, self.seal(state, &after, secrets, key).await?)
            }
        };
        let event = Event::new(self.call(), action).of(entry).naming(fields);
        Ok(Some(Change { installation: Arc::new(after), secrets, event }))
    }

    /// Checks that the account's params, with these in the place of the installation's own, stay within their limit. Params
    /// that get no larger are always taken.
    fn check_quota(&self, state: &AccountState, before: &Installation, params: &Params) -> Result<()> {
        let limit = self.inner().limits.params_max_bytes_per_account;
        let size = |params: &Params| if *params == Params::default() { 0 } else { params.as_json().len() };
        let others = state.installations().iter().filter(|row| row.integration_id != before.integration_id);
        let others = others.map(|row| size(&row.params)).sum::<usize>();
        let (before, after) = (size(&before.params), size(params));
        match after > before && others + after > limit {
            true => Err(Error::ParamsQuotaReached { limit, used: others + before }),
            false => Ok(()),
        }
    }

    /// The secrets with well-formed names, or the problems of params and secrets.
    fn check(&self, listed: &Listed, supplied: &Supplied) -> Result<Vec<SecretChange<Plain>>> {
        match listed.entry.is_custom {
            // An account wrote its patterns: compiling and matching them may take milliseconds.
            true => run_blocking(|| self.check_values(listed, supplied)),
            false => self.check_values(listed, supplied),
        }
    }

    fn check_values(&self, listed: &Listed, supplied: &Supplied) -> Result<Vec<SecretChange<Plain>>> {
        let limits = &self.inner().limits;
        let mut check = listed.forms().check();
        let mut problems = Problems::default();
        let mut secrets = Vec::new();
        // A part that is refused as a whole is one problem: telling of each field in it would make an answer without bound.
        if let Some(params) = supplied.params() {
            match too_large(Part::Params, params, limits.params_max_bytes) {
                Some(problem) => problems.push(problem),
                None => {
                    problems.extend(params.iter().filter_map(|(name, value)| check.value(Part::Params, name, value)));
                }
            }
        }
        let refused = too_large(Part::Secrets, supplied.secrets(), limits.secrets_max_bytes);
        if let Some(problem) = refused.or_else(|| too_many(supplied.secrets())) {
            problems.push(problem);
        } else {
            for (text, value) in supplied.secrets() {
                match check_secret(&mut check, text, value) {
                    Ok(name) => secrets.push(SecretChange { name, value: plain(value) }),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        match problems.listed().last().map(|last| last.part) {
            None => Ok(secrets),
            Some(part) => Err(Error::Invalid(problems.into_vec(|message| FieldProblem { part, name: None, message }))),
        }
    }

    /// Seals every value with this key, or with the active one if that is another by now; without values no key is needed.
    async fn seal(
        &self,
        state: &AccountState,
        after: &Installation,
        secrets: &[SecretChange<Plain>],
        key: Option<&Arc<DataKey>>,
    ) -> Result<Vec<SecretChange<Sealed>>> {
        let key = match key {
            Some(key) if self.inner().keys.is_fit(&self.tenant, state, key, sealed(secrets)).await? => {
                Some(key.clone())
            }
            Some(_) => Some(self.sealing_key(state, secrets).await?),
            None => None,
        };
        let seal = |secret: &SecretChange<Plain>| {
            let place = SecretPlace {
                account: self.account(),
                integration: after.integration_id,
                connection: CONNECTION,
                name: &secret.name,
                counter: after.secret_counters.get(secret.name.as_str()).copied(),
            };
            let value =
                key.as_ref().zip(secret.value.as_ref()).map(|(key, plain)| key.seal(&place, plain)).transpose()?;
            Ok(SecretChange { name: secret.name.clone(), value })
        };
        secrets.iter().map(seal).collect()
    }

    /// The key for these values. No transaction is open while a key service is asked.
    async fn sealing_key(&self, state: &AccountState, secrets: &[SecretChange<Plain>]) -> Result<Arc<DataKey>> {
        self.inner().keys.sealing_key(&self.tenant, state, sealed(secrets)).await
    }
}

/// How many values are to be sealed.
fn sealed(secrets: &[SecretChange<Plain>]) -> usize {
    secrets.iter().filter(|secret| secret.value.is_some()).count()
}

/// Longer each time, and by chance, which keeps replicas out of step: up to 8 ms, then up to 260 ms.
fn pause_before(attempt: u32) -> Duration {
    let chance = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    Duration::from_micros((chance * 16) << attempt.min(6))
}

/// `None` for `null`, which removes the name.
fn plain(value: &Value) -> Option<Plain> {
    (!value.is_null()).then(|| Plain::new(value.to_string().into_bytes()))
}

/// The name, when it is one and its value keeps the entry's rules. A removal has no value to check.
fn check_secret(check: &mut Check<'_>, text: &str, value: &Value) -> std::result::Result<SecretName, FieldProblem> {
    let Some(name) = SecretName::parse(text) else {
        let message = "is not a valid name: use 1 to 128 of A-Z a-z 0-9 _ . -".to_owned();
        return Err(FieldProblem { part: Part::Secrets, name: Some(text.to_owned()), message });
    };
    match (!value.is_null()).then(|| check.value(Part::Secrets, text, value)).flatten() {
        Some(problem) => Err(problem),
        None => Ok(name),
    }
}

fn too_large(part: Part, values: &Map<String, Value>, limit: usize) -> Option<FieldProblem> {
    (json_len(values) > limit).then(|| FieldProblem { part, name: None, message: format!("larger than {limit} bytes") })
}

/// More values than an installation keeps. Removals do not count: they make room.
fn too_many(secrets: &Map<String, Value>) -> Option<FieldProblem> {
    let given = secrets.values().filter(|value| !value.is_null()).count();
    let message = || format!("at most {SECRETS_PER_INSTALLATION} secrets");
    (given > SECRETS_PER_INSTALLATION).then(|| FieldProblem { part: Part::Secrets, name: None, message: message() })
}

/// Bytes of a value as JSON.
pub(super) fn json_len(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}
