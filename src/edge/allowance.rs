//! How much each account and each credential may still ask: so many requests a window, and so many at once.
//!
//! A window is no calendar's: what was spent comes back evenly (GCRA), so that nobody waits for the full hour; who spends
//! everything at the start of one has made at most twice the limit by its end. A request takes from its credential first,
//! so that one that asks too much takes nothing more from the account's others, and from the shortest window first, so
//! that a flood that the minute refuses does not use up the day.

use std::convert::Infallible;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::limits::{LimitHolder, Reached, RequestLimits, Window};
use crate::domain::{AccountId, Actor, ActorKind, Principal};
use crate::error::{Error, Result};

/// Most accounts and credentials that are remembered; one that is forgotten starts afresh. 100,000 take 27 MB.
const REMEMBERED_MAX: u64 = 100_000;
/// Room made at the start; it grows as they come.
const REMEMBERED_EXPECTED: usize = 1_024;
/// Seconds to wait when too many requests are under way: their end is not known.
const IN_FLIGHT_RETRY_SECONDS: u64 = 1;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What every account and credential has left, in this process. Cheap to clone.
#[derive(Clone)]
pub struct Allowances<C: Clock = MonotonicClock>(Arc<Inner<C>>);

struct Inner<C: Clock> {
    /// Whether there is any limit but those of single credentials.
    is_on: bool,
    limits: RequestLimits,
    /// What `RateLimit-Policy` says.
    policy: Option<HeaderValue>,
    clock: C,
    /// By a keyed hash of the holder, so that each takes the same room however long its name is. Two with the same one of
    /// 2^64 would share.
    holders: Cache<u64, Arc<Allowance<C>>>,
    hasher: RandomState,
}

/// Whose allowance it is.
#[derive(Clone, Copy, Hash)]
enum Holder<'a> {
    Credential(ActorKind, &'a str),
    /// A credential with a rate of its own, in requests a minute.
    Rated(ActorKind, &'a str, NonZeroU32),
    Account(&'a AccountId),
}

/// What one holder has left.
struct Allowance<C: Clock> {
    limits: RequestLimits,
    windows: [Option<Limiter<C>>; 3],
    /// For requests at once.
    places: Arc<Semaphore>,
    /// Bytes of large responses that are not written yet.
    unwritten: Arc<AtomicU64>,
}

/// The credential and the account of a request.
type Holders<'a, C> = [Option<(Holder<'a>, Arc<Allowance<C>>)>; 2];
type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// How a request stands with the limits, itself counted: of credential and account, the one that has less left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    windows: [Option<Left>; 3],
    /// Requests worked on and most of them at once, where that is limited.
    pub in_flight: Option<(u32, u32)>,
}

/// What is left of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub window: Window,
    /// Requests in the window.
    pub limit: u32,
    /// Requests that may be made at once.
    pub remaining: u32,
}

/// Permits of a request from its credential and its account, returned when dropped.
#[derive(Debug, Default)]
pub struct Places([Option<HolderPermits>; 2]);

#[derive(Debug)]
struct HolderPermits {
    /// `None` where requests at once are not limited.
    _request: Option<OwnedSemaphorePermit>,
    unwritten: Arc<AtomicU64>,
    /// Of those, the bytes of this request.
    bytes: u64,
}

impl Places {
    /// Counts the bytes of a response until the permits are dropped; false when a holder has more than `max` with them.
    /// A response always fits while its holder has no other.
    pub(super) fn try_hold_bytes(&mut self, bytes: u64, max: u64) -> bool {
        self.0.iter_mut().flatten().all(|holder| {
            let add = |held: u64| (held == 0 || held + bytes <= max).then_some(held + bytes);
            let is_held = holder.unwritten.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
            holder.bytes += if is_held { bytes } else { 0 };
            is_held
        })
    }
}

impl Drop for HolderPermits {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.unwritten.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Allowances {
    /// Allowances of this size for everyone.
    pub fn new(limits: RequestLimits) -> Self {
        Self::with_clock(limits, REMEMBERED_MAX, MonotonicClock)
    }
}

impl<C: Clock + Clone> Allowances<C> {
    fn with_clock(limits: RequestLimits, most: u64, clock: C) -> Self {
        let holders = Cache::with_weighter(REMEMBERED_EXPECTED, most, UnitWeighter);
        let policy = policy(Window::ALL.into_iter().zip(limits.per_window));
        let is_on = limits.in_flight > 0 || limits.per_window.iter().any(|limit| *limit > 0);
        Self(Arc::new(Inner { is_on, limits, policy, clock, holders, hasher: RandomState::new() }))
    }

    /// Takes `units` requests from the limits of the credential and the account, and a place among the requests at
    /// once. A credential is a key or a token for one account, or one with a rate of its own; a credential for several
    /// accounts and a gateway ask on behalf of many, so the accounts' limits alone count there.
    ///
    /// The standing is known in any case; instead of its places, a request that is refused gets
    /// [`Error::RateLimited`].
    pub fn spend(&self, by: &Principal, account: Option<&AccountId>, units: u32) -> (Standing, Result<Places>) {
        let holders = self.holders(by, account);
        let mut standing = Standing::default();
        let places = self.take(&holders, units, &mut standing);
        (standing, places)
    }

    /// Takes the places of a request that is counted already.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn acquire(&self, by: &Principal, account: Option<&AccountId>) -> Result<Places> {
        self.places(&self.holders(by, account), &mut Standing::default())
    }

    /// Spends further units for a request that was counted as one. A request that costs more than a whole window spends
    /// the whole window.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn spend_more(
        &self,
        by: &Principal,
        account: Option<&AccountId>,
        units: u32,
        standing: &mut Standing,
    ) -> Result<()> {
        let holders = self.holders(by, account);
        holders.iter().flatten().try_for_each(|(holder, own)| {
            self.count(*holder, own, standing, |limit| NonZeroU32::new(units.min(limit - 1)))
        })
    }

    /// Takes one request from the limits of a credential that named an account it does not cover. Also counts
    /// credentials for several accounts.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn spend_refusal(&self, by: &Principal) -> Result<()> {
        if !self.0.is_on {
            return Ok(());
        }
        let Actor { kind, id, .. } = &by.actor;
        let holder = Holder::of_credential(by).unwrap_or(Holder::Credential(*kind, id));
        self.count(holder, &self.of(holder), &mut Standing::default(), |_| Some(NonZeroU32::MIN))
    }

    fn holders<'a>(&self, by: &'a Principal, account: Option<&'a AccountId>) -> Holders<'a, C> {
        let is_counted = |holder: &Holder| self.0.is_on || matches!(holder, Holder::Rated(..));
        [Holder::of_credential(by), account.map(Holder::Account)]
            .map(|holder| holder.filter(is_counted).map(|holder| (holder, self.of(holder))))
    }

    /// Tells the client how it stands.
    pub fn tell(&self, standing: &Standing, headers: &mut HeaderMap) {
        headers.extend(self.policy_for(standing).map(|policy| (POLICY, policy)));
        let Some(tightest) = standing.windows().min_by_key(|left| left.remaining) else { return };
        headers.extend(
            list(standing.windows(), |left, text| {
                write!(text, "\"{}\";r={};t={}", left.window.as_str(), left.remaining, left.next_in_seconds())
            })
            .map(|state| (STATE, state)),
        );
        headers.insert(LIMIT, tightest.limit.into());
        headers.insert(REMAINING, tightest.remaining.into());
        headers.insert(RESET, tightest.resets_in_seconds().into());
    }

    /// Returns the configured policy, or that of the standing where a credential has a rate of its own.
    fn policy_for(&self, standing: &Standing) -> Option<HeaderValue> {
        let is_usual = |left: Left| self.0.limits.per_window[left.window as usize] == left.limit;
        if standing.windows().all(is_usual) {
            return self.0.policy.clone();
        }
        policy(standing.windows().map(|left| (left.window, left.limit)))
    }

    /// Places first: one that has to wait for its own requests spends nothing by asking.
    fn take(&self, holders: &Holders<C>, units: u32, standing: &mut Standing) -> Result<Places> {
        let places = self.places(holders, standing)?;
        for (holder, allowance) in holders.iter().flatten() {
            self.count(*holder, allowance, standing, |limit| NonZeroU32::new(units.min(limit)))?;
        }
        Ok(places)
    }

    fn places(&self, holders: &Holders<C>, standing: &mut Standing) -> Result<Places> {
        let mut places = Places::default();
        for (permits, (holder, allowance)) in places.0.iter_mut().zip(holders.iter().flatten()) {
            let _request = self.place(*holder, allowance, standing)?;
            *permits = Some(HolderPermits { _request, unwritten: allowance.unwritten.clone(), bytes: 0 });
        }
        Ok(places)
    }

    fn place(
        &self,
        holder: Holder,
        allowance: &Allowance<C>,
        standing: &mut Standing,
    ) -> Result<Option<OwnedSemaphorePermit>> {
        let limit = allowance.limits.in_flight;
        if limit == 0 {
            return Ok(None);
        }
        let place = allowance.places.clone().try_acquire_owned();
        let taken = limit - allowance.places.available_permits() as u32;
        standing.in_flight = standing.in_flight.max(Some((taken, limit)));
        place.map(Some).map_err(|_| holder.refused(limit, None, IN_FLIGHT_RETRY_SECONDS))
    }

    /// Spends the units that `units` gives for a window's limit.
    fn count(
        &self,
        holder: Holder,
        allowance: &Allowance<C>,
        standing: &mut Standing,
        units: impl Fn(u32) -> Option<NonZeroU32>,
    ) -> Result<()> {
        for (at, window) in Window::ALL.into_iter().enumerate() {
            let (Some(limiter), limit) = (&allowance.windows[at], allowance.limits.per_window[at]) else { continue };
            let Some(units) = units(limit) else { continue };
            // No request spends more than the limit, so the capacity never lacks.
            let Ok(checked) = limiter.check_n(units) else { continue };
            let remaining = checked.as_ref().map_or(0, StateSnapshot::remaining_burst_capacity);
            let left = Left { window, limit, remaining };
            let known = standing.windows[at].filter(|known| known.remaining <= remaining);
            standing.windows[at] = Some(known.unwrap_or(left));
            checked.map_err(|refusal| {
                let wait = refusal.wait_time_from(self.0.clock.now());
                holder.refused(limit, Some(window), (wait.as_secs_f64().ceil() as u64).max(1))
            })?;
        }
        Ok(())
    }

    fn of(&self, holder: Holder) -> Arc<Allowance<C>> {
        let inner = &*self.0;
        let limits = match holder {
            Holder::Rated(_, _, rate) => RequestLimits { per_window: [rate.get(), 0, 0], in_flight: 0 },
            Holder::Credential(..) | Holder::Account(_) => inner.limits,
        };
        let new = || Ok::<_, Infallible>(Arc::new(Allowance::new(limits, &inner.clock)));
        let Ok(allowance) = inner.holders.get_or_insert_with(&inner.hasher.hash_one(holder), new);
        allowance
    }
}

impl<'a> Holder<'a> {
    /// The credential as a holder of limits, if it has any.
    fn of_credential(by: &'a Principal) -> Option<Self> {
        let Actor { kind, id, .. } = &by.actor;
        match by.rate {
            Some(rate) => Some(Self::Rated(*kind, id, rate)),
            None => by.accounts.single().map(|_| Self::Credential(*kind, id)),
        }
    }

    fn refused(self, limit: u32, window: Option<Window>, retry_after: u64) -> Error {
        let holder = match self {
            Self::Credential(..) | Self::Rated(..) => LimitHolder::Credential,
            Self::Account(_) => LimitHolder::Account,
        };
        Error::RateLimited { reached: Reached { limit, window, holder }, retry_after }
    }
}

impl<C: Clock + Clone> Allowance<C> {
    fn new(limits: RequestLimits, clock: &C) -> Self {
        let quotas = std::array::from_fn(|at| quota(Window::ALL[at], limits.per_window[at]));
        let limiter = |quota| RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware();
        Self {
            windows: quotas.map(|quota| quota.map(limiter)),
            places: Arc::new(Semaphore::new(limits.in_flight as usize)),
            unwritten: Arc::default(),
            limits,
        }
    }
}

/// The whole window's requests may come at once, and come back evenly. `None` for no limit.
fn quota(window: Window, limit: u32) -> Option<Quota> {
    let limit = NonZeroU32::new(limit)?;
    let window = Duration::from_secs(window.seconds().into());
    Some(Quota::with_period(window / limit.get())?.allow_burst(limit))
}

impl Standing {
    /// Whether any limit counts the caller's requests.
    pub(super) fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    /// What is left of each window that is limited, the shortest first. After a refusal, only of those looked at.
    pub fn windows(&self) -> impl Iterator<Item = Left> {
        self.windows.iter().copied().flatten()
    }
}

impl Left {
    /// Seconds in which one more request is given back, at most.
    fn next_in_seconds(self) -> u32 {
        self.window.seconds().div_ceil(self.limit)
    }

    /// Seconds after which nothing would be spent any more, if no request came.
    pub fn resets_in_seconds(self) -> u32 {
        let spent = u64::from(self.limit - self.remaining);
        (spent * u64::from(self.window.seconds())).div_ceil(self.limit.into()) as u32
    }
}

/// `"minute";q=60;w=60, …`, as draft-ietf-httpapi-ratelimit-headers-10 has it; `None` when no window is limited.
fn policy(limits: impl Iterator<Item = (Window, u32)>) -> Option<HeaderValue> {
    let limited = limits.filter(|(_, limit)| *limit > 0);
    list(limited, |(window, limit), text| write!(text, "\"{}\";q={limit};w={}", window.as_str(), window.seconds()))
}

/// A structured list (RFC 9651, section 3.1); `None` when there is nothing in it.
fn list<T>(items: impl Iterator<Item = T>, item: impl Fn(T, &mut String) -> fmt::Result) -> Option<HeaderValue> {
    let mut text = String::with_capacity(96);
    for one in items {
        if !text.is_empty() {
            text.push_str(", ");
        }
        item(one, &mut text).ok()?;
    }
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::domain::Accounts;

    const NO_LIMITS: RequestLimits = RequestLimits { per_window: [0; 3], in_flight: 0 };

    struct Bench {
        clock: FakeRelativeClock,
        allowances: Allowances<FakeRelativeClock>,
    }

    impl Bench {
        fn new(limits: RequestLimits) -> Self {
            Self::remembering(REMEMBERED_MAX, limits)
        }

        fn remembering(most: u64, limits: RequestLimits) -> Self {
            let clock = FakeRelativeClock::default();
            Self { allowances: Allowances::with_clock(limits, most, clock.clone()), clock }
        }

        fn wait(&self, seconds: f64) {
            self.clock.advance(Duration::from_secs_f64(seconds));
        }

        fn spend(&self, key: &str, account: &str) -> (Standing, Result<Places>) {
            self.allowances.spend(&holder(ActorKind::ApiKey, key), AccountId::parse(account).as_ref(), 1)
        }

        /// Spends until it is refused: how often it went well, and why it did not.
        fn drain(&self, key: &str, account: &str) -> (u32, Reached, u64) {
            for times in 0.. {
                match self.spend(key, account).1 {
                    Ok(_) => {}
                    Err(Error::RateLimited { reached, retry_after }) => return (times, reached, retry_after),
                    Err(other) => panic!("{other:?}"),
                }
            }
            unreachable!()
        }
    }

    /// A principal with a credential for one account.
    fn holder(kind: ActorKind, id: &str) -> Principal {
        let mut principal = Principal::trusted(kind, "");
        principal.actor.id = id.to_owned();
        principal.accounts = Accounts::Only(AccountId::parse("acme").into_iter().collect());
        principal
    }

    fn per(minute: u32, hour: u32, day: u32) -> RequestLimits {
        RequestLimits { per_window: [minute, hour, day], in_flight: 0 }
    }

    fn told(bench: &Bench, standing: &Standing) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        bench.allowances.tell(standing, &mut headers);
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect()
    }

    #[test]
    fn each_window_is_spent_and_comes_back_evenly() {
        for (limits, window, period) in
            [(per(4, 0, 0), Window::Minute, 15), (per(0, 4, 0), Window::Hour, 900), (per(0, 0, 4), Window::Day, 21_600)]
        {
            let bench = Bench::new(limits);
            let reached = Reached { limit: 4, window: Some(window), holder: LimitHolder::Credential };
            assert_eq!(bench.drain("a", "acme").0, 4, "{window:?}");
            bench.wait(f64::from(period) - 1.5);
            assert_eq!(bench.drain("a", "acme"), (0, reached, 2), "{window:?}");
            bench.wait(1.5);
            assert_eq!(bench.drain("a", "acme").0, 1, "{window:?}: one came back");
            bench.wait(f64::from(window.seconds()) * 10.0);
            assert_eq!(bench.drain("a", "acme").0, 4, "{window:?}: all came back, and no more");
        }
    }

    #[test]
    fn further_units_are_spent_without_a_place_and_at_most_a_window() {
        let bench = Bench::new(RequestLimits { per_window: [10, 0, 0], in_flight: 1 });
        let spend = |units| {
            let (mut standing, places) = bench.spend("a", "acme");
            let _places = places?;
            let by = holder(ActorKind::ApiKey, "a");
            let account = AccountId::parse("acme");
            bench.allowances.spend_more(&by, account.as_ref(), units, &mut standing)?;
            Ok::<_, Error>(standing.windows().map(|left| left.remaining).collect::<Vec<_>>())
        };
        assert_eq!(spend(3).expect("spent"), [6]);
        assert!(matches!(spend(6), Err(Error::RateLimited { .. })), "the window has five left");
        bench.wait(60.0);
        assert_eq!(spend(1_000).expect("spent"), [0], "a whole window");
    }

    #[test]
    fn the_wait_is_never_shorter_than_a_second() {
        let bench = Bench::new(per(600, 0, 0));
        assert_eq!(bench.drain("", "acme").2, 1);
    }

    #[test]
    fn a_flood_that_the_minute_refuses_does_not_use_up_the_day() {
        let bench = Bench::new(per(5, 0, 20));
        for _ in 0..100 {
            let _ = bench.spend("a", "acme");
        }
        bench.wait(60.0);
        let (standing, _) = bench.spend("a", "acme");
        assert_eq!(standing.windows().map(|left| left.remaining).collect::<Vec<_>>(), [4, 14]);
    }

    #[test]
    fn several_keys_of_an_account_share_what_it_has() {
        let bench = Bench::new(per(6, 0, 0));
        for key in ["a", "b", "c"] {
            assert!(bench.spend(key, "acme").1.is_ok() && bench.spend(key, "acme").1.is_ok(), "{key}");
        }
        let (times, reached, _) = bench.drain("d", "acme");
        assert_eq!((times, reached.holder), (0, LimitHolder::Account));
        assert_eq!(bench.drain("e", "other").0, 6, "another account has its own");
    }

    #[test]
    fn a_credential_has_limits_of_its_own_whichever_account_it_names() {
        let bench = Bench::new(per(6, 0, 0));
        for account in ["x", "y", "z"] {
            assert!(bench.spend("a", account).1.is_ok() && bench.spend("a", account).1.is_ok(), "{account}");
        }
        for account in ["x", "new"] {
            let (times, reached, _) = bench.drain("a", account);
            assert_eq!((times, reached.holder), (0, LimitHolder::Credential), "{account}");
        }
        let (standing, places) = bench.spend("b", "x");
        assert!(places.is_ok());
        let left: Vec<_> = standing.windows().map(|left| left.remaining).collect();
        assert_eq!(left, [3], "a refused key takes nothing from the account, and the lower of the two is told");
    }

    #[test]
    fn limits_count_accounts_and_credentials_for_one_account() {
        for kind in ActorKind::ALL {
            let bench = Bench::new(per(1, 0, 0));
            let spend = |by: &Principal, account| bench.allowances.spend(by, AccountId::parse(account).as_ref(), 1).1;
            let for_all = Principal::trusted(*kind, "");
            assert!(["a", "b", "c"].iter().all(|account| spend(&for_all, account).is_ok()), "{kind:?}");
            assert!(spend(&for_all, "a").is_err(), "{kind:?}: the account's own limit holds");
        }
        let bench = Bench::new(per(1, 0, 0));
        let spend = |kind| bench.allowances.spend(&holder(kind, "same"), None, 1).1;
        assert!(spend(ActorKind::ApiKey).is_ok() && spend(ActorKind::Token).is_ok(), "of one name, and two");
    }

    #[test]
    fn a_rate_of_its_own_replaces_the_limits_of_a_credential() {
        let bench = Bench::new(RequestLimits { in_flight: 1, ..per(1, 1, 1) });
        let by = Principal { rate: NonZeroU32::new(3), ..Principal::trusted(ActorKind::ApiKey, "") };
        let spend = |account: &str| bench.allowances.spend(&by, AccountId::parse(account).as_ref(), 1);
        let (standing, places) = spend("a");
        assert!(places.is_ok());
        let policy = told(&bench, &standing).remove(0);
        assert_eq!(policy.1, "\"minute\";q=1;w=60, \"hour\";q=1;w=3600, \"day\";q=1;w=86400");
        assert!(spend("b").1.is_ok() && spend("c").1.is_ok());
        match spend("d").1 {
            Err(Error::RateLimited { reached, retry_after }) => {
                let window = Some(Window::Minute);
                assert_eq!(reached, Reached { limit: 3, window, holder: LimitHolder::Credential });
                assert_eq!(retry_after, 20);
            }
            other => panic!("{other:?}"),
        }
        let (standing, _) = bench.allowances.spend(&by, None, 1);
        assert_eq!(told(&bench, &standing).remove(0).1, "\"minute\";q=3;w=60");
    }

    #[test]
    fn a_request_of_several_units_takes_them_together() {
        let bench = Bench::new(per(5, 0, 0));
        let by = holder(ActorKind::ApiKey, "a");
        let acme = AccountId::parse("acme");
        let spend = |units| bench.allowances.spend(&by, acme.as_ref(), units);
        assert_eq!(spend(3).0.windows().next().map(|left| left.remaining), Some(2));
        assert!(spend(3).1.is_err() && spend(2).1.is_ok(), "a refused request takes nothing");
        bench.wait(60.0);
        assert!(spend(50).1.is_ok(), "more than there ever are take all");
        let more = |units| bench.allowances.spend_more(&by, acme.as_ref(), units, &mut Standing::default());
        assert!(more(1).is_err() && more(0).is_ok());
    }

    #[test]
    fn a_refused_account_is_counted_to_any_credential() {
        let bench = Bench::new(per(2, 0, 0));
        for by in [holder(ActorKind::ApiKey, "a"), Principal::trusted(ActorKind::Token, "")] {
            assert!(bench.allowances.spend_refusal(&by).is_ok() && bench.allowances.spend_refusal(&by).is_ok());
            assert!(bench.allowances.spend_refusal(&by).is_err());
        }
    }

    #[test]
    fn places_come_back_and_cost_nothing_when_there_is_none() {
        let bench = Bench::new(RequestLimits { in_flight: 2, ..per(100, 0, 0) });
        let (first, second) = (bench.spend("a", "acme"), bench.spend("b", "acme"));
        assert_eq!((first.0.in_flight, second.0.in_flight), (Some((1, 2)), Some((2, 2))));
        let (times, reached, wait) = bench.drain("c", "acme");
        assert_eq!((times, wait), (0, 1));
        assert_eq!(reached, Reached { limit: 2, window: None, holder: LimitHolder::Account });
        assert!(bench.spend("a", "other").1.is_ok(), "another account has its own");
        drop(first);
        let (standing, _places) = bench.spend("c", "acme");
        assert_eq!(standing.in_flight, Some((2, 2)));
        assert_eq!(standing.windows().next().map(|left| left.remaining), Some(97), "three were let in");
    }

    #[test]
    fn unwritten_bytes_are_bounded_per_holder_and_one_response_fits() {
        let bench = Bench::new(per(100, 0, 0));
        let places = |key: &str, account: &str| bench.spend(key, account).1.expect("no limit");
        let mut first = places("a", "acme");
        assert!(first.try_hold_bytes(900, 100), "one always fits");
        assert!(!places("a", "other").try_hold_bytes(1, 100), "the credential has one");
        assert!(!places("b", "acme").try_hold_bytes(1, 100), "the account has one");
        assert!(places("b", "other").try_hold_bytes(1, 100), "a refused response counts nowhere");
        drop(first);
        assert!(places("a", "acme").try_hold_bytes(1, 100));
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        let bench = Bench::new(NO_LIMITS);
        let (standing, places) = bench.spend("a", "acme");
        assert!(places.is_ok() && told(&bench, &standing).is_empty());
        assert_eq!(standing, Standing::default());
    }

    #[test]
    fn what_is_told_is_a_structured_list_and_the_tightest_window() {
        let bench = Bench::new(RequestLimits { in_flight: 20, ..per(60, 1_000, 10_000) });
        let (standing, _) = bench.spend("", "acme");
        let expected = [
            ("ratelimit-policy", "\"minute\";q=60;w=60, \"hour\";q=1000;w=3600, \"day\";q=10000;w=86400"),
            ("ratelimit", "\"minute\";r=59;t=1, \"hour\";r=999;t=4, \"day\";r=9999;t=9"),
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "59"),
            ("x-ratelimit-reset", "1"),
        ];
        assert_eq!(told(&bench, &standing), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        bench.drain("", "acme");
        let refused = told(&bench, &bench.spend("", "acme").0);
        assert_eq!(refused[1].1, "\"minute\";r=0;t=1", "windows that were not looked at are not guessed");
        assert_eq!(refused[4].1, "60");
    }

    #[test]
    fn few_are_remembered_however_many_come() {
        let bench = Bench::remembering(1_000, per(1, 0, 0));
        let spend = |i| bench.spend(&format!("key{i}"), &format!("account{i}")).1;
        assert!((0..20_000).all(|i| spend(i).is_ok()));
        let remembered = bench.allowances.0.holders.len();
        assert!((500..=1_000).contains(&remembered), "{remembered}");
        let afresh = (0..20_000).filter(|i| spend(*i).is_ok()).count();
        assert!(afresh >= 19_000, "{afresh}: who was forgotten starts afresh");
    }
}
