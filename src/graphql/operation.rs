//! Operations of a socket, each in a task of its own: one whose client reads nothing still ends, and gives back what it
//! holds of the database.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::{Request, Response, ServerError};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::Sender;
use tokio_util::task::AbortOnDropHandle;

use super::executor::{Caller, SocketExecutor};
use super::{body, error};
use crate::edge::Permits;
use crate::error::Error;

/// A running operation, which ends when this is dropped.
pub(super) struct Operation {
    /// Distinguishes it from an earlier operation with the same id.
    pub(super) number: u64,
    _task: AbortOnDropHandle<()>,
}

/// An answer of an operation.
pub(super) struct Answer {
    pub(super) id: Arc<str>,
    pub(super) number: u64,
    pub(super) content: Content,
}

/// The content of an answer.
pub(super) enum Content {
    /// A result as JSON, with the permits that are held until it is written.
    Next(Vec<u8>, Permits),
    /// The errors of a request that was refused; the last answer.
    Error(Vec<ServerError>),
    /// The end of an operation that was not refused.
    Complete,
}

impl Operation {
    /// Starts an operation, which answers on this channel.
    pub(super) fn start(
        executor: &SocketExecutor,
        (id, number): (Arc<str>, u64),
        request: Request,
        caller: Caller,
        answers: Sender<Answer>,
    ) -> Self {
        let (responses, permits) = executor.execute(request, caller);
        let run = Run { executor: executor.clone(), id, number, answers };
        Self { number, _task: AbortOnDropHandle::new(tokio::spawn(run.follow(responses, permits))) }
    }
}

/// The state of an operation's task.
struct Run {
    executor: SocketExecutor,
    id: Arc<str>,
    number: u64,
    answers: Sender<Answer>,
}

impl Run {
    /// Passes all responses on. The first one takes the permits of the operation.
    async fn follow(self, mut responses: BoxStream<'static, Response>, permits: Permits) {
        let mut permits = Some(permits);
        loop {
            // A fault of one operation must not end the others of the socket, nor leave its client waiting.
            let next = AssertUnwindSafe(responses.next()).catch_unwind().await;
            let content = match next {
                Ok(Some(response)) => self.content(response, permits.take().unwrap_or_default()),
                Ok(None) => Content::Complete,
                Err(_panic) => {
                    let cause = "an operation on a socket panicked".to_owned();
                    Content::Error(self.executor.failure(Error::Internal { cause }).errors)
                }
            };
            let is_last = !matches!(content, Content::Next(..));
            let answer = Answer { id: self.id.clone(), number: self.number, content };
            if self.answers.send(answer).await.is_err() || is_last {
                return;
            }
        }
    }

    fn content(&self, response: Response, mut permits: Permits) -> Content {
        if error::is_refusal(&response) {
            return Content::Error(response.errors);
        }
        let payload = body::to_json(&response, false);
        if !self.executor.edge.try_hold_bytes(&mut permits, payload.len()) {
            return Content::Error(self.executor.failure(Error::Overloaded).errors);
        }
        Content::Next(payload, permits)
    }
}
