//! How the caller stands with the limits on requests.

use async_graphql::{Enum, SimpleObject};

use crate::domain::limits::Window;
use crate::edge::{Left, Standing};

/// How the caller stands with the limits on requests: of its credential and its account, the one that has less left.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RateLimit {
    /// Whether requests are counted at all.
    is_limited: bool,
    /// The windows in which requests are limited, the shortest first.
    windows: Vec<RateLimitWindow>,
    /// Requests worked on at once; null when they are not limited.
    in_flight: Option<RateLimitInFlight>,
}

/// What is left of a window. What was spent comes back evenly.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RateLimitWindow {
    /// How long it is.
    window: RateLimitSpan,
    /// Most requests in it.
    limit: u32,
    /// Requests that may be made now.
    remaining: u32,
    /// Seconds after which all of the limit is there again, if no request comes.
    resets_in_seconds: u32,
}

/// Requests that are worked on at once.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RateLimitInFlight {
    /// Most of them.
    limit: u32,
    /// Those under way when this one began, itself counted.
    current: u32,
}

/// A span of time in which requests are counted.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Window")]
pub(in crate::graphql) enum RateLimitSpan {
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// 86,400 seconds.
    Day,
}

impl RateLimit {
    /// `None` for a caller who is not limited.
    pub(in crate::graphql) fn of(standing: Option<&Standing>) -> Self {
        Self {
            is_limited: standing.is_some(),
            windows: standing.into_iter().flat_map(Standing::windows).map(Into::into).collect(),
            in_flight: standing
                .and_then(|standing| standing.in_flight)
                .map(|(current, limit)| RateLimitInFlight { limit, current }),
        }
    }
}

impl From<Left> for RateLimitWindow {
    fn from(left: Left) -> Self {
        Self {
            window: left.window.into(),
            limit: left.limit,
            remaining: left.remaining,
            resets_in_seconds: left.resets_in_seconds(),
        }
    }
}
