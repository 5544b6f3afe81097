//! Whose request it is: the one place where a header becomes an account.

use axum::http::{HeaderMap, HeaderName};

use super::EdgeState;
use crate::domain::AccountId;
use crate::error::{Error, Result};
use crate::service::TenantServices;

/// Names the account.
pub const ACCOUNT_HEADER: HeaderName = HeaderName::from_static("x-account-id");

/// The account that the headers name; `None` when they name none.
///
/// # Errors
/// [`Error::AccountInvalid`] when the header is repeated or malformed.
pub fn account_in(headers: &HeaderMap) -> Result<Option<AccountId>> {
    let mut values = headers.get_all(ACCOUNT_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let account = value.to_str().ok().and_then(AccountId::parse);
    match (account, values.next()) {
        (Some(account), None) => Ok(Some(account)),
        _ => Err(Error::AccountInvalid),
    }
}

/// The services of the account that the headers name.
///
/// # Errors
/// [`Error::AccountRequired`] or [`Error::AccountInvalid`].
pub fn tenant_in(headers: &HeaderMap, state: &EdgeState) -> Result<TenantServices> {
    let account = account_in(headers)?.ok_or(Error::AccountRequired)?;
    Ok(state.services.tenant(account))
}
