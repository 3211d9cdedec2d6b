//! Server-sent events as an answer.

use std::{fmt, time::Duration};

use axum::body::Body;
use bytes::BytesMut;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderValue, Response, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    Event, Output, ResponseContext, SseItem, StreamContext,
    events::write_data,
    stream::{ACCEL_BUFFERING, Encoder, StreamBody},
};
use crate::{
    error::{ApiError, Result},
    openapi::Operation,
};

/// How long a stream may be silent before a ping is sent.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// A stream of server-sent events.
///
/// The items are values that are sent as JSON, or [`Event`]s. A comment is sent after 15 s of
/// silence, so that proxies keep the connection. When the client leaves, the stream is dropped
/// with everything it awaits. When the server shuts down, a stream that is still open near the
/// end of the drain time gets a last event named `error`.
///
/// ```
/// use alula::{Sse, Stream};
/// use futures_util::stream;
///
/// async fn count() -> Sse<impl Stream<Item = u32>> {
///     Sse::new(stream::iter(0..3))
/// }
/// ```
///
/// Where FastAPI has `yield`, a stream is unfolded from a state; the crate `async-stream` has
/// `yield`, too.
///
/// ```
/// use std::time::Duration;
///
/// use alula::{Sse, Stream};
/// use futures_util::stream;
///
/// async fn tick() -> Sse<impl Stream<Item = u32>> {
///     Sse::new(stream::unfold(0, async |count| {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///         (count < 10).then_some((count, count + 1))
///     }))
/// }
/// ```
pub struct Sse<S> {
    stream: S,
    ping: Option<Duration>,
}

impl<S> Sse<S>
where
    S: Stream + Send + 'static,
    S::Item: SseItem,
{
    /// Sends the items of the stream.
    pub fn new(stream: S) -> Self {
        Self { stream, ping: Some(PING_INTERVAL) }
    }

    /// Sends a ping after this much silence instead of 15 s; `None` sends none.
    #[must_use]
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.ping = interval.into();
        self
    }
}

impl<S> Sse<S> {
    /// Sends the values of a stream that may fail.
    ///
    /// The first error is logged, sent as an event named `error`, and ends the stream. See
    /// [`Event::error`].
    pub fn fallible<T, E>(stream: S) -> Sse<impl Stream<Item = Event<T>> + Send + 'static>
    where
        S: Stream<Item = Result<Event<T>, E>> + Send + 'static,
        T: Serialize + JsonSchema + Send + 'static,
        E: ApiError + Send + 'static,
    {
        let stream = stream.scan(false, |failed, item| {
            let event = match item {
                _ if *failed => None,
                Ok(event) => Some(event),
                Err(error) => {
                    *failed = true;
                    Some(Event::error(&error.into_http()))
                }
            };
            std::future::ready(event)
        });
        Sse::new(stream)
    }
}

impl<S> fmt::Debug for Sse<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").field("ping", &self.ping).finish_non_exhaustive()
    }
}

impl<S> Output for Sse<S>
where
    S: Stream + Send + 'static,
    S::Item: SseItem,
{
    /// OpenAPI 3.1 cannot describe the items of a stream; `x-item-schema` does, in the words that
    /// OpenAPI 3.2 uses for `itemSchema`.
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let data = S::Item::schema(operation);
        let item = json!({
            "type": "object",
            "properties": {
                "data": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": data,
                },
                "event": { "type": "string" },
                "id": { "type": "string" },
                "retry": { "type": "integer", "minimum": 0 },
            },
            "required": ["data"],
        });
        operation.stream_response(status, "text/event-stream", &item);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let body = StreamBody::<_, Events>::new(self.stream, self.ping, cx);
        let mut response = cx.response("text/event-stream; charset=utf-8", Body::new(body));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }
}

/// The wire format of server-sent events.
struct Events;

impl<T: SseItem> Encoder<T> for Events {
    const PING: Option<&'static [u8]> = Some(b": ping\n\n");

    fn write(item: T, buffer: &mut BytesMut, cx: &StreamContext) -> Result<()> {
        item.write(buffer, cx)
    }

    fn write_error(body: &[u8], buffer: &mut BytesMut) {
        buffer.extend_from_slice(b"event: error\n");
        write_data(buffer, body);
        buffer.extend_from_slice(b"\n");
    }
}
