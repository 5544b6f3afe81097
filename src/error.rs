//! The one error type of the inside. Each transport translates it with one exhaustive match.
//!
//! It has no `Display` on purpose: a blanket conversion in the GraphQL library would publish it. Clients get
//! [`Error::public_message`]; `cause` is for the log alone.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::entry::Part;
use crate::domain::limits::Reached;
use crate::domain::{AccountId, Scope, pointer};

/// What can go wrong, cut by what a caller or operator would do about it.
#[derive(Clone, Debug)]
pub enum Error {
    /// No account was named.
    AccountRequired,
    /// The account named is malformed.
    AccountInvalid,
    /// A valid token whose account claim holds no account ids.
    AccountClaimInvalid {
        /// The claim, as a JSON pointer.
        claim: Arc<str>,
    },
    /// Nobody is proven to ask.
    Unauthenticated(CredentialFault),
    /// Who asks cannot be told: the identity provider's keys are not to be had.
    IdentityUnavailable,
    /// Who asks is known, and may not.
    Forbidden(Denial),
    /// The account or the credential asked too much.
    RateLimited {
        /// The limit.
        reached: Reached,
        /// Seconds after which the same request may be made.
        retry_after: u64,
    },
    /// The request is malformed in a way the message explains.
    BadInput {
        /// A sentence for the client, free of anything it supplied.
        message: Cow<'static, str>,
    },
    /// The request holds an integer that no 64 bits hold.
    IntegerOutOfRange {
        /// Where it stands, as a JSON pointer (RFC 6901) without control characters.
        pointer: String,
    },
    /// The query string has a parameter that the operation does not take.
    UnknownParameter {
        /// Its name; `None` when the name is too long or holds characters that no parameter has.
        name: Option<String>,
        /// The parameters that the operation takes.
        known: Vec<String>,
    },
    /// No such integration for this account.
    NotFound,
    /// The integration is not installed, and what is asked for is given of installed ones only.
    NotInstalled,
    /// The integration is deprecated, and not to be installed anew.
    Deprecated,
    /// The integration belongs to the shared catalog, which is not the account's to change.
    NotOwn,
    /// The integration is installed, and cannot be deleted.
    Installed,
    /// The account used this name for an entry of its own before.
    NameTaken,
    /// The account has as many entries of its own as it may.
    TooManyEntries {
        /// How many that is.
        most: u64,
    },
    /// The account's params would take more than they may.
    ParamsQuotaReached {
        /// The most they may take, in bytes of compact JSON.
        limit: usize,
        /// What they take, in bytes of compact JSON.
        used: usize,
    },
    /// The definitions of the account's custom integrations would exceed the maximum size.
    OwnCatalogFull {
        /// The maximum, in bytes of JSON.
        limit: u64,
        /// The bytes in use before the request.
        used: u64,
    },
    /// What was supplied as a catalog entry is none: one problem per mistake, never empty.
    DefinitionInvalid(Vec<DefinitionProblem>),
    /// Supplied values break the entry's schemas: one problem per field, never empty.
    Invalid(Vec<FieldProblem>),
    /// A request with this idempotency key is being worked on.
    RequestRunning,
    /// The idempotency key stands for another request.
    KeyReused,
    /// The request made an API key before, which is shown once.
    ApiKeyShownBefore {
        /// Which one.
        public_id: String,
    },
    /// No such API key for the one who asks.
    ApiKeyNotFound,
    /// An API key cannot be made as wished: one problem per field, never empty.
    ApiKeyInvalid(Vec<InputProblem>),
    /// Secrets cannot be sealed right now.
    SecretsUnavailable {
        /// For the log.
        cause: String,
        /// Seconds after which to try again.
        retry_after: u64,
    },
    /// A stored secret cannot be opened: its row is missing, changed, moved or older than the record says.
    SecretUnreadable {
        /// The secret's name.
        name: String,
        /// For the log.
        cause: String,
    },
    /// The database answered with an error.
    Database {
        /// For the log.
        cause: String,
    },
    /// The database cannot be used as it is, or as Patchbay is configured. Waiting does not help.
    DatabaseUnfit {
        /// For the log, with the cure.
        cause: String,
    },
    /// The database cannot be reached or has no connection free.
    DatabaseUnavailable {
        /// For the log.
        cause: String,
    },
    /// The server sheds load.
    Overloaded,
    /// The request took too long.
    Timeout,
    /// A defect of ours.
    Internal {
        /// For the log.
        cause: String,
    },
}

/// Why a server does not start: a sentence for the operator that names the culprit and the cure.
#[derive(Debug)]
pub enum StartError {
    /// Waiting does not help: the configuration, a key or a file is wrong.
    Permanent(String),
    /// Another start may succeed: something is away, or in use.
    Transient(String),
}

impl From<String> for StartError {
    fn from(sentence: String) -> Self {
        Self::Permanent(sentence)
    }
}

impl From<StartError> for String {
    fn from((StartError::Permanent(sentence) | StartError::Transient(sentence)): StartError) -> Self {
        sentence
    }
}

/// What is wrong with a credential. Only who holds the whole of it learns more than that it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// There is none.
    Missing,
    /// It is not one, or proves nothing.
    Invalid,
    /// It was right until its time was up.
    Expired,
    /// It was right until it was revoked.
    Revoked,
}

/// Why someone may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The credential is not for this account.
    Account,
    /// `connection_init` contradicts the headers of the upgrade.
    InitContradiction,
    /// The credential lacks this scope.
    Scope(Scope),
    /// Nobody may: the operator has not turned reading secrets back on.
    ReadBack,
    /// A key is wanted with this scope, which the credential lacks.
    KeyScope(Scope),
    /// A key is wanted for an account that the credential does not cover.
    KeyAccounts,
    /// A key is wanted that would outlive the key that asks for it.
    KeyExpiry,
    /// The requested rate of a key exceeds this many requests per minute.
    KeyRate(u32),
    /// The key to revoke has this scope, which the credential lacks.
    RevokedKeyScope(Scope),
    /// The server has no pepper to keep keys with.
    NoPepper,
}

/// A field of an input that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputProblem {
    /// The field, as REST names it.
    pub field: &'static str,
    /// What it must be, in words; never what was supplied.
    pub message: String,
}

/// A mistake of a catalog entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionProblem {
    /// Where it stands, as a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// The rule and the cure, in words.
    pub message: String,
}

/// One field that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// `params` or `secrets`.
    pub part: Part,
    /// The field's name; `None` when the part as a whole is at fault.
    pub name: Option<String>,
    /// The rule, in words; never the value.
    pub message: String,
}

impl FieldProblem {
    /// The problem with the place in front, `params.region: …`.
    pub fn sentence(&self) -> String {
        match &self.name {
            Some(name) => format!("{}.{name}: {}", self.part.as_str(), self.message),
            None => format!("{}: {}", self.part.as_str(), self.message),
        }
    }

    /// The place as a JSON pointer into what was supplied, `/params/region` (RFC 6901).
    pub fn pointer(&self) -> String {
        let part = self.part.as_str();
        format!("/{part}{}", self.name.as_deref().map(pointer::step).unwrap_or_default())
    }
}

/// Seconds a client should wait when the database or the identity provider is away, or the server is busy.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// What an integer of a request may be.
pub const INTEGER_RANGE: &str =
    "an integer goes from -9223372036854775808 to 18446744073709551615; send a larger one as a string";

impl Error {
    /// A bad-input error with this sentence.
    pub fn bad_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::BadInput { message: message.into() }
    }

    /// The sentence a client may see.
    pub fn public_message(&self) -> Cow<'static, str> {
        match self {
            Self::AccountRequired => "Missing X-Account-ID header".into(),
            Self::AccountInvalid => "Invalid X-Account-ID header".into(),
            Self::AccountClaimInvalid { claim } => {
                let grammar = AccountId::GRAMMAR;
                format!("Invalid account in the token: the claim {claim} must be an account id ({grammar}) or a list").into()
            }
            Self::Unauthenticated(fault) => match fault {
                CredentialFault::Missing => {
                    "Missing credentials: send an API key or a token as Authorization: Bearer, or come through the gateway"
                }
                CredentialFault::Invalid => "Invalid credentials",
                CredentialFault::Expired => "Expired credentials",
                CredentialFault::Revoked => "Revoked credentials",
            }
            .into(),
            Self::IdentityUnavailable => "Identity provider unavailable".into(),
            Self::Forbidden(Denial::Account) => "The credentials are not for this account".into(),
            Self::Forbidden(Denial::InitContradiction) => {
                "connection_init may only repeat the account and the actor of the upgrade".into()
            }
            Self::Forbidden(Denial::Scope(scope)) => format!("The credentials lack the scope {scope}").into(),
            Self::Forbidden(Denial::ReadBack) => {
                "Reading secrets back is turned off on this server: the operator turns it on with secrets.read_back"
                    .into()
            }
            Self::Forbidden(Denial::KeyScope(scope)) => {
                format!("The credentials lack the scope {scope}, so they cannot give it to a key").into()
            }
            Self::Forbidden(Denial::KeyAccounts) => "The credentials do not cover all accounts of the key".into(),
            Self::Forbidden(Denial::KeyExpiry) => "A key cannot outlive the key that makes it".into(),
            Self::Forbidden(Denial::KeyRate(most)) => format!(
                "The credentials may give a key at most {most} requests a minute: a higher rate is the operator's to give"
            )
            .into(),
            Self::Forbidden(Denial::RevokedKeyScope(scope)) => {
                format!("The credentials lack the scope {scope}, so they cannot revoke a key that has it").into()
            }
            Self::Forbidden(Denial::NoPepper) => "This server keeps no API keys: auth.pepper is not set".into(),
            Self::RateLimited { reached, .. } => format!("Too many requests: {}", reached.sentence()).into(),
            Self::BadInput { message } => message.clone(),
            Self::IntegerOutOfRange { pointer } => {
                format!("The integer at {pointer} is out of range: {INTEGER_RANGE}").into()
            }
            Self::UnknownParameter { name, known } => {
                let name = name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
                format!("Unknown query parameter{name}: the operation takes {}", known.join(", ")).into()
            }
            Self::NotFound => "Integration not found".into(),
            Self::NotInstalled => "Integration is not installed".into(),
            Self::Deprecated => "Integration is deprecated: it cannot be installed anew".into(),
            Self::NotOwn => "The integration belongs to the shared catalog: the operator alone can change it".into(),
            Self::Installed => "Integration is installed: uninstall it first, or delete it with force".into(),
            Self::NameTaken => "name: the account used it before, and names are never used again: choose another".into(),
            Self::TooManyEntries { most } => {
                format!("The account has {most} entries of its own, the most it may have: delete one first").into()
            }
            Self::ParamsQuotaReached { limit, used } => format!(
                "The account stores {used} bytes of params and may store {limit}: send smaller ones, or purge an integration"
            )
            .into(),
            Self::OwnCatalogFull { limit, used } => format!(
                "The definitions of the account's own entries take {used} of at most {limit} bytes, and this one does not fit: \
                 shorten it, or delete one first"
            )
            .into(),
            Self::DefinitionInvalid(problems) => {
                let sentences = problems.iter().map(|problem| format!("{} {}", problem.pointer, problem.message));
                sentences.collect::<Vec<_>>().join("; ").trim_start().to_owned().into()
            }
            Self::RequestRunning => "A request with this idempotency key is being worked on: wait for its answer".into(),
            Self::KeyReused => {
                "The idempotency key was used for another request: every request needs a key of its own".into()
            }
            Self::ApiKeyShownBefore { public_id } => format!(
                "This request made the API key {public_id} before, which is shown once: revoke it, and ask for another with \
                 a new idempotency key"
            )
            .into(),
            Self::ApiKeyNotFound => "API key not found".into(),
            Self::ApiKeyInvalid(problems) => {
                let sentences = problems.iter().map(|problem| format!("{} {}", problem.field, problem.message));
                sentences.collect::<Vec<_>>().join("; ").into()
            }
            Self::Invalid(problems) => {
                problems.iter().map(FieldProblem::sentence).collect::<Vec<_>>().join("; ").into()
            }
            Self::SecretsUnavailable { .. } => "Secret encryption service unavailable".into(),
            Self::SecretUnreadable { name, .. } => {
                format!("The stored secret {name} cannot be opened: store it again, or read the others by name").into()
            }
            Self::Database { .. } | Self::DatabaseUnfit { .. } => "Database error".into(),
            Self::DatabaseUnavailable { .. } => "Database unavailable".into(),
            Self::Overloaded => "Server is busy".into(),
            Self::Timeout => "Request timed out".into(),
            Self::Internal { .. } => "Internal error".into(),
        }
    }

    /// What the log should say beyond the public message.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::SecretsUnavailable { cause, .. }
            | Self::SecretUnreadable { cause, .. }
            | Self::Database { cause }
            | Self::DatabaseUnfit { cause }
            | Self::DatabaseUnavailable { cause }
            | Self::Internal { cause } => Some(cause),
            _ => None,
        }
    }

    /// Seconds after which the same request may succeed, where waiting helps.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::SecretsUnavailable { retry_after, .. } | Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::DatabaseUnavailable { .. } | Self::IdentityUnavailable | Self::Overloaded | Self::RequestRunning => {
                Some(RETRY_AFTER_SECONDS)
            }
            _ => None,
        }
    }
}

/// The inside's result.
pub type Result<T> = std::result::Result<T, Error>;
