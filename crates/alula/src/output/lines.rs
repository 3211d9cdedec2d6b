//! JSON Lines as an answer.

use std::fmt;

use axum::body::Body;
use bytes::{BufMut as _, BytesMut};
use futures_util::Stream;
use http::{HeaderValue, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Output, ResponseContext, StreamContext,
    stream::{ACCEL_BUFFERING, Encoder, StreamBody},
};
use crate::{error::Result, openapi::Operation};

/// A stream of values, each sent as JSON on a line of its own (`application/jsonl`).
///
/// A stream whose item cannot be written, that panics, or that is still open near the end of the
/// server's drain time, ends with a line that is the body of the error.
///
/// ```
/// use alula::{JsonLines, Stream};
/// use futures_util::stream;
///
/// async fn count() -> JsonLines<impl Stream<Item = u32>> {
///     JsonLines::new(stream::iter(0..3))
/// }
/// ```
pub struct JsonLines<S>(S);

impl<S> JsonLines<S>
where
    S: Stream + Send + 'static,
    S::Item: Serialize + JsonSchema,
{
    /// Sends the values of the stream.
    pub fn new(stream: S) -> Self {
        Self(stream)
    }
}

impl<S> fmt::Debug for JsonLines<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonLines")
    }
}

impl<S> Output for JsonLines<S>
where
    S: Stream + Send + 'static,
    S::Item: Serialize + JsonSchema,
{
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let item = operation.output_schema::<S::Item>();
        operation.stream_response(status, "application/jsonl", &item);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let body = StreamBody::<_, Lines>::new(self.0, None, cx);
        let mut response = cx.response("application/jsonl", Body::new(body));
        response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }
}

/// One JSON document to a line.
struct Lines;

impl<T: Serialize> Encoder<T> for Lines {
    const PING: Option<&'static [u8]> = None;

    fn write(item: T, buffer: &mut BytesMut, _: &StreamContext) -> Result<()> {
        serde_json::to_writer(buffer.writer(), &item)?;
        buffer.put_u8(b'\n');
        Ok(())
    }

    fn write_error(body: &[u8], buffer: &mut BytesMut) {
        buffer.extend_from_slice(body);
        buffer.put_u8(b'\n');
    }
}
