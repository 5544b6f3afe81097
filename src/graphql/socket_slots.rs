//! Open sockets of each credential and each account in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::limits::{LimitHolder, Reached};
use crate::domain::{AccountId, Actor, ActorKind};
use crate::error::Error;

/// Seconds to wait when too many sockets are open: their end is not known.
const RETRY_SECONDS: u64 = 1;

/// Most open sockets; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Of one API key or token subject.
    pub max_per_credential: u32,
    /// Of one account.
    pub max_per_account: u32,
}

/// Counts open sockets. Cheap to clone.
#[derive(Clone)]
pub(super) struct SocketSlots(Arc<Inner>);

struct Inner {
    limits: SocketLimits,
    open: Mutex<HashMap<Holder, u32>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Credential(ActorKind, String),
    Account(AccountId),
}

/// One open socket; it is counted until this is dropped.
pub(super) struct SocketSlot {
    slots: SocketSlots,
    holders: Vec<Holder>,
}

impl SocketSlots {
    pub(super) fn new(limits: SocketLimits) -> Self {
        Self(Arc::new(Inner { limits, open: Mutex::default() }))
    }

    /// Counts a socket for its credential and its account.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when one of them has reached its limit.
    pub(super) fn open(&self, actor: &Actor, account: &AccountId) -> Result<SocketSlot, Error> {
        let is_credential = matches!(actor.kind, ActorKind::ApiKey | ActorKind::Token);
        let credential = is_credential.then(|| Holder::Credential(actor.kind, actor.id.clone()));
        let holders: Vec<_> = credential.into_iter().chain([Holder::Account(account.clone())]).collect();
        let mut open = self.lock();
        for holder in &holders {
            let limit = self.limit_of(holder);
            if limit > 0 && open.get(holder).is_some_and(|sockets| *sockets >= limit) {
                let holder = match holder {
                    Holder::Credential(..) => LimitHolder::Credential,
                    Holder::Account(..) => LimitHolder::Account,
                };
                let reached = Reached { limit, window: None, holder };
                return Err(Error::RateLimited { reached, retry_after: RETRY_SECONDS });
            }
        }
        for holder in &holders {
            *open.entry(holder.clone()).or_default() += 1;
        }
        drop(open);
        Ok(SocketSlot { slots: self.clone(), holders })
    }

    fn limit_of(&self, holder: &Holder) -> u32 {
        match holder {
            Holder::Credential(..) => self.0.limits.max_per_credential,
            Holder::Account(_) => self.0.limits.max_per_account,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Holder, u32>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        for holder in &self.holders {
            if let Some(sockets) = open.get_mut(holder) {
                *sockets -= 1;
                if *sockets == 0 {
                    open.remove(holder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> SocketSlots {
        SocketSlots::new(SocketLimits { max_per_credential: 2, max_per_account: 3 })
    }

    fn open(slots: &SocketSlots, kind: ActorKind, key: &str, account: &str) -> Result<SocketSlot, Error> {
        let actor = Actor { kind, id: key.to_owned(), label: String::new() };
        slots.open(&actor, &AccountId::parse(account).expect("an account"))
    }

    #[test]
    fn credentials_and_accounts_have_their_own_sockets_and_they_return() {
        let slots = slots();
        let key = |key: &str, account: &str| open(&slots, ActorKind::ApiKey, key, account);
        let held = [key("a", "acme"), key("a", "acme"), key("b", "acme")];
        assert!(held.iter().all(Result::is_ok));
        assert!(key("a", "other").is_err(), "the credential has two");
        assert!(key("c", "acme").is_err(), "the account has three");
        drop(held);
        assert!(slots.lock().is_empty());
        assert!(key("a", "acme").is_ok());
    }

    #[test]
    fn callers_without_a_credential_share_the_account_limit() {
        let slots = slots();
        let held: Vec<_> = (0..3).map(|_| open(&slots, ActorKind::Gateway, "", "acme")).collect();
        assert!(held.iter().all(Result::is_ok) && open(&slots, ActorKind::Gateway, "", "acme").is_err());
        assert!(open(&slots, ActorKind::Gateway, "", "other").is_ok());
    }
}
