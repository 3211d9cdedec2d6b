//! An answer that is watched until its last byte.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use alula::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::watch::Watch;

/// Passes a body through.
#[derive(Debug)]
pub(super) struct WatchedBody {
    inner: Body,
    watch: Watch,
}

impl WatchedBody {
    pub(super) fn new(inner: Body, watch: Watch) -> Self {
        Self { inner, watch }
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { inner, watch } = &mut *self;
        let polled = {
            let _entered = watch.span().enter();
            Pin::new(inner).poll_frame(cx)
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => watch.sent(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(Some(Err(_))) => watch.broke_off(),
            Poll::Ready(None) => watch.complete(),
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

impl Drop for WatchedBody {
    /// A body of known length is dropped when its last byte was taken, without another poll.
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.watch.complete();
        }
        // What the body leaves to do knows the span.
        let _entered = self.watch.span().clone().entered();
        self.inner = Body::empty();
    }
}
