//! API keys, their list, and the inputs and payloads of making and revoking one.

use std::num::NonZeroU32;

use async_graphql::connection::PageInfo;
use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::DateTime;
use crate::domain::{self, AccountId, Accounts, ApiKeyWish, Cursor, Scope, Slice, WishedAccounts};
use crate::error::{Error, InputProblem, Result};
use crate::service::ApiKeyPage;

/// What is known of an API key; nothing in it proves anything.
pub(in crate::graphql) struct ApiKey(pub(in crate::graphql) domain::ApiKey);

/// What is known of an API key; nothing in it proves anything.
#[Object]
impl ApiKey {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The id in the key itself, and in the audit log.
    async fn public_id(&self) -> &str {
        &self.0.public_id
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it may do, such as `installations:read`.
    async fn scopes(&self) -> Vec<&'static str> {
        self.0.scopes.iter().map(Scope::as_str).collect()
    }

    /// The accounts it is good for; empty when it is for all.
    async fn accounts(&self) -> Vec<&str> {
        match &self.0.accounts {
            Accounts::All => Vec::new(),
            Accounts::Only(accounts) => accounts.iter().map(AccountId::as_str).collect(),
        }
    }

    /// Good for all accounts there are and will be.
    async fn all_accounts(&self) -> bool {
        self.0.accounts == Accounts::All
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// By whom, kind and id.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it ends by itself.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// When it was last used, to about a minute.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }

    /// When it was revoked.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }

    /// By whom.
    async fn revoked_by(&self) -> Option<&str> {
        self.0.revoked_by.as_deref()
    }

    /// The key's own limit in requests per minute; null for the default limits of a credential.
    async fn rate_per_minute(&self) -> Option<u32> {
        self.0.rate.map(NonZeroU32::get)
    }
}

/// A page of API keys, newest first.
pub(in crate::graphql) struct ApiKeyConnection {
    account: AccountId,
    slice: Slice<ApiKey>,
}

/// One API key of a page.
pub(in crate::graphql) struct ApiKeyEdge<'a> {
    account: &'a AccountId,
    node: &'a ApiKey,
}

impl ApiKeyConnection {
    pub(in crate::graphql) fn new(account: &AccountId, slice: Slice<domain::ApiKey>) -> Self {
        let Slice { items, has_next, has_previous } = slice;
        let items = items.into_iter().map(ApiKey).collect();
        Self { account: account.clone(), slice: Slice { items, has_next, has_previous } }
    }
}

/// A page of API keys, newest first.
#[Object]
impl ApiKeyConnection {
    /// The page, each with its cursor.
    async fn edges(&self) -> Vec<ApiKeyEdge<'_>> {
        self.slice.items.iter().map(|node| ApiKeyEdge { account: &self.account, node }).collect()
    }

    /// The page.
    async fn nodes(&self) -> &[ApiKey] {
        &self.slice.items
    }

    /// Where the page stands in the list.
    async fn page_info(&self) -> PageInfo {
        let cursor = |key| cursor(&self.account, key);
        PageInfo {
            has_previous_page: self.slice.has_previous,
            has_next_page: self.slice.has_next,
            start_cursor: self.slice.items.first().map(cursor),
            end_cursor: self.slice.items.last().map(cursor),
        }
    }
}

/// One API key of a page.
#[Object]
impl<'a> ApiKeyEdge<'a> {
    /// Where it stands in the list.
    async fn cursor(&self) -> String {
        cursor(self.account, self.node)
    }

    /// The API key.
    async fn node(&self) -> &ApiKey {
        self.node
    }
}

fn cursor(account: &AccountId, ApiKey(key): &ApiKey) -> String {
    let Cursor(text) = ApiKeyPage::cursor(account, key);
    text
}

/// What a new API key is to be.
#[derive(InputObject)]
pub(in crate::graphql) struct CreateApiKeyInput {
    /// What people will call it, 1 to 100 characters.
    name: String,
    /// What it may do, such as `installations:read`; at least one, and none that the credentials lack.
    scopes: Vec<String>,
    /// The accounts it is to be good for, 1 to 100; absent or null: the account of the request.
    accounts: Option<Vec<String>>,
    /// Instead of `accounts`: good for all there are and will be.
    #[graphql(default = false)]
    all_accounts: bool,
    /// When it is to end by itself; absent or null: never, or after `auth.max_key_days` when made with a token.
    expires_at: Option<DateTime>,
    /// The key's own limit in requests per minute, 1 to 1,000,000; absent or null: the default limits of a credential.
    /// Only `admin` for all accounts may give more than the default.
    rate_per_minute: Option<i32>,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

impl CreateApiKeyInput {
    /// # Errors
    /// Bad input when the accounts are given in two ways.
    pub(in crate::graphql) fn wish(self) -> Result<ApiKeyWish> {
        let accounts = WishedAccounts::from_list(self.accounts, self.all_accounts)?;
        let expires_at = self.expires_at.map(|DateTime(at)| at);
        // What is below 1 is out of range like 0.
        let rate = self.rate_per_minute.map(|rate| u32::try_from(rate).unwrap_or(0));
        Ok(ApiKeyWish { name: self.name, scopes: self.scopes, accounts, expires_at, rate })
    }
}

/// What API key to revoke.
#[derive(InputObject)]
pub(in crate::graphql) struct RevokeApiKeyInput {
    /// Its id, or its public id.
    pub(in crate::graphql) id: ID,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What came of making an API key.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CreateApiKeyPayload {
    /// What is known of it; null when there are user errors.
    pub(in crate::graphql) api_key: Option<ApiKey>,
    /// The key itself. It is shown this once; null when there are user errors.
    pub(in crate::graphql) key: Option<String>,
    /// What a person can fix; no key was made when there is any.
    pub(in crate::graphql) user_errors: Vec<ApiKeyError>,
}

/// What came of revoking an API key.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RevokeApiKeyPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) api_key: Option<ApiKey>,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix.
    pub(in crate::graphql) user_errors: Vec<ApiKeyError>,
}

/// Something a person can fix.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ApiKeyError {
    /// The rule that is broken, in words.
    message: String,
    /// The way to the field at fault from the mutation's arguments, such as `["input", "name"]`.
    field: Option<Vec<String>>,
    /// The kind of problem.
    code: ApiKeyErrorCode,
}

/// Kinds of problems.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(in crate::graphql) enum ApiKeyErrorCode {
    /// No such key that the account can see.
    ApiKeyNotFound,
    /// A field cannot be taken, or there are too many keys.
    ApiKeyInvalid,
}

impl ApiKeyError {
    /// What a person can fix of this error.
    ///
    /// # Errors
    /// The error itself, when it is of another kind.
    pub(in crate::graphql) fn of(error: Error) -> Result<Vec<Self>> {
        match error {
            Error::ApiKeyNotFound => Ok(vec![Self {
                message: Error::ApiKeyNotFound.public_message().into_owned(),
                field: path("id"),
                code: ApiKeyErrorCode::ApiKeyNotFound,
            }]),
            Error::ApiKeyInvalid(problems) => Ok(problems.into_iter().map(Self::from).collect()),
            error => Err(error),
        }
    }
}

impl From<InputProblem> for ApiKeyError {
    fn from(problem: InputProblem) -> Self {
        let field = match problem.field {
            "expires_at" => "expiresAt",
            "rate_per_minute" => "ratePerMinute",
            field => field,
        };
        Self { message: problem.message, field: path(field), code: ApiKeyErrorCode::ApiKeyInvalid }
    }
}

fn path(field: &str) -> Option<Vec<String>> {
    Some(vec!["input".into(), field.into()])
}
