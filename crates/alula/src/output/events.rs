//! Server-sent events, one at a time.

use std::{borrow::Cow, fmt::Display, time::Duration};

use bytes::{BufMut as _, BytesMut};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::StreamContext;
use crate::{
    error::{HttpError, Result},
    openapi::Operation,
};

/// A server-sent event with a payload of type `T`, sent as JSON.
///
/// The format is the WHATWG HTML standard's, section 9.2.
///
/// ```
/// use alula::Event;
/// use std::time::Duration;
///
/// let token = Event::new("hello").event("token").id("7");
/// let hint = Event::<&str>::comment("still here").retry(Duration::from_secs(3));
/// let done = Event::<&str>::raw("[DONE]");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Event<T = ()> {
    payload: Payload<T>,
    event: Option<Cow<'static, str>>,
    id: Option<Cow<'static, str>>,
    retry: Option<Duration>,
    comment: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Payload<T> {
    None,
    Json(T),
    Raw(Cow<'static, str>),
    Error(HttpError),
}

impl<T> Event<T> {
    fn of(payload: Payload<T>) -> Self {
        Self { payload, event: None, id: None, retry: None, comment: None }
    }

    /// An event whose data is `payload` as JSON.
    pub fn new(payload: T) -> Self {
        Self::of(Payload::Json(payload))
    }

    /// An event whose data is this text as it stands, such as `[DONE]`.
    pub fn raw(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Payload::Raw(text.into()))
    }

    /// A comment, which clients skip.
    pub fn comment(text: impl Into<Cow<'static, str>>) -> Self {
        let mut event = Self::of(Payload::None);
        event.comment = Some(text.into());
        event
    }

    /// An event named `error` that tells the client why the stream ends here.
    ///
    /// Its data is what the body of the error would have been: `{"detail": …}`, or what another
    /// [`ErrorFormat`](crate::ErrorFormat) makes of it. The error is logged when it is sent, as
    /// any other.
    pub fn error(error: &HttpError) -> Self {
        Self::of(Payload::Error(error.clone())).event("error")
    }

    /// Names the event. Line breaks in the name become spaces.
    #[must_use]
    pub fn event(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.event = Some(name.into());
        self
    }

    /// Gives the event an id, which a client that reconnects sends back as `Last-Event-ID`.
    #[must_use]
    pub fn id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Tells the client how long to wait before it reconnects; sent in milliseconds.
    #[must_use]
    pub fn retry(mut self, wait: Duration) -> Self {
        self.retry = Some(wait);
        self
    }
}

/// What a stream of server-sent events may yield: values that are sent as JSON, or [`Event`]s.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an item of `Sse`",
    note = "yield a `T: Serialize + JsonSchema`, or an `Event<T>`"
)]
pub trait SseItem {
    /// Writes the item in the wire format.
    ///
    /// # Errors
    ///
    /// If the payload cannot be serialized.
    fn write(self, buffer: &mut BytesMut, cx: &StreamContext) -> Result<()>;

    /// The schema of the JSON in the data of the events.
    fn schema(operation: &mut Operation<'_>) -> Value;
}

impl<T: Serialize + JsonSchema> SseItem for T {
    fn write(self, buffer: &mut BytesMut, _: &StreamContext) -> Result<()> {
        write_json(buffer, &self)?;
        buffer.put_u8(b'\n');
        Ok(())
    }

    fn schema(operation: &mut Operation<'_>) -> Value {
        operation.output_schema::<T>()
    }
}

impl<T: Serialize + JsonSchema> SseItem for Event<T> {
    /// FastAPI's order of fields: comment, event, data, id, retry.
    fn write(self, buffer: &mut BytesMut, cx: &StreamContext) -> Result<()> {
        if let Some(comment) = &self.comment {
            write_lines(buffer, b": ", comment);
        }
        if let Some(event) = &self.event {
            write_field(buffer, b"event: ", event);
        }
        match self.payload {
            Payload::None => {}
            Payload::Json(value) => write_json(buffer, &value)?,
            Payload::Error(error) => write_data(buffer, &cx.last_words(error)),
            Payload::Raw(text) => write_lines(buffer, b"data: ", &text),
        }
        if let Some(id) = &self.id {
            write_field(buffer, b"id: ", id);
        }
        if let Some(retry) = self.retry {
            write_field(buffer, b"retry: ", &retry.as_millis());
        }
        buffer.put_u8(b'\n');
        Ok(())
    }

    fn schema(operation: &mut Operation<'_>) -> Value {
        operation.output_schema::<T>()
    }
}

/// JSON as serde writes it has no line breaks, so it is one line of data.
fn write_json<T: Serialize>(buffer: &mut BytesMut, value: &T) -> Result<()> {
    buffer.extend_from_slice(b"data: ");
    serde_json::to_writer(buffer.writer(), value)?;
    buffer.put_u8(b'\n');
    Ok(())
}

/// JSON on one line of data.
pub(super) fn write_data(buffer: &mut BytesMut, json: &[u8]) {
    buffer.extend_from_slice(b"data: ");
    buffer.extend_from_slice(json);
    buffer.put_u8(b'\n');
}

/// One field on one line: a line break or NUL inside could forge another field.
fn write_field(buffer: &mut BytesMut, name: &[u8], value: &impl Display) {
    buffer.extend_from_slice(name);
    let text = value.to_string();
    let safe = text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r' | 0) { b' ' } else { byte });
    buffer.extend(safe);
    buffer.put_u8(b'\n');
}

/// A text of several lines, each with the field's name before it.
fn write_lines(buffer: &mut BytesMut, name: &[u8], text: &str) {
    for line in text.split('\n') {
        for line in line.strip_suffix('\r').unwrap_or(line).split('\r') {
            buffer.extend_from_slice(name);
            buffer.extend_from_slice(line.as_bytes());
            buffer.put_u8(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(item: impl SseItem) -> String {
        let mut buffer = BytesMut::new();
        item.write(&mut buffer, &StreamContext::nowhere()).unwrap();
        String::from_utf8(buffer.to_vec()).unwrap()
    }

    #[test]
    fn values_are_json_and_events_have_fastapis_form() {
        assert_eq!(written(json!({"i": 0})), "data: {\"i\":0}\n\n");
        let full = Event::new("hello").event("done").id("7").retry(Duration::from_millis(10));
        assert_eq!(written(full), "event: done\ndata: \"hello\"\nid: 7\nretry: 10\n\n");
        assert_eq!(written(Event::<()>::raw("[DONE]")), "data: [DONE]\n\n");
        assert_eq!(written(Event::<()>::comment("c")), ": c\n\n");
    }

    #[test]
    fn no_text_can_forge_a_field_or_an_event() {
        assert_eq!(
            written(Event::<()>::raw("a\r\nid: 1\rb\n\nc")),
            "data: a\ndata: id: 1\ndata: b\ndata: \ndata: c\n\n"
        );
        let named = Event::<()>::raw("x").event("a\nid: 1").id("1\r\n\r\n");
        assert_eq!(written(named), "event: a id: 1\ndata: x\nid: 1    \n\n");
        assert_eq!(written(Event::<()>::comment("a\n\nb")), ": a\n: \n: b\n\n");
    }

    #[test]
    fn an_error_event_shows_the_public_detail_only() {
        let error = HttpError::internal("password is hunter2");
        let text = written(Event::<()>::error(&error));
        assert_eq!(text, "event: error\ndata: {\"detail\":\"Internal Server Error\"}\n\n");
    }
}
