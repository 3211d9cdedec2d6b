//! A response body that closes its request's scope when it ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http::{Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::scope::{Outcome, RequestScope};

/// Passes a body through and finishes the scope at its end, its failure or its drop.
struct ScopedBody {
    inner: Body,
    scope: RequestScope,
    /// Whether anyone reads the body: the answer to `HEAD` is complete without.
    is_sent: bool,
    /// How many bytes are still to come, where the head of the answer says how many there are.
    left: Option<u64>,
    finished: bool,
}

/// Ties the scope to the response, unless the scope has nothing to do.
pub(crate) fn finish_with(
    response: Response<Body>,
    scope: RequestScope,
    is_sent: bool,
) -> Response<Body> {
    if scope.is_unused() {
        return response;
    }
    let length = response.headers().get(header::CONTENT_LENGTH);
    let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
    response.map(|inner| Body::new(ScopedBody { inner, scope, is_sent, left, finished: false }))
}

impl ScopedBody {
    fn finish(&mut self, outcome: Outcome) {
        if !self.finished {
            self.finished = true;
            self.scope.finish(outcome, !matches!(outcome, Outcome::Error(_)));
        }
    }
}

impl HttpBody for ScopedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.finish(Outcome::Ok),
            Poll::Ready(Some(Err(_))) => {
                self.finish(Outcome::Error(StatusCode::INTERNAL_SERVER_ERROR));
            }
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left.saturating_sub(bytes));
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ScopedBody {
    /// A body of known length is dropped when its last byte was taken, without another poll.
    fn drop(&mut self) {
        let is_complete = !self.is_sent || self.left == Some(0) || self.inner.is_end_stream();
        let outcome = if is_complete { Outcome::Ok } else { Outcome::Disconnected };
        self.finish(outcome);
    }
}
