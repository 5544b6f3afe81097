//! Response bodies that hold permits until their last byte is written.
//!
//! The protocol library takes a whole body into its buffers at once. The last bytes therefore own the permits:
//! the library drops them when they are written.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::peers::PeerRequest;
use super::streams::Stream;
use crate::edge::SharedPermits;

/// Size of a chunk on HTTP/2, where a response must show its progress.
const CHUNK_BYTES: usize = 16 * 1_024;

/// What a response holds until it is written.
pub(super) struct Held {
    pub(super) stream: Option<Stream>,
    pub(super) peer: Option<PeerRequest>,
}

/// A body that holds permits until its last byte is written.
pub(super) struct HoldingBody {
    body: Body,
    /// Taken from `body`, and not handed out yet.
    rest: Bytes,
    trailers: Option<HeaderMap>,
    /// `body` has handed everything out.
    is_ended: bool,
    chunk_bytes: usize,
    held: Option<HeldUntilWritten>,
}

struct HeldUntilWritten {
    _permits: Option<SharedPermits>,
    held: Held,
}

/// The last bytes of a body.
struct LastBytes {
    bytes: Bytes,
    _held: HeldUntilWritten,
}

impl AsRef<[u8]> for LastBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Has the response hold its permits, and these, until it is written.
pub(super) fn hold(mut response: Response<Body>, held: Held) -> Response<HoldingBody> {
    let permits = response.extensions_mut().remove::<SharedPermits>();
    let chunk_bytes = if held.stream.is_some() { CHUNK_BYTES } else { usize::MAX };
    let is_empty = permits.is_none() && held.stream.is_none() && held.peer.is_none();
    let held = (!is_empty).then_some(HeldUntilWritten { _permits: permits, held });
    response.map(|body| HoldingBody { body, rest: Bytes::new(), trailers: None, is_ended: false, chunk_bytes, held })
}

impl HoldingBody {
    /// Looks whether bytes follow those in `rest`: a body that is compressed does not know its end before. The bytes of a
    /// body that is not ready are the last ones for now.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Result<Next, Error> {
        loop {
            if self.body.is_end_stream() {
                return Ok(Next::End);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Ok(Next::Unknown),
                Poll::Ready(None) => {
                    self.is_ended = true;
                    return Ok(Next::End);
                }
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Next::Data(data)),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        return Ok(Next::End);
                    }
                },
            }
        }
    }

    /// The permits, for the last bytes.
    fn release(&mut self, bytes: Bytes) -> Bytes {
        match self.held.take() {
            Some(held) => Bytes::from_owner(LastBytes { bytes, _held: held }),
            None => bytes,
        }
    }
}

/// What a body has after the bytes in `rest`.
enum Next {
    Data(Bytes),
    End,
    Unknown,
}

impl HttpBody for HoldingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Some(trailers) = this.trailers.take_if(|_| this.rest.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if this.is_ended && this.rest.is_empty() {
            return Poll::Ready(None);
        }
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => {
                    this.held = None;
                    return Poll::Ready(end);
                }
            }
        }
        if let Some(stream) = this.held.as_ref().and_then(|held| held.held.stream.as_ref()) {
            stream.progress();
        }
        let mut chunk = this.rest.split_to(this.rest.len().min(this.chunk_bytes));
        if this.rest.is_empty() && this.held.is_some() {
            match this.look_ahead(cx) {
                Ok(Next::Data(data)) => this.rest = data,
                Ok(Next::End) => chunk = this.release(chunk),
                Ok(Next::Unknown) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.trailers.is_none() && (self.is_ended || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;

    use super::*;
    use crate::edge::{Bound, Permits};

    fn holding(body: Body, work: &Bound) -> HoldingBody {
        let permit = work.try_acquire(true).expect("free");
        let mut response = Response::new(body);
        response.extensions_mut().insert(Permits::for_page(permit).shared());
        hold(response, Held { stream: None, peer: None }).into_body()
    }

    #[tokio::test]
    async fn permits_return_with_the_last_bytes_not_with_the_body() {
        let work = Bound::new(1);
        let mut body = holding(Body::from("a whole answer"), &work);
        let bytes = body.frame().await.expect("a frame").expect("whole").into_data().expect("data");
        drop(body);
        assert!(work.try_acquire(true).is_none(), "the bytes are not written yet");
        drop(bytes);
        assert!(work.try_acquire(true).is_some());
    }

    #[tokio::test]
    async fn permits_return_with_the_last_bytes_of_a_body_that_does_not_know_its_end() {
        let work = Bound::new(1);
        let chunks = ["in", "", " chunks"].map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from(chunk)));
        let mut body = holding(Body::from_stream(futures_util::stream::iter(chunks)), &work);
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.expect("whole").into_data().expect("data"));
        }
        assert_eq!(frames.concat(), b"in chunks");
        drop(body);
        assert!(work.try_acquire(true).is_none(), "the last bytes are not written yet");
        drop(frames);
        assert!(work.try_acquire(true).is_some());
    }

    #[tokio::test]
    async fn permits_of_a_dropped_body_return() {
        let work = Bound::new(1);
        drop(holding(Body::from("never asked for"), &work));
        drop(holding(Body::empty(), &work));
        assert!(work.try_acquire(true).is_some());
    }

    #[tokio::test]
    async fn a_body_on_http_2_comes_in_chunks_of_the_same_bytes() {
        let streams = Arc::new(super::super::streams::Streams::default());
        let whole: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let held = Held { stream: Some(streams.open()), peer: None };
        let mut body = hold(Response::new(Body::from(whole.clone())), held).into_body();
        let (mut received, mut last) = (Vec::new(), Bytes::new());
        while let Some(frame) = body.frame().await {
            last = frame.expect("whole").into_data().expect("data");
            assert!(last.len() <= CHUNK_BYTES);
            received.extend_from_slice(&last);
        }
        assert!(received == whole);
        assert!(streams.oldest_progress().is_some(), "the last chunk is not written yet");
        drop(last);
        assert!(streams.oldest_progress().is_none());
    }
}
