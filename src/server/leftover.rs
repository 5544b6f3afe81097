//! What was not read of a request's body when its answer is ready.
//!
//! A request may be refused before its body is read. Closing a connection on unread data resets it, and the answer may be
//! lost with it: the rest is read and dropped first, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// More is not waited for: its sender sees the reset.
const MOST_BYTES: u64 = 8 * 1_024 * 1_024;
const MOST_TIME: Duration = Duration::from_secs(1);

/// A body that comes back when it is dropped before its end.
pub(super) struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    /// The client sends its body only once somebody reads it.
    is_held_back: bool,
}

/// Where the body comes back to.
pub(super) struct Leftover(oneshot::Receiver<Incoming>);

/// The request, and what will be left over of its body.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Lent>, Leftover) {
    let (back, leftover) = oneshot::channel();
    // The streams of HTTP/2 end one by one.
    let back = (request.version() < Version::HTTP_2).then_some(back);
    let is_held_back = request.headers().contains_key(header::EXPECT);
    (request.map(|body| Lent { body: Some(body), back, is_held_back }), Leftover(leftover))
}

impl Leftover {
    /// Reads and drops what was left.
    pub(super) async fn drain(mut self) {
        let Ok(mut body) = self.0.try_recv() else { return };
        let mut left = MOST_BYTES;
        if body.size_hint().lower() > left {
            return;
        }
        let reading = async {
            while left > 0
                && let Some(Ok(frame)) = body.frame().await
            {
                left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            }
        };
        // Out of time: answered all the same.
        let _ = timeout(MOST_TIME, reading).await;
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.is_held_back = false;
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !body.is_end_stream()
            && !self.is_held_back
        {
            // Nobody waits any more when the connection is gone.
            let _ = back.send(body);
        }
    }
}
