//! Installing and uninstalling.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::TenantServices;
use super::snapshot::Listed;
use super::validation::Forms;
use crate::domain::entry::{Entry, Part};
use crate::domain::limits::SECRETS_PER_INSTALLATION;
use crate::domain::{CONNECTION, Integration, Plain, Reference, Sealed, SecretChange, SecretName, Supplied};
use crate::error::{Error, FieldProblem, Result};
use crate::store::{AccountKey, InstallChange, Installed};
use crate::vault::{DataKey, SecretPlace, WrappedKey};

/// The generation of an account's first data key.
const FIRST_KEY: u32 = 1;

/// What came of an install or uninstall.
pub struct Outcome {
    /// The integration as it stands now.
    pub integration: Integration,
    /// Whether anything was changed.
    pub changed: bool,
}

impl TenantServices {
    /// Installs an integration, or merges into what is installed.
    ///
    /// Values are checked before any key is touched and sealed before the transaction opens, so that every failure
    /// leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] with one problem per field; [`Error::SecretsUnavailable`] when a
    /// secret was supplied and cannot be sealed; those of the database.
    pub async fn install(&self, reference: &Reference, supplied: Supplied) -> Result<Outcome> {
        let catalog = self.catalog();
        let listed = catalog.find_listed(reference).ok_or(Error::NotFound)?;
        let secrets = self.check(listed, &supplied)?;
        let mut resealed = false;
        loop {
            let sealed = self.seal(&listed.entry, &secrets).await?;
            let change =
                InstallChange { integration_id: listed.entry.id, params: supplied.params().cloned(), secrets: sealed };
            match self.tenant.install(change).await? {
                Installed::Done { installation, changed } => {
                    if changed {
                        self.inner().changes.notify(self.account());
                    }
                    let integration = Integration { entry: listed.entry.clone(), installation: Some(installation) };
                    return Ok(Outcome { integration, changed });
                }
                Installed::KeyRetired if !resealed => resealed = true,
                Installed::KeyRetired => {
                    let cause = "the account's data key was retired twice during one install".into();
                    return Err(Error::SecretsUnavailable { cause, retry_after: 1 });
                }
            }
        }
    }

    /// Uninstalls; params and secrets are kept as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn uninstall(&self, reference: &Reference) -> Result<Outcome> {
        let entry = self.catalog().find(reference).ok_or(Error::NotFound)?;
        let (installation, changed) = self.tenant.uninstall(entry.id).await?;
        if changed {
            self.inner().changes.notify(self.account());
        }
        Ok(Outcome { integration: Integration { entry, installation }, changed })
    }

    /// The secrets with well-formed names, or every problem of params and secrets.
    fn check(&self, listed: &Listed, supplied: &Supplied) -> Result<Vec<SecretChange<Plain>>> {
        let limits = &self.inner().limits;
        let forms = listed.forms();
        let mut problems = Vec::new();
        let mut secrets = Vec::with_capacity(supplied.secrets().len());
        // A part that is refused as a whole is one problem: telling of each field in it would make an answer without bound.
        if let Some(params) = supplied.params() {
            match too_large(Part::Params, params, limits.params_max_bytes) {
                Some(problem) => problems.push(problem),
                None => problems.extend(forms.check_params(params)),
            }
        }
        let refused = too_large(Part::Secrets, supplied.secrets(), limits.secrets_max_bytes);
        if let Some(problem) = refused.or_else(|| too_many(supplied.secrets())) {
            problems.push(problem);
        } else {
            for (text, value) in supplied.secrets() {
                match check_secret(forms, text, value) {
                    Ok(name) => secrets.push(SecretChange { name, value: plain(value) }),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if problems.is_empty() { Ok(secrets) } else { Err(Error::Invalid(problems)) }
    }

    /// Seals every value. No transaction is open meanwhile; without values no key is needed.
    async fn seal(&self, entry: &Arc<Entry>, secrets: &[SecretChange<Plain>]) -> Result<Vec<SecretChange<Sealed>>> {
        let needs_key = secrets.iter().any(|secret| secret.value.is_some());
        let key = if needs_key { Some(self.data_key().await?) } else { None };
        let seal = |secret: &SecretChange<Plain>| {
            let place = SecretPlace {
                account: self.account(),
                integration: entry.id,
                connection: CONNECTION,
                name: &secret.name,
            };
            let value =
                key.as_ref().zip(secret.value.as_ref()).map(|(key, plain)| key.seal(&place, plain)).transpose()?;
            Ok(SecretChange { name: secret.name.clone(), value })
        };
        secrets.iter().map(seal).collect()
    }

    /// The account's active data key, made at the first need.
    async fn data_key(&self) -> Result<DataKey> {
        let vault = &self.inner().vault;
        if let Some(stored) = self.tenant.find_active_key().await? {
            return vault.unwrap_key(self.account(), &wrapped(stored));
        }
        let (_, fresh) = vault.create_key(self.account(), FIRST_KEY)?;
        // Another request may have been faster: then its key is the account's, and ours is forgotten.
        let stored = self.tenant.insert_key_if_absent(&stored(fresh)).await?;
        vault.unwrap_key(self.account(), &wrapped(stored))
    }
}

/// `None` for `null`, which removes the name.
fn plain(value: &Value) -> Option<Plain> {
    (!value.is_null()).then(|| Plain::new(value.to_string().into_bytes()))
}

/// The name, when it is one and its value keeps the entry's rules. A removal has no value to check.
fn check_secret(forms: &Forms, text: &str, value: &Value) -> std::result::Result<SecretName, FieldProblem> {
    let Some(name) = SecretName::parse(text) else {
        let message = "is not a valid name: use 1 to 128 of A-Z a-z 0-9 _ . -".to_owned();
        return Err(FieldProblem { part: Part::Secrets, name: Some(text.to_owned()), message });
    };
    match (!value.is_null()).then(|| forms.check_secret(text, value)).flatten() {
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

fn json_len(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

fn wrapped(key: AccountKey) -> WrappedKey {
    WrappedKey { key_id: key.key_id, provider: key.provider, kek_ref: key.kek_ref, bytes: key.wrapped }
}

fn stored(key: WrappedKey) -> AccountKey {
    AccountKey { key_id: key.key_id, provider: key.provider, kek_ref: key.kek_ref, wrapped: key.bytes }
}
