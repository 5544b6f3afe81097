//! The words of the business, as types. Nothing here knows a JSON shape, a header, a table or a transport.

pub mod account;
pub mod api_key;
pub mod entry;
pub mod event;
pub mod field;
pub mod idempotency;
pub mod installation;
pub mod integration;
pub mod limits;
pub mod listing;
pub mod names;
pub mod operation;
pub mod pointer;
pub mod principal;
pub mod problems;
pub mod reference;
pub mod scope;
pub mod secret;
pub mod text;
mod words;

pub use account::AccountId;
pub use api_key::{ApiKey, ApiKeyRef, ApiKeySecret, ApiKeyWish, NewApiKey, PublicId, WishedAccounts};
pub use entry::{AuthKind, Entry, EntryState, IntegrationId, Part};
pub use event::{Action, Event, EventFilter, EventId, FieldNames};
pub use field::{FieldKind, FormField};
pub use idempotency::IdempotencyKey;
pub use installation::{CONNECTION, Installation, Params, SecretChange, Supplied};
pub use integration::{Integration, Status};
pub use listing::{CatalogOrder, CatalogQuery, Cursor, Page, Slice};
pub use names::reported_names;
pub use operation::Operation;
pub use principal::{Accounts, Actor, ActorKind, Call, Principal};
pub use problems::Problems;
pub use reference::Reference;
pub use scope::{Scope, Scopes};
pub use secret::{Plain, Sealed, SecretName};
