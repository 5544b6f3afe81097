//! API keys: listing, making and revoking them.

use std::num::NonZeroU32;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{RestState, json, query, request_schemas, respond};
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::{Accounts, ApiKey, ApiKeyWish, Cursor, Operation, Scope, WishedAccounts, reported_names};
use crate::edge::{Failure, NoCompression, Visitor, idempotency_key, is_json, mark_replay, read_body};
use crate::error::Result;
use crate::service::{ApiKeyPage, MadeKey};

type Answer = std::result::Result<Response, Failure>;

/// List API keys
///
/// The keys that are good for the account and for none that the credentials do not cover, newest first, those included
/// that expired or were revoked. Never what proves one.
#[utoipa::path(get, path = "/api-keys", tag = "api keys", operation_id = "listApiKeys",
    params(ApiKeysQuery),
    responses(
        (status = 200, description = "A page of the list", body = ApiKeyList,
         headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account, or a malformed parameter"),
    ))]
pub(super) async fn list(State(state): State<RestState>, visitor: Visitor, headers: HeaderMap, uri: Uri) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::ListApiKeys)?;
    let slice = tenant.api_keys(query::read::<ApiKeysQuery>(&uri)?.page()?).await?;
    let last = slice.items.last().filter(|_| slice.has_next);
    let next = last.map(|last| ApiKeyPage::cursor(tenant.account(), last));
    let api_keys = slice.items.iter().map(ApiKeyBody::of).collect();
    let list = ApiKeyList { api_keys, next_cursor: next.as_ref().map(|Cursor(text)| text.clone()) };
    let mut response = respond::cached(&headers, &list)?;
    if let Some(cursor) = next {
        query::link_next(&mut response, &uri, &cursor)?;
    }
    Ok(response)
}

/// Make an API key
///
/// The answer holds the key, this once: only a digest of it is kept. It may have no scope and no account that the
/// credentials lack, and a key cannot make one that outlives it. A key made with a token ends within
/// `auth.max_key_days` (default 365): without `expires_at` then, and a later one is refused.
#[utoipa::path(post, path = "/api-keys", tag = "api keys", operation_id = "createApiKey",
    request_body = NewApiKeyBody,
    responses(
        (status = 201, description = "The key, with what is known of it", body = CreatedApiKey,
         headers(("Cache-Control" = String, description = "`no-store`"))),
        (status = 400, description = "A missing or malformed account, or a malformed body"),
        (status = 403, description = "The credentials lack a scope or an account of the key, would be outlived by it, or may not give its rate"),
        (status = 409, description = "The request made a key before, under the same `Idempotency-Key`; a key is shown once"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "A field cannot be taken, or there are too many keys; none was made"),
    ))]
pub(super) async fn create(State(state): State<RestState>, visitor: Visitor, headers: HeaderMap, body: Body) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::CreateApiKey)?;
    let bytes = read_body(&headers, body, state.edge.max_body_bytes).await?;
    if !is_json(&headers) {
        return Err(Failure::MediaType);
    }
    let mut body = json::body::<NewApiKeyBody>(&bytes)?;
    let ignored_fields = reported_names(std::mem::take(&mut body.others).keys());
    let made = tenant.create_api_key(body.wish()?, idempotency_key(&headers)?).await?;
    let created = CreatedApiKey { made: MadeApiKeyBody::of(&made), ignored_fields };
    let mut response = respond::json(json::text(&created)?);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(NoCompression);
    Ok(response)
}

/// Revoke an API key
///
/// It opens nothing any more from now on, through any replica within a second; what is open is closed. A key that is
/// revoked already stays as it is. The credentials must have every scope of the key. Safe to repeat.
#[utoipa::path(post, path = "/api-keys/{id}/revoke", tag = "api keys", operation_id = "revokeApiKey",
    params(("id" = String, Path, description = "UUID, in any case, or public id", example = "8Fq2LmZx")),
    responses(
        (status = 200, description = "Revoked", body = RevokedApiKey),
        (status = 400, description = "A missing or malformed account"),
        (status = 404, description = "No such key that the account can see"),
        (status = 413, description = "The body, which is ignored, is too large"),
    ))]
pub(super) async fn revoke(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Named,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::RevokeApiKey)?;
    read_body(&headers, body, state.edge.max_body_bytes).await?;
    let done = tenant.revoke_api_key(&path.0, idempotency_key(&headers)?).await?;
    let mut response = respond::json(json::text(&RevokedApiKey { api_key: ApiKeyBody::of(&done.what) })?);
    mark_replay(&mut response, done.is_replay);
    Ok(response)
}

/// The `{id}` of a path. One that is not UTF-8 is nobody's.
pub(super) struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Failure> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(text.map(|Path(text)| text).unwrap_or_default()))
    }
}

/// Paging of the list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ApiKeysQuery {
    /// Page size; 50 when not given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// Continues after the page that had this as `next_cursor`.
    #[param(schema_with = request_schemas::cursor)]
    cursor: Option<String>,
}

impl ApiKeysQuery {
    fn page(self) -> Result<ApiKeyPage> {
        let limit = query::limit(self.limit.as_deref())?.unwrap_or(PAGE_DEFAULT);
        Ok(ApiKeyPage { limit, after: self.cursor.map(Cursor) })
    }
}

/// What is known of an API key; nothing in it proves anything.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyBody<'a> {
    /// Its id, a UUIDv7.
    id: Uuid,
    /// The id in the key itself, and in the audit log.
    #[schema(example = "8Fq2LmZx", pattern = "^[0-9A-Za-z]{8}$")]
    public_id: &'a str,
    /// What people call it.
    #[schema(example = "worker")]
    name: &'a str,
    /// What it may do.
    #[schema(example = json!(["installations:read"]))]
    scopes: Vec<&'static str>,
    /// The accounts it is good for; empty when it is for all.
    #[schema(example = json!(["acme"]))]
    accounts: Vec<&'a str>,
    /// Good for all accounts there are and will be.
    all_accounts: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// By whom, kind and id.
    #[schema(example = "operator")]
    created_by: &'a str,
    /// When it ends by itself.
    #[schema(required = true)]
    expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to about a minute.
    #[schema(required = true)]
    last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    #[schema(required = true)]
    revoked_at: Option<DateTime<Utc>>,
    /// By whom.
    #[schema(required = true)]
    revoked_by: Option<&'a str>,
    /// The key's own limit in requests per minute; null for the default limits of a credential.
    #[schema(required = true, minimum = 1, maximum = 1_000_000)]
    rate_per_minute: Option<u32>,
}

/// A page of API keys.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyList<'a> {
    /// Newest first.
    api_keys: Vec<ApiKeyBody<'a>>,
    /// Where the next page starts, `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeApiKeyBody<'a> {
    /// What is known of it.
    api_key: ApiKeyBody<'a>,
    /// The key itself. It is shown this once.
    #[schema(
        pattern = "^pb_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$",
        example = "pb_live_8Fq2LmZx_0000000000000000000000000000000000000000000000000"
    )]
    key: &'a str,
}

/// Result of a creation.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedApiKey<'a> {
    #[serde(flatten)]
    made: MadeApiKeyBody<'a>,
    /// Members of the body that the operation does not read; each at most 136 characters.
    #[schema(example = json!([]), max_items = 100)]
    ignored_fields: Vec<String>,
}

/// A key that is revoked.
#[derive(Serialize, ToSchema)]
pub(super) struct RevokedApiKey<'a> {
    /// As it stands now.
    api_key: ApiKeyBody<'a>,
}

/// What a new key is to be. Unknown fields are ignored, and reported in `ignored_fields`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "worker", "scopes": ["installations:read"], "expires_at": "2099-01-31T00:00:00Z"}))]
pub(super) struct NewApiKeyBody {
    /// What people will call it.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\s\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]([^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*[^\s\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb])?$"
    )]
    name: String,
    /// What it may do.
    #[schema(schema_with = request_schemas::scopes)]
    scopes: Vec<String>,
    /// The accounts it is to be good for; absent: the account of the request.
    #[schema(required = false, schema_with = request_schemas::accounts)]
    accounts: Option<Vec<String>>,
    /// Instead of `accounts`: good for all there are and will be.
    #[serde(default)]
    all_accounts: bool,
    /// When it is to end by itself; absent: never, or after `auth.max_key_days` when made with a token.
    #[schema(required = false)]
    expires_at: Option<DateTime<Utc>>,
    /// The key's own limit in requests per minute; absent: the default limits of a credential. Only `admin` for all
    /// accounts may give more than the default.
    #[schema(required = false, minimum = 1, maximum = 1_000_000)]
    rate_per_minute: Option<u32>,
    /// Members of other names.
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

impl NewApiKeyBody {
    fn wish(self) -> Result<ApiKeyWish> {
        let accounts = WishedAccounts::from_list(self.accounts, self.all_accounts)?;
        Ok(ApiKeyWish {
            name: self.name,
            scopes: self.scopes,
            accounts,
            expires_at: self.expires_at,
            rate: self.rate_per_minute,
        })
    }
}

impl<'a> ApiKeyBody<'a> {
    /// The key in the words of REST.
    pub fn of(key: &'a ApiKey) -> Self {
        let (accounts, all_accounts) = match &key.accounts {
            Accounts::All => (Vec::new(), true),
            Accounts::Only(accounts) => (accounts.iter().map(|account| account.as_str()).collect(), false),
        };
        Self {
            id: key.id,
            public_id: &key.public_id,
            name: &key.name,
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            accounts,
            all_accounts,
            created_at: key.created_at,
            created_by: &key.created_by,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            revoked_by: key.revoked_by.as_deref(),
            rate_per_minute: key.rate.map(NonZeroU32::get),
        }
    }
}

impl<'a> MadeApiKeyBody<'a> {
    /// The key and its one copy, in the words of REST.
    pub fn of(made: &'a MadeKey) -> Self {
        Self { api_key: ApiKeyBody::of(&made.key), key: made.secret.expose() }
    }
}
