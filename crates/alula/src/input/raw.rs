//! Bodies that are not looked into.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Bytes;
use futures_util::Stream;
use serde_json::{Value, json};

use super::{Input, Rejection, RequestContext, reader::BodyReader};
use crate::{
    error::{HttpError, Result},
    openapi::Operation,
    output::Text,
};

fn any_bytes() -> Value {
    json!({ "type": "string", "contentMediaType": "application/octet-stream" })
}

/// The whole body, of any content type; empty without one.
///
/// At most 2 MiB unless [`max_body`](crate::Route::max_body) says otherwise: 413. Beside
/// [`Json`](crate::Json) it is the same body, so a signature can be checked over what was sent.
///
/// ```
/// use alula::{Bytes, Json, post};
///
/// async fn count(body: Bytes) -> Json<usize> {
///     Json(body.len())
/// }
///
/// let route = post("/count", count);
/// ```
impl Input for Bytes {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.raw_body("application/octet-stream", any_bytes());
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(cx.bytes().await?)
    }
}

/// The whole body as text, of any content type; empty without one.
///
/// At most 2 MiB unless [`max_body`](crate::Route::max_body) says otherwise: 413. What is not
/// UTF-8 is 400.
impl Input for String {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.raw_body("text/plain", json!({ "type": "string" }));
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let bytes = cx.bytes().await?;
        let text = str::from_utf8(&bytes);
        let text = text.map_err(|error| {
            HttpError::bad_request(format!("The request body is not UTF-8: {error}"))
        })?;
        Ok(text.to_owned())
    }
}

/// The whole body as text, as [`String`] reads it.
impl Input for Text {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        String::plan(operation);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        String::extract(&(), cx).await.map(Self)
    }
}

/// The body as it arrives, of any content type: for what is too large for the memory.
///
/// A stream of `Result<Bytes>`. A piece is as large as it came over the network, some tens of KiB
/// at most. Who reads slowly slows the client down; nothing is buffered.
///
/// At most 50 MiB unless [`max_body`](crate::Route::max_body) says otherwise. An item is an error,
/// and the last one, if the body is larger than that (413), stalls (408) or breaks off (400); `?`
/// answers with it. A body that announces to be too large is refused before the endpoint runs.
///
/// ```
/// use alula::{BodyStream, Json, Result, post};
/// use futures_util::TryStreamExt;
///
/// async fn upload(mut body: BodyStream) -> Result<Json<u64>> {
///     let mut size = 0;
///     while let Some(piece) = body.try_next().await? {
///         size += piece.len() as u64;
///     }
///     Ok(Json(size))
/// }
///
/// let route = post("/uploads", upload).max_body(10 * 1024 * 1024 * 1024);
/// ```
pub struct BodyStream {
    /// `None` after the end or an error.
    reader: Option<BodyReader>,
}

impl BodyStream {
    pub(super) fn new(reader: BodyReader) -> Self {
        Self { reader: Some(reader) }
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(reader) = &mut self.reader else { return Poll::Ready(None) };
        let polled = reader.poll_next(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.reader = None;
        }
        polled
    }
}

impl Input for BodyStream {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.streamed_body::<Self>("application/octet-stream", any_bytes());
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self::new(cx.reader(cx.limits().upload())?.at_any_pace()))
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyStream")
    }
}
