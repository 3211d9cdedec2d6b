//! The answer of a provider, whichever client has got it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use hyper::body::{Body as _, Incoming};
use reqwest::{StatusCode, header::HeaderMap};

use super::{direct::CallError, http1};

/// An answer whose head is there.
pub(crate) enum Answer {
    Direct(hyper::Response<Body>),
    /// Through a proxy.
    Led(reqwest::Response),
}

/// Why the bytes of an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Direct(CallError),
    #[error(transparent)]
    Led(reqwest::Error),
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Direct(answer) => answer.status(),
            Self::Led(answer) => answer.status(),
        }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Direct(answer) => answer.headers(),
            Self::Led(answer) => answer.headers(),
        }
    }

    /// The body as it comes.
    pub(crate) fn into_pieces(self) -> Pieces {
        match self {
            Self::Direct(answer) => Pieces::Direct(answer.into_body()),
            Self::Led(answer) => {
                // The address may hold a key.
                let pieces = answer.bytes_stream();
                let without_url = |error: reqwest::Error| Broken::Led(error.without_url());
                Pieces::Led(pieces.map(move |piece| piece.map_err(without_url)).boxed())
            }
        }
    }
}

/// The body of an answer that came without a proxy.
pub(crate) enum Body {
    Http1(http1::Body),
    Http2(Incoming),
}

impl Body {
    /// The next piece of it.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CallError>>> {
        let body = match self {
            Self::Http1(body) => return body.poll_piece(cx).map_err(CallError::Http1),
            Self::Http2(body) => body,
        };
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(CallError::Http2(error)))),
                Some(Ok(frame)) => {
                    // What is not data are trailers.
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
            }
        }
    }
}

/// The body of an answer as it comes.
pub(crate) enum Pieces {
    Direct(Body),
    Led(BoxStream<'static, Result<Bytes, Broken>>),
}

impl Stream for Pieces {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Led(pieces) => pieces.poll_next_unpin(cx),
            Self::Direct(body) => body.poll_piece(cx).map_err(Broken::Direct),
        }
    }
}
