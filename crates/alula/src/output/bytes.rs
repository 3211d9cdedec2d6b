//! A stream of bytes as an answer.

use std::{
    fmt,
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, Response, header};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    Output, ResponseContext,
    media::{Media, binary},
    stream_context::StreamContext,
};
use crate::{
    error::{HttpError, Panic, Result},
    openapi::Operation,
    serve::ShutdownPhase,
};

/// A stream of bytes: audio as it is made, an archive as it is packed, another server's answer.
///
/// The next piece is asked for when the connection can take it, so that a slow reader slows its
/// own stream and nothing piles up. When the client leaves, the stream is dropped with everything
/// it awaits.
///
/// Bytes have no room for an error message. A stream that fails is logged and broken off, so that
/// the client sees an incomplete answer instead of a short one; the same happens to a stream that
/// is still open near the end of the server's drain time.
///
/// ```
/// use std::io;
///
/// use alula::{ByteStream, Bytes, Stream};
/// use futures_util::stream;
///
/// async fn speech() -> ByteStream<impl Stream<Item = io::Result<Bytes>>> {
///     let pieces = stream::iter([Ok(Bytes::from("RIFF")), Ok(Bytes::from("…"))]);
///     ByteStream::new(pieces).content_type("audio/wav")
/// }
/// ```
pub struct ByteStream<S> {
    stream: S,
    media: Media,
    length: Option<u64>,
}

/// What a [`ByteStream`] may yield: [`Bytes`], `Vec<u8>`, `String`, or a `Result` of one of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an item of `ByteStream`",
    note = "yield `Bytes`, `Vec<u8>`, `String` or `&'static str`, or a `Result` of one of them"
)]
pub trait Chunk {
    /// The bytes to send.
    ///
    /// # Errors
    ///
    /// Why the stream ends here.
    fn into_bytes(self) -> Result<Bytes>;
}

impl Chunk for Bytes {
    fn into_bytes(self) -> Result<Bytes> {
        Ok(self)
    }
}

impl Chunk for Vec<u8> {
    fn into_bytes(self) -> Result<Bytes> {
        Ok(self.into())
    }
}

impl Chunk for String {
    fn into_bytes(self) -> Result<Bytes> {
        Ok(self.into())
    }
}

impl Chunk for &'static str {
    fn into_bytes(self) -> Result<Bytes> {
        Ok(self.into())
    }
}

impl<T: Chunk, E: Into<HttpError>> Chunk for Result<T, E> {
    fn into_bytes(self) -> Result<Bytes> {
        self.map_err(Into::into)?.into_bytes()
    }
}

impl<S> ByteStream<S>
where
    S: Stream + Send + 'static,
    S::Item: Chunk,
{
    /// Sends the pieces of the stream as `application/octet-stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, media: Media::new("application/octet-stream"), length: None }
    }

    /// Another content type. Text gets `charset=utf-8` if it names no other.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.media.set_content_type(content_type);
        self
    }

    /// How many bytes will come, where that is known, for the client's progress bar.
    ///
    /// A stream that ends before, or a piece that goes beyond, breaks the connection off. Once all
    /// have come the answer is complete, and the stream is not asked again.
    #[must_use]
    pub fn content_length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes);
        self
    }

    /// Has the client save the content under this name.
    #[must_use]
    pub fn attachment(mut self, name: &str) -> Self {
        self.media.set_disposition("attachment", name);
        self
    }
}

impl<S> fmt::Debug for ByteStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("media", &self.media).finish_non_exhaustive()
    }
}

impl<S> Output for ByteStream<S>
where
    S: Stream + Send + 'static,
    S::Item: Chunk,
{
    fn describe(operation: &mut Operation<'_>, status: u16) {
        operation.response(status, "Successful Response", binary());
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let body = ByteBody {
            stream: self.stream,
            must_end: cx.shutdown().streams_must_end(),
            ended: false,
            left: self.length,
            origin: cx.stream(),
        };
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = cx.status();
        let headers = response.headers_mut();
        self.media.apply(headers)?;
        if let Some(length) = self.length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(response)
    }
}

pin_project! {
    struct ByteBody<S> {
        #[pin]
        stream: S,
        #[pin]
        must_end: ShutdownPhase,
        ended: bool,
        // How many bytes are still to come, where that was said.
        left: Option<u64>,
        origin: StreamContext,
    }
}

impl<S> http_body::Body for ByteBody<S>
where
    S: Stream,
    S::Item: Chunk,
{
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
        let item = if this.must_end.poll(cx).is_ready() {
            Some(Err(HttpError::unavailable("The server is shutting down")))
        } else {
            // After a panic nobody polls the stream again.
            let polled = catch_unwind(AssertUnwindSafe(|| this.stream.poll_next(cx)));
            match polled {
                Ok(polled) => ready!(polled).map(Chunk::into_bytes),
                Err(panic) => Some(Err(HttpError::internal(Panic::of(&*panic)))),
            }
        };
        let item = counted(item, this.left);
        *this.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item.map(|bytes| {
            bytes.map(Frame::data).map_err(|error| {
                this.origin.broke_off(&error);
                axum::Error::new(BrokenOff(error.to_string()))
            })
        }))
    }

    /// hyper asks for nothing more once the length that was said has come.
    fn is_end_stream(&self) -> bool {
        self.ended || self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Counts a piece, or the end, against what is to come; the error is a mistake of the program.
fn counted(item: Option<Result<Bytes>>, left: &mut Option<u64>) -> Option<Result<Bytes>> {
    let Some(known) = *left else { return item };
    let count = match &item {
        Some(Err(_)) => return item,
        Some(Ok(bytes)) => bytes.len() as u64,
        None => 0,
    };
    match known.checked_sub(count) {
        None => Some(Err(HttpError::internal("the stream is longer than its `content_length`"))),
        Some(1..) if item.is_none() => {
            Some(Err(HttpError::internal("the stream is shorter than its `content_length`")))
        }
        rest => {
            *left = rest;
            item
        }
    }
}

/// What hyper is told; an [`HttpError`] is not an error of Rust's.
#[derive(Debug)]
struct BrokenOff(String);

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BrokenOff {}
