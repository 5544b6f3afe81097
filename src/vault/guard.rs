//! Makes a key service bearable that is slow, away or refuses: every call ends within a deadline, is made once more where
//! that may help, and is not made at all while the service does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::Breaker;
use super::observer::{Observed, VaultObserver};
use super::provider::{Fault, KeyBytes, KeyPlace, LONG_WAIT, Provider};
use super::{KeyCheck, WrappedKey};
use crate::domain::AccountId;

/// The one operation that cannot be undone.
const DESTROY: &str = "destroy";

/// A provider that is reached over a network, guarded.
pub struct Guarded {
    provider: Arc<dyn Provider>,
    breaker: Breaker,
    /// The last answer was that it does not let us.
    is_denied: AtomicBool,
    /// For one call, its second attempt included.
    deadline: Duration,
    observer: VaultObserver,
}

impl Guarded {
    /// Guards a provider. Each call ends within the deadline, in which it is attempted twice at most.
    pub fn new(provider: Arc<dyn Provider>, deadline: Duration, observer: VaultObserver) -> Self {
        let breaker = Breaker::new(provider.name());
        Self { provider, breaker, is_denied: AtomicBool::new(false), deadline, observer }
    }

    async fn call<'a, T>(
        &'a self,
        operation: &'static str,
        attempt: impl Fn() -> BoxFuture<'a, Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let pass = match self.breaker.admit() {
            Ok(pass) => pass,
            Err(wait) => {
                self.tell(operation, "rejected", None);
                let name = self.name();
                return Err(Fault::Unavailable(format!("{name} does not answer and is not asked for {wait:.1?}")));
            }
        };
        // Not a probe, because more of them follow, and not what was done already if only its answer was lost.
        let is_repeated = !pass.is_probe() && operation != DESTROY;
        let started = Instant::now();
        let outcome = self.attempts(is_repeated, attempt).await;
        match &outcome {
            Err(Fault::Unavailable(_)) => pass.failed(),
            _ => pass.answered(),
        }
        self.is_denied.store(matches!(outcome, Err(Fault::Denied(_))), Ordering::Release);
        if let Err(fault @ (Fault::Denied(_) | Fault::Corrupt(_))) = &outcome {
            tracing::error!(provider = self.name(), operation, cause = fault.cause(), "the key service refused");
        }
        self.tell(operation, outcome.as_ref().map_or_else(Fault::word, |_| "ok"), Some(started.elapsed()));
        outcome
    }

    async fn attempts<'a, T>(
        &'a self,
        is_repeated: bool,
        attempt: impl Fn() -> BoxFuture<'a, Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + self.deadline;
        let late = |_| Err(Fault::Unavailable(format!("{} did not answer within {:?}", self.name(), self.deadline)));
        let first = timeout_at(deadline, attempt()).await.unwrap_or_else(late);
        let pause = pause();
        let is_away = matches!(first, Err(Fault::Unavailable(_)));
        if !is_repeated || !is_away || Instant::now() + pause >= deadline {
            return first;
        }
        sleep(pause).await;
        // Cut short, it tells less of the cause than the first.
        timeout_at(deadline, attempt()).await.unwrap_or(first)
    }

    fn tell(&self, operation: &'static str, outcome: &'static str, took: Option<Duration>) {
        let (provider, is_open) = (self.name(), self.breaker.is_open());
        (self.observer)(Observed::Call { provider, operation, outcome, took, is_open });
    }
}

/// Between two attempts, by chance, which keeps replicas out of step: 50 to 150 ms.
fn pause() -> Duration {
    Duration::from_millis(50 + u64::from(uuid::Uuid::new_v4().as_bytes()[0]) * 100 / 255)
}

#[async_trait]
impl Provider for Guarded {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault> {
        self.call("wrap", || self.provider.wrap(place, key)).await
    }

    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault> {
        self.call("unwrap", || self.provider.unwrap(place, wrapped)).await
    }

    async fn rewrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<WrappedKey, Fault> {
        self.call("rewrap", || self.provider.rewrap(place, wrapped)).await
    }

    async fn check(&self) -> Result<KeyCheck, Fault> {
        self.call("check", || self.provider.check()).await
    }

    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault> {
        self.call("verify", || self.provider.verify(check)).await
    }

    async fn destroy_key_of(&self, account: &AccountId) -> Result<bool, Fault> {
        self.call(DESTROY, || self.provider.destroy_key_of(account)).await
    }

    fn wait(&self) -> Option<Duration> {
        let is_denied = self.is_denied.load(Ordering::Acquire);
        self.breaker.wait().or(is_denied.then_some(LONG_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(3);
    const NEVER: Duration = Duration::from_secs(3_600);
    const SECOND: Duration = Duration::from_secs(1);

    type Answer = Result<(), Fault>;

    /// Gives its answers one after the other, each after a while; without any it works.
    #[derive(Default)]
    struct Script(Mutex<(VecDeque<(Duration, Answer)>, usize)>);

    #[async_trait]
    impl Provider for Script {
        fn name(&self) -> &'static str {
            "script"
        }

        async fn wrap(&self, _: KeyPlace<'_>, _: &KeyBytes) -> Result<WrappedKey, Fault> {
            unreachable!("not asked")
        }

        async fn unwrap(&self, _: KeyPlace<'_>, _: &WrappedKey) -> Result<KeyBytes, Fault> {
            unreachable!("not asked")
        }

        async fn check(&self) -> Result<KeyCheck, Fault> {
            unreachable!("not asked")
        }

        async fn verify(&self, _: &KeyCheck) -> Answer {
            let next = {
                let (answers, asked) = &mut *self.0.lock().expect("whole");
                *asked += 1;
                answers.pop_front()
            };
            let Some((after, answer)) = next else { return Ok(()) };
            sleep(after).await;
            answer
        }

        async fn destroy_key_of(&self, _: &AccountId) -> Result<bool, Fault> {
            self.verify(&check()).await.map(|()| true)
        }
    }

    struct Bench {
        script: Arc<Script>,
        guarded: Guarded,
        /// The outcomes as the observer was told of them.
        told: Arc<Mutex<Vec<&'static str>>>,
    }

    impl Bench {
        fn new() -> Self {
            let (script, told) = (Arc::new(Script::default()), Arc::new(Mutex::new(Vec::new())));
            let heard = told.clone();
            let observer: VaultObserver = Arc::new(move |observed| {
                if let Observed::Call { outcome, .. } = observed {
                    heard.lock().expect("whole").push(outcome);
                }
            });
            Self { guarded: Guarded::new(script.clone(), DEADLINE, observer), script, told }
        }

        /// The outcome when the service answers so, how often it was asked, and how long that took.
        async fn call(&self, answers: &[(Duration, Answer)]) -> (Answer, usize, Duration) {
            *self.script.0.lock().expect("whole") = (answers.iter().cloned().collect(), 0);
            let started = Instant::now();
            let outcome = self.guarded.verify(&check()).await;
            (outcome, self.asked(), started.elapsed())
        }

        fn asked(&self) -> usize {
            self.script.0.lock().expect("whole").1
        }

        /// Fails until the breaker is open.
        async fn opened() -> Self {
            let bench = Self::new();
            for _ in 0..5 {
                assert!(bench.call(&[away(), away()]).await.0.is_err());
            }
            assert!(bench.guarded.breaker.is_open());
            bench
        }
    }

    fn check() -> KeyCheck {
        KeyCheck { provider: "script".into(), kek_ref: String::new(), fingerprint: String::new(), bytes: Vec::new() }
    }

    fn away() -> (Duration, Answer) {
        (Duration::ZERO, Err(Fault::Unavailable("away".into())))
    }

    fn denied() -> (Duration, Answer) {
        (Duration::ZERO, Err(Fault::Denied("denied".into())))
    }

    fn corrupt() -> (Duration, Answer) {
        (Duration::ZERO, Err(Fault::Corrupt("corrupt".into())))
    }

    fn after(millis: u64, (_, answer): (Duration, Answer)) -> (Duration, Answer) {
        (Duration::from_millis(millis), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_made_once_more_where_that_may_help_and_never_beyond_its_deadline() {
        let works = (Duration::ZERO, Ok(()));
        let hangs = (NEVER, Ok(()));
        // What the service answers; the outcome, how often it is asked, and how long that takes, in milliseconds.
        for (answers, outcome, asked, took) in [
            (vec![works.clone()], "ok", 1, 0..=0),
            (vec![denied(), works.clone()], "denied", 1, 0..=0),
            (vec![corrupt(), works.clone()], "corrupt", 1, 0..=0),
            (vec![away(), works.clone()], "ok", 2, 50..=151),
            (vec![away(), denied()], "denied", 2, 50..=151),
            (vec![away(), away(), works.clone()], "unavailable", 2, 50..=151),
            (vec![after(2_000, away()), works.clone()], "ok", 2, 2_050..=2_151),
            (vec![after(2_000, away()), hangs.clone()], "unavailable", 2, 3_000..=3_001),
            (vec![after(2_960, away()), works.clone()], "unavailable", 1, 2_960..=2_961),
            (vec![hangs, works], "unavailable", 1, 3_000..=3_001),
        ] {
            let bench = Bench::new();
            let (_, times, elapsed) = bench.call(&answers).await;
            assert_eq!(*bench.told.lock().expect("whole"), [outcome], "{answers:?}");
            assert_eq!(times, asked, "{answers:?}");
            assert!(took.contains(&elapsed.as_millis()), "{elapsed:?}: {answers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_undone_is_attempted_once() {
        let bench = Bench::new();
        *bench.script.0.lock().expect("whole") = ([away(), away()].into(), 0);
        assert!(bench.guarded.destroy_key_of(&AccountId::parse("acme").expect("account")).await.is_err());
        assert_eq!(bench.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_breaker_is_open_calls_fail_at_once_and_the_service_is_left_alone() {
        let bench = Bench::opened().await;
        let (outcome, asked, took) = bench.call(&[]).await;
        assert!(matches!(outcome, Err(Fault::Unavailable(_))), "{outcome:?}");
        assert_eq!((asked, took), (0, Duration::ZERO));
        assert_eq!(*bench.told.lock().expect("whole"), [&["unavailable"; 5][..], &["rejected"]].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_attempted_once_and_any_answer_to_it_closes_the_breaker() {
        for (answer, closes) in [((Duration::ZERO, Ok(())), true), (denied(), true), (corrupt(), true), (away(), false)]
        {
            let bench = Bench::opened().await;
            sleep(SECOND).await;
            let (outcome, asked, _) = bench.call(&[answer]).await;
            assert_eq!(asked, 1, "{outcome:?}");
            assert_eq!(!bench.guarded.breaker.is_open(), closes, "{outcome:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_alone_never_open_the_breaker() {
        let bench = Bench::new();
        for _ in 0..20 {
            assert!(bench.call(&[denied()]).await.0.is_err() && bench.call(&[corrupt()]).await.0.is_err());
        }
        assert!(!bench.guarded.breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_cut_off_in_the_middle_is_followed_by_another() {
        let bench = Bench::opened().await;
        sleep(SECOND).await;
        let cut_off = tokio::time::timeout(SECOND / 2, bench.call(&[(NEVER, Ok(()))])).await;
        assert!(cut_off.is_err());
        assert_eq!(bench.call(&[]).await, (Ok(()), 1, Duration::ZERO));
        assert!(!bench.guarded.breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_out_of_order_from_the_first_failure_or_denial_to_the_next_success() {
        let bench = Bench::new();
        let works = (Duration::ZERO, Ok(()));
        for (answers, wait) in [
            (vec![works.clone()], None),
            (vec![away(), away()], Some(SECOND)),
            (vec![works.clone()], None),
            (vec![denied()], Some(LONG_WAIT)),
            // One account's key that does not open says nothing of the service.
            (vec![corrupt()], None),
            (vec![denied()], Some(LONG_WAIT)),
            (vec![works], None),
        ] {
            let (outcome, ..) = bench.call(&answers).await;
            assert_eq!(bench.guarded.wait(), wait, "{outcome:?}");
        }
        let bench = Bench::opened().await;
        sleep(SECOND / 4).await;
        assert_eq!(bench.guarded.wait(), Some(3 * SECOND / 4));
    }
}
