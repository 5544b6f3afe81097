//! Asking for the revisions of accounts, many at a time.
//!
//! Nearly every request needs its account's revision and nothing else of the database. While one question is under way,
//! those that come meanwhile wait and go out together as the next: with sixteen requests at once the database sees one
//! statement for eight of them. A question never joins one that was already sent, so an answer is never older than its
//! question.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::pool::Pool;
use super::scope;
use crate::domain::AccountId;
use crate::error::{Error, Result};

/// Most accounts of one statement.
const TOGETHER: usize = 256;
/// A statement that takes longer does not hold up those that come after it: they get a connection of their own.
const PATIENCE: Duration = Duration::from_millis(20);
/// Most statements at once; the pool of connections is for others, too.
const AT_ONCE: usize = 4;

/// The questions of this process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Revisions {
    pool: Pool,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Question>,
    askers: usize,
    last_sent: Option<Instant>,
}

struct Question {
    account: AccountId,
    answer: oneshot::Sender<Result<i64>>,
}

impl Revisions {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, queue: Arc::default() }
    }

    /// The account's revision, as it is at some moment after the call; 0 before its first change.
    pub(super) async fn of(&self, account: &AccountId) -> Result<i64> {
        let (answer, answered) = oneshot::channel();
        if let Some(asker) = self.enqueue(Question { account: account.clone(), answer }) {
            tokio::spawn(asker.ask_until_none_waits());
        }
        let lost = |_| Err(Error::Internal { cause: "reading revisions panicked; its place is logged".into() });
        answered.await.unwrap_or_else(lost)
    }

    /// Someone to ask, if nobody is about to.
    fn enqueue(&self, question: Question) -> Option<Asker> {
        let mut queue = self.lock();
        queue.waiting.push(question);
        let is_slow = queue.last_sent.is_none_or(|sent| sent.elapsed() > PATIENCE);
        if queue.askers > 0 && (!is_slow || queue.askers == AT_ONCE) {
            return None;
        }
        queue.askers += 1;
        queue.last_sent = Some(Instant::now());
        Some(Asker { revisions: self.clone(), has_left: false })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Left whole by every panic that could happen while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for others; counted as long as it does.
struct Asker {
    revisions: Revisions,
    has_left: bool,
}

impl Asker {
    async fn ask_until_none_waits(mut self) {
        loop {
            // Requests that are ready to run get to ask first: a larger group costs the same statement.
            tokio::task::yield_now().await;
            let Some(questions) = self.next() else { return };
            let accounts: Vec<_> = questions.iter().map(|question| &question.account).collect();
            let revisions = scope::revisions_of(&self.revisions.pool, &accounts).await.map_err(Error::from);
            for Question { account, answer } in questions {
                let revision = revisions.as_ref().map(|found| found.get(&account).copied().unwrap_or(0));
                // Who asked may have gone.
                let _ = answer.send(revision.map_err(Error::clone));
            }
        }
    }

    /// The questions to send now. Without any the asker leaves, under the same lock: a question that comes later finds
    /// that nobody is about to ask.
    fn next(&mut self) -> Option<Vec<Question>> {
        let mut queue = self.revisions.lock();
        queue.waiting.retain(|question| !question.answer.is_closed());
        if queue.waiting.is_empty() {
            queue.askers -= 1;
            self.has_left = true;
            return None;
        }
        queue.last_sent = Some(Instant::now());
        let count = queue.waiting.len().min(TOGETHER);
        Some(queue.waiting.drain(..count).collect())
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if !self.has_left {
            self.revisions.lock().askers -= 1;
        }
    }
}
