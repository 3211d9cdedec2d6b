//! A response body made from a stream of items.

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Bytes;
use bytes::BytesMut;
use futures_util::Stream;
use http::HeaderName;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::{ResponseContext, StreamContext};
use crate::{
    error::{HttpError, Panic, Result},
    idle::IdleTimer,
    serve::ShutdownPhase,
};

/// nginx buffers a response unless it is told not to.
pub(super) const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How items become bytes.
pub(super) trait Encoder<T> {
    /// Writes an item.
    fn write(item: T, buffer: &mut BytesMut, cx: &StreamContext) -> Result<()>;

    /// Frames the last words of a stream that must end before its time.
    fn write_error(body: &[u8], buffer: &mut BytesMut);

    /// What is sent when nothing else is, so that proxies keep the connection; if anything.
    const PING: Option<&'static [u8]>;
}

pin_project! {
    /// Encodes the items of a stream as they come, pings while none comes, and ends with an error
    /// when the server shuts down.
    ///
    /// One item is encoded when the connection asks for it: a slow reader slows its own stream,
    /// and dropping the body drops the stream with everything it awaits.
    pub(super) struct StreamBody<S, E> {
        #[pin]
        stream: S,
        #[pin]
        must_end: ShutdownPhase,
        ping: Option<IdleTimer>,
        context: StreamContext,
        ended: bool,
        encoder: std::marker::PhantomData<fn() -> E>,
    }
}

impl<S, E> StreamBody<S, E> {
    pub(super) fn new(stream: S, ping: Option<Duration>, cx: &ResponseContext<'_>) -> Self {
        Self {
            stream,
            must_end: cx.shutdown().streams_must_end(),
            ping: ping.map(IdleTimer::new),
            context: cx.stream(),
            ended: false,
            encoder: std::marker::PhantomData,
        }
    }
}

impl<S: Stream, E: Encoder<S::Item>> Body for StreamBody<S, E> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let mut buffer = BytesMut::new();
        // Asked first: a source that always has something would never come to the end.
        if this.must_end.poll(cx).is_ready() {
            *this.ended = true;
            let error = HttpError::unavailable("The server is shutting down");
            E::write_error(&this.context.farewell(error), &mut buffer);
            return Poll::Ready(Some(Ok(Frame::data(buffer.freeze()))));
        }
        // After a panic nobody polls the stream again.
        let poll = || {
            let polled = this.stream.poll_next(cx);
            polled.map(|item| item.map(|item| E::write(item, &mut buffer, this.context)))
        };
        let polled = catch_unwind(AssertUnwindSafe(poll));
        let written = match polled {
            Ok(Poll::Ready(Some(written))) => {
                if let Some(ping) = this.ping {
                    ping.active();
                }
                written
            }
            Ok(Poll::Ready(None)) => {
                *this.ended = true;
                return Poll::Ready(None);
            }
            Ok(Poll::Pending) => {
                let Some(ping) = this.ping else { return Poll::Pending };
                ready!(ping.poll(cx));
                buffer.extend_from_slice(E::PING.unwrap_or_default());
                Ok(())
            }
            Err(panic) => Err(HttpError::internal(Panic::of(&*panic))),
        };
        if let Err(error) = written {
            *this.ended = true;
            buffer.clear();
            E::write_error(&this.context.last_words(error), &mut buffer);
        }
        Poll::Ready(Some(Ok(Frame::data(buffer.freeze()))))
    }
}
