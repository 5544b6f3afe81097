//! When an HTTP/2 connection ends: idle, too old, or with responses that its client does not read.
//!
//! A client is first asked to open another connection (GOAWAY), so that a proxy loses no other request of this one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::streams::Streams;
use crate::config::ServerSection;

/// How often a connection with open streams is looked at, at most.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// How often a connection with open streams is looked at, at least.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// Watches one HTTP/2 connection.
pub(super) struct Supervision {
    streams: Arc<Streams>,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// After GOAWAY, how long a connection without streams is kept for its client to close it.
    close_timeout: Duration,
    oldest: Instant,
    is_draining: bool,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing before this instant.
    LookAgain(Instant),
    /// Send GOAWAY, then look again.
    Drain(Instant),
    /// Close it at once.
    Close,
}

impl Supervision {
    pub(super) fn new(settings: &ServerSection, streams: Arc<Streams>) -> Self {
        Self {
            streams,
            idle_timeout: settings.keep_alive,
            write_timeout: settings.write_timeout,
            close_timeout: settings.header_timeout,
            oldest: Instant::now() + settings.max_connection_age,
            is_draining: false,
        }
    }

    /// How long a new connection is left alone.
    pub(super) fn first_look(&self) -> Duration {
        self.close_timeout.min(self.idle_timeout)
    }

    /// Judges the connection as it is now.
    pub(super) fn look(&mut self, now: Instant) -> Verdict {
        let idle_since = self.streams.idle_since();
        // Half of the time is for the other streams of the connection to end.
        let stalled_for = self.streams.oldest_progress().map_or(Duration::ZERO, |at| now.duration_since(at));
        if stalled_for >= self.write_timeout {
            return Verdict::Close;
        }
        if self.is_draining {
            return match idle_since {
                Some(since) if now >= since + self.close_timeout => Verdict::Close,
                _ => Verdict::LookAgain(now + self.interval()),
            };
        }
        let is_idle = idle_since.is_some_and(|since| now >= since + self.idle_timeout);
        if is_idle || now >= self.oldest || stalled_for >= self.write_timeout / 2 {
            self.is_draining = true;
            return Verdict::Drain(now + self.interval());
        }
        let next = idle_since.map_or(now + self.interval(), |since| since + self.idle_timeout);
        Verdict::LookAgain(next.min(self.oldest))
    }

    fn interval(&self) -> Duration {
        (self.write_timeout / 8).clamp(MIN_INTERVAL, MAX_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn supervision() -> (Supervision, Arc<Streams>, Instant) {
        let streams = Arc::new(Streams::default());
        let now = Instant::now();
        let supervision = Supervision {
            streams: streams.clone(),
            idle_timeout: 20 * SECOND,
            write_timeout: 10 * SECOND,
            close_timeout: 5 * SECOND,
            oldest: now + 100 * SECOND,
            is_draining: false,
        };
        (supervision, streams, now)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_drained_then_closed() {
        let (mut supervision, _streams, now) = supervision();
        assert_eq!(supervision.look(now), Verdict::LookAgain(now + 20 * SECOND));
        assert_eq!(supervision.look(now + 20 * SECOND), Verdict::Drain(now + 21 * SECOND));
        assert_eq!(supervision.look(now + 30 * SECOND), Verdict::Close);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_stream_keeps_a_connection_until_its_greatest_age() {
        let (mut supervision, streams, now) = supervision();
        let stream = streams.open();
        assert_eq!(supervision.look(now + 50 * SECOND), Verdict::LookAgain(now + 51 * SECOND));
        assert!(matches!(supervision.look(now + 100 * SECOND), Verdict::Drain(_)));
        assert!(matches!(supervision.look(now + 200 * SECOND), Verdict::LookAgain(_)), "the stream may end");
        drop(stream);
        assert_eq!(supervision.look(now + 206 * SECOND), Verdict::Close);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_not_read_drains_then_closes() {
        let (mut supervision, streams, now) = supervision();
        let (stalled, lively) = (streams.open(), streams.open());
        stalled.progress();
        lively.progress();
        assert!(matches!(supervision.look(now + 4 * SECOND), Verdict::LookAgain(_)));
        assert!(matches!(supervision.look(now + 5 * SECOND), Verdict::Drain(_)));
        assert!(matches!(supervision.look(now + 9 * SECOND), Verdict::LookAgain(_)));
        tokio::time::advance(9 * SECOND).await;
        stalled.progress();
        lively.progress();
        assert!(matches!(supervision.look(now + 10 * SECOND), Verdict::LookAgain(_)), "it goes on");
        assert_eq!(supervision.look(now + 19 * SECOND), Verdict::Close);
    }
}
