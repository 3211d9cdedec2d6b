//! A response body made from a stream of items.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Bytes;
use bytes::BytesMut;
use futures_util::Stream;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use crate::{
    error::{HttpError, Result},
    idle::IdleTimer,
    serve::ShutdownPhase,
};

/// How items become bytes.
pub(super) trait Encoder<T> {
    /// Writes an item.
    fn write(item: T, buffer: &mut BytesMut) -> Result<()>;

    /// Writes the last words of a stream that must end before its time.
    fn write_error(error: &HttpError, buffer: &mut BytesMut);

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
        ended: bool,
        encoder: std::marker::PhantomData<fn() -> E>,
    }
}

impl<S, E> StreamBody<S, E> {
    pub(super) fn new(stream: S, ping: Option<Duration>, must_end: ShutdownPhase) -> Self {
        let ping = ping.map(IdleTimer::new);
        Self { stream, must_end, ping, ended: false, encoder: std::marker::PhantomData }
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
            E::write_error(&HttpError::unavailable("The server is shutting down"), &mut buffer);
            return Poll::Ready(Some(Ok(Frame::data(buffer.freeze()))));
        }
        match this.stream.poll_next(cx) {
            Poll::Ready(Some(item)) => {
                if let Some(ping) = this.ping {
                    ping.active();
                }
                if let Err(error) = E::write(item, &mut buffer) {
                    tracing::error!(%error, "a stream ended: an item could not be serialized");
                    *this.ended = true;
                    buffer.clear();
                    E::write_error(&error, &mut buffer);
                }
            }
            Poll::Ready(None) => {
                *this.ended = true;
                return Poll::Ready(None);
            }
            Poll::Pending => {
                let Some(ping) = this.ping else { return Poll::Pending };
                ready!(ping.poll(cx));
                buffer.extend_from_slice(E::PING.unwrap_or_default());
            }
        }
        Poll::Ready(Some(Ok(Frame::data(buffer.freeze()))))
    }
}
