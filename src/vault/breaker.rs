//! Stops asking a key service that does not answer, and lets one call at a time find out whether it does again.
//!
//! Closed: every call goes through. Open, after several failures in a row: none does until the pause is over. Half-open: one
//! goes through, the probe; it closes the breaker, or opens it for a pause twice as long. The clock is monotonic.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// From opening to the first probe.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two probes, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Breaker {
    /// For the log.
    provider: &'static str,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    HalfOpen { pause: Duration },
}

/// Lets one call through. Dropped without a verdict, for instance because its caller went away, it tells nothing: if it was
/// the probe, the next call is.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn new(provider: &'static str) -> Self {
        Self { provider, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// A pass, or how long none will be given.
    pub(super) fn admit(&self) -> Result<Pass<'_>, Duration> {
        let mut state = self.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, pause } if until <= Instant::now() => {
                *state = State::HalfOpen { pause };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => return Err(state.wait().unwrap_or(FIRST_PAUSE)),
        };
        Ok(Pass { breaker: self, is_probe })
    }

    /// How long to wait before asking again makes sense; `None` when the last call was answered.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.lock().wait()
    }

    /// Whether calls are turned away, but for the probe.
    pub(super) fn is_open(&self) -> bool {
        !matches!(*self.lock(), State::Closed { .. })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A state is one value: no panic leaves half of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(self) -> Option<Duration> {
        match self {
            Self::Closed { failures: 0 } => None,
            Self::Closed { .. } | Self::HalfOpen { .. } => Some(FIRST_PAUSE),
            Self::Open { until, .. } => Some(until.saturating_duration_since(Instant::now())),
        }
    }
}

impl Pass<'_> {
    /// Whether everybody else is turned away meanwhile.
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The service answered, be it with a refusal.
    pub(super) fn answered(mut self) {
        let mut state = self.breaker.lock();
        // What was asked before the breaker opened says little of now: only the probe closes it.
        if self.is_probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0 };
        }
        drop(state);
        if std::mem::take(&mut self.is_probe) {
            tracing::info!(provider = self.breaker.provider, "the key service answers again");
        }
    }

    /// It did not.
    pub(super) fn failed(mut self) {
        let mut state = self.breaker.lock();
        let pause = match *state {
            State::Closed { failures } if failures + 1 < FAILURES => {
                *state = State::Closed { failures: failures + 1 };
                return;
            }
            State::Closed { .. } => FIRST_PAUSE,
            State::HalfOpen { pause } if self.is_probe => LONGEST_PAUSE.min(2 * pause),
            State::Open { .. } | State::HalfOpen { .. } => return,
        };
        *state = State::Open { until: Instant::now() + pause, pause };
        drop(state);
        if !std::mem::take(&mut self.is_probe) {
            tracing::warn!(
                provider = self.breaker.provider,
                "the key service does not answer: it is asked now and then"
            );
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if let (true, State::HalfOpen { pause }) = (self.is_probe, *state) {
            *state = State::Open { until: Instant::now(), pause };
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit().expect("let through").failed();
        }
    }

    fn opened() -> Breaker {
        let breaker = Breaker::new("test");
        fail(&breaker, FAILURES);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_five_failures_in_a_row_and_an_answer_begins_the_count_anew() {
        let breaker = Breaker::new("test");
        assert_eq!(breaker.wait(), None);
        for _ in 0..3 {
            fail(&breaker, FAILURES - 1);
            assert!(!breaker.is_open());
            assert_eq!(breaker.wait(), Some(FIRST_PAUSE));
            breaker.admit().expect("let through").answered();
            assert_eq!(breaker.wait(), None);
        }
        fail(&breaker, FAILURES);
        assert!(breaker.is_open());
        assert_eq!(breaker.admit().err(), Some(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_pause_up_to_thirty_seconds() {
        let breaker = opened();
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let pause = seconds * SECOND;
            assert_eq!(breaker.admit().err(), Some(pause));
            advance(pause - Duration::from_millis(1)).await;
            assert_eq!(breaker.admit().err(), Some(Duration::from_millis(1)));
            advance(Duration::from_millis(1)).await;
            fail(&breaker, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_goes_through_and_its_answer_closes() {
        let breaker = opened();
        advance(SECOND).await;
        let probe = breaker.admit().expect("the probe");
        assert!(probe.is_probe() && breaker.is_open());
        for _ in 0..3 {
            assert!(breaker.admit().is_err(), "a second one");
        }
        probe.answered();
        assert!(!breaker.is_open());
        assert!(!breaker.admit().expect("let through").is_probe());
        fail(&breaker, FAILURES);
        assert_eq!(breaker.admit().err(), Some(SECOND), "the pauses begin anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_caller_goes_away_leaves_the_place_to_the_next() {
        let breaker = opened();
        advance(SECOND).await;
        for _ in 0..3 {
            drop(breaker.admit().expect("the probe"));
            assert!(breaker.is_open());
        }
        fail(&breaker, 1);
        assert_eq!(breaker.admit().err(), Some(2 * SECOND), "as after the first probe");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_it_opened_neither_closes_it_nor_lengthens_the_pause() {
        let breaker = Breaker::new("test");
        let [late_answer, late_failure, during_probe] = [(); 3].map(|()| breaker.admit().expect("let through"));
        fail(&breaker, FAILURES);
        late_answer.answered();
        late_failure.failed();
        assert_eq!(breaker.admit().err(), Some(SECOND));
        advance(SECOND).await;
        let probe = breaker.admit().expect("the probe");
        during_probe.failed();
        assert!(breaker.admit().is_err(), "still the one probe");
        probe.answered();
        assert!(!breaker.is_open());
    }
}
