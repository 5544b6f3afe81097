//! Pages of keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ApiKeys;
use crate::domain::limits::PAGE_MAX;
use crate::domain::{AccountId, Accounts, ApiKey, Cursor, Slice};
use crate::error::{Error, Result};
use crate::store::KeysOf;

/// Keys read at once.
pub(super) const CHUNK: u64 = PAGE_MAX as u64 + 1;
/// Bytes of the digest that binds a cursor to its list.
const BINDING: usize = 8;

/// Which part of the list is wanted.
#[derive(Clone, Debug)]
pub struct ApiKeyPage {
    /// How many, from 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// Only what comes after.
    pub after: Option<Cursor>,
}

impl ApiKeys {
    pub(super) async fn page(&self, account: &AccountId, to: &Accounts, page: ApiKeyPage) -> Result<Slice<ApiKey>> {
        // Who may act for one account alone sees its own keys alone, and an index finds them.
        let of = if to.single() == Some(account) { KeysOf::Only(account) } else { KeysOf::OnlyOrSeveral(account) };
        let has_previous = page.after.is_some();
        let mut before = page.after.map(|cursor| position(account, &cursor)).transpose()?;
        let mut items = Vec::new();
        loop {
            let chunk = self.keys.list(of, before, CHUNK).await?;
            before = chunk.last().map(|key| key.id);
            let is_last = (chunk.len() as u64) < CHUNK;
            items.extend(chunk.into_iter().filter(|key| key.is_visible(account, to)));
            if is_last || items.len() > page.limit {
                break;
            }
        }
        let has_next = items.len() > page.limit;
        items.truncate(page.limit);
        Ok(Slice { items, has_next, has_previous })
    }
}

impl ApiKeyPage {
    /// The cursor of a key in the account's list.
    pub fn cursor(account: &AccountId, key: &ApiKey) -> Cursor {
        Cursor(URL_SAFE_NO_PAD.encode([&binding(account)[..], key.id.as_bytes()].concat()))
    }
}

fn position(account: &AccountId, Cursor(text): &Cursor) -> Result<Uuid> {
    let decode = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (bound, id) = bytes.split_at_checked(BINDING)?;
        Uuid::from_slice(id).ok().filter(|_| bound == binding(account))
    };
    decode().ok_or_else(|| {
        Error::bad_input("The cursor does not belong to this list: start again without one, or keep the account")
    })
}

/// Keeps no secret, but a cursor of another list is told apart.
fn binding(account: &AccountId) -> [u8; BINDING] {
    let digest = Sha256::digest(format!("api_keys\0{account}"));
    let mut binding = [0; BINDING];
    binding.copy_from_slice(&digest[..BINDING]);
    binding
}
