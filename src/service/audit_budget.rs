//! The daily size of an account's audit log.
//!
//! An event is never left out: beyond the size it keeps the number of its names alone.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quick_cache::unsync::Cache;

use crate::domain::{AccountId, Event};

const SECONDS_PER_DAY: i64 = 86_400;
/// Most accounts that are counted at once. An account that is dropped starts again at 0.
const MAX_ACCOUNTS: usize = 10_000;

/// Called for each event that loses its names.
pub type AuditObserver = Arc<dyn Fn() + Send + Sync>;

/// Counts the bytes of events per account and day (UTC), on this replica.
pub(super) struct AuditBudget {
    /// 0 is no limit.
    max_bytes_per_day: u64,
    day: Mutex<Day>,
    observer: OnceLock<AuditObserver>,
}

struct Day {
    /// Since 1970.
    number: i64,
    bytes: Cache<AccountId, u64>,
}

impl Day {
    fn new(number: i64) -> Self {
        Self { number, bytes: Cache::new(MAX_ACCOUNTS) }
    }
}

impl AuditBudget {
    pub(super) fn new(max_bytes_per_day: u64) -> Self {
        Self { max_bytes_per_day, day: Mutex::new(Day::new(0)), observer: OnceLock::new() }
    }

    /// Sets the observer, once.
    pub(super) fn observe(&self, observer: AuditObserver) {
        let _ = self.observer.set(observer);
    }

    /// Counts an event that is about to be written. Returns it without its names when the account is over its daily size.
    pub(super) fn admit(&self, account: &AccountId, event: Event) -> Event {
        if self.max_bytes_per_day == 0 {
            return event;
        }
        let before = self.add(account, event.at().timestamp().div_euclid(SECONDS_PER_DAY), event.size() as u64);
        if before.saturating_add(event.size() as u64) <= self.max_bytes_per_day {
            return event;
        }
        if before <= self.max_bytes_per_day {
            let limit = self.max_bytes_per_day;
            tracing::warn!(%account, limit, "audit log is over audit.max_bytes_per_day: events keep no names until midnight UTC");
        }
        if !event.fields.as_slice().is_empty()
            && let Some(observer) = self.observer.get()
        {
            observer();
        }
        event.without_names()
    }

    /// The account's bytes of this day before these.
    fn add(&self, account: &AccountId, today: i64, size: u64) -> u64 {
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        // An event of yesterday may come late.
        if day.number < today {
            *day = Day::new(today);
        }
        let before = day.bytes.get(account).copied().unwrap_or(0);
        day.bytes.insert(account.clone(), before.saturating_add(size));
        before
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Map, Value};

    use super::*;
    use crate::domain::{Action, ActorKind, Call, FieldNames, Params, Principal};

    fn event() -> Event {
        let call =
            Call { principal: Principal::trusted(ActorKind::System, String::new()).into(), request_id: "r".into() };
        let params: Map<_, _> = (0..10).map(|n| (n.to_string(), Value::Null)).collect();
        let names = FieldNames::changed::<()>(&[], &[], &Params::default(), &Params::from(&params));
        Event::new(&call, Action::Updated).naming(names)
    }

    #[test]
    fn event_over_daily_size_keeps_number_of_names() {
        let size = event().size() as u64;
        let budget = AuditBudget::new(size * 2);
        let reduced = Arc::new(AtomicUsize::new(0));
        let counter = reduced.clone();
        budget.observe(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let account = |name| AccountId::parse(name).expect("well-formed");
        let names = |account: &AccountId| budget.admit(account, event()).fields.as_slice().len();
        assert_eq!([(); 4].map(|()| names(&account("acme"))), [10, 10, 0, 0]);
        assert_eq!(names(&account("other")), 10, "each account has its own");
        assert_eq!(budget.admit(&account("acme"), event()).fields.omitted(), 10);
        assert_eq!(reduced.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn next_day_starts_at_zero_and_zero_is_no_limit() {
        let budget = AuditBudget::new(100);
        let acme = AccountId::parse("acme").expect("well-formed");
        assert_eq!([budget.add(&acme, 7, 90), budget.add(&acme, 7, 90), budget.add(&acme, 6, 1)], [0, 90, 180]);
        assert_eq!([budget.add(&acme, 8, 90), budget.add(&acme, 8, 90)], [0, 90]);
        let unlimited = AuditBudget::new(0);
        assert!((0..1_000).all(|_| unlimited.admit(&acme, event()).fields.omitted() == 0));
    }
}
