//! What the readiness probe reports, looked up at most twice a second however often it is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::Error;
use crate::service::Services;

/// How long a finding is reused. A caller without a credential costs no statement meanwhile.
const MAX_AGE: Duration = Duration::from_millis(500);
/// How long the database may take to answer.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// What the database can do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DatabaseState {
    /// Reads and writes.
    Ok,
    /// Reads alone.
    ReadOnly,
    /// Nothing.
    Unavailable,
}

impl DatabaseState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ReadOnly => "read_only",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The last finding. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Readiness(Arc<Mutex<Option<(Instant, DatabaseState)>>>);

impl Readiness {
    /// The state of the database, at most [`MAX_AGE`] old. One caller looks it up, the others wait for its finding.
    pub(super) async fn database(&self, services: &Services) -> DatabaseState {
        let mut last = self.0.lock().await;
        if let Some((at, state)) = *last
            && at.elapsed() < MAX_AGE
        {
            return state;
        }
        let state = look_up(services).await;
        *last = Some((Instant::now(), state));
        state
    }
}

async fn look_up(services: &Services) -> DatabaseState {
    let checked = timeout(TIMEOUT, async {
        services.check().await?;
        services.is_writable().await
    });
    let silent = || Error::DatabaseUnavailable { cause: "the database does not answer the readiness check".to_owned() };
    match checked.await.unwrap_or_else(|_| Err(silent())) {
        Ok(true) => DatabaseState::Ok,
        Ok(false) => {
            tracing::warn!("not ready for writes: the database is read-only");
            DatabaseState::ReadOnly
        }
        Err(error) => {
            tracing::warn!(cause = error.cause(), "not ready");
            DatabaseState::Unavailable
        }
    }
}
