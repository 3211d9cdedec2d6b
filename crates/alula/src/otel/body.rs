//! A response body that ends the span of its request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::RequestTrace;

/// Passes a body through, in the span of its request.
pub(crate) struct TracedBody {
    inner: Body,
    trace: Box<RequestTrace>,
}

impl TracedBody {
    pub(crate) fn new(inner: Body, trace: Box<RequestTrace>) -> Self {
        Self { inner, trace }
    }
}

impl HttpBody for TracedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let polled = {
            let _entered = this.trace.span().enter();
            Pin::new(&mut this.inner).poll_frame(cx)
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.trace.sent(frame.data_ref().map_or(0, Bytes::len));
            }
            Poll::Ready(Some(Err(_))) => this.trace.broke_off(),
            Poll::Ready(None) => this.trace.complete(),
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

impl Drop for TracedBody {
    /// A body of known length is dropped when its last byte was taken, without another poll.
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.trace.complete();
        }
        // What the body leaves to do, such as background tasks, knows the span.
        let _entered = self.trace.span().clone().entered();
        self.inner = Body::empty();
    }
}
