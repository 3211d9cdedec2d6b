//! What an endpoint can answer.

mod bytes;
mod cookie;
mod either;
mod events;
mod file;
mod head;
mod lines;
mod media;
mod redirect;
mod sse;
mod stream;
mod stream_context;
mod text;

use ::bytes::Bytes;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::Serialize;

pub use bytes::{ByteStream, Chunk};
pub use cookie::{SameSite, SetCookie};
pub use either::Either;
pub use events::{Event, SseItem};
pub use file::File;
pub(crate) use file::{inside, open};
pub use head::ResponseHead;
pub use lines::JsonLines;
pub use redirect::Redirect;
pub use sse::Sse;
pub use stream_context::StreamContext;
pub use text::{Html, Text};

pub(crate) use crate::error::error_response;
use crate::{
    error::{ApiError, ErrorPolicy, HttpError, RequestHead, Result},
    input::Json,
    openapi::Operation,
    serve::Shutdown,
};

/// A value that an endpoint can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from an endpoint",
    note = "return `Json<T>` where `T: Serialize + JsonSchema`, `Text<_>`, `Html<_>`, `File`, `Redirect`, `Sse<_>`, `JsonLines<_>`, `ByteStream<_>`, `Status<CODE, _>`, `Either<_, _>`, `()`, or a `Result` of one of them",
    note = "a text is `Json<String>` as in FastAPI, or `Text<String>` as it stands"
)]
pub trait Output {
    /// Describes the answer; `status` is what the endpoint answers with unless the type knows
    /// better.
    fn describe(operation: &mut Operation<'_>, status: u16);

    /// Makes the answer.
    ///
    /// # Errors
    ///
    /// The error to answer with instead.
    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>>;
}

/// What an answer may need to know about its request and its application.
#[derive(Debug, Clone, Copy)]
pub struct ResponseContext<'a> {
    head: RequestHead<'a>,
    shutdown: &'a Shutdown,
    status: StatusCode,
    errors: &'a Arc<ErrorPolicy>,
}

impl<'a> ResponseContext<'a> {
    pub(crate) fn new(
        head: RequestHead<'a>,
        shutdown: &'a Shutdown,
        status: StatusCode,
        errors: &'a Arc<ErrorPolicy>,
    ) -> Self {
        Self { head, shutdown, status, errors }
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.head.method
    }

    /// The target of the request.
    pub fn uri(&self) -> &'a Uri {
        self.head.uri
    }

    /// The headers of the request.
    pub fn headers(&self) -> &'a HeaderMap {
        self.head.headers
    }

    /// What a body that outlives the endpoint remembers of the request.
    fn stream(&self) -> StreamContext {
        StreamContext::of(self)
    }

    /// The status of the answer unless its type knows better: what [`ResponseHead::status`] was
    /// told, or what the route says; 200 by default.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn shutdown(&self) -> &'a Shutdown {
        self.shutdown
    }

    /// A response with the route's status and a content type.
    pub(crate) fn response(&self, content_type: &'static str, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

impl<T: Serialize + JsonSchema> Output for Json<T> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let schema = operation.output_schema::<T>();
        operation.response(status, "Successful Response", Some(("application/json", schema)));
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        Ok(cx.response("application/json", Body::from(to_json(&self.0)?)))
    }
}

/// Serializes into a buffer that the response body takes over as it is.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

/// No content: 204, unless the route has another status than 200.
impl Output for () {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        match status {
            200 | 204 => operation.response(204, "No Content", None),
            other => operation.response(other, "Successful Response", None),
        }
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = match cx.status {
            StatusCode::OK => StatusCode::NO_CONTENT,
            other => other,
        };
        Ok(response)
    }
}

/// An answer with a status of its own.
///
/// ```
/// use alula::{Json, Status};
///
/// async fn create() -> Status<201, Json<&'static str>> {
///     Status(Json("made"))
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status<const CODE: u16, T>(pub T);

impl<const CODE: u16, T: Output> Output for Status<CODE, T> {
    fn describe(operation: &mut Operation<'_>, _: u16) {
        operation.final_status(CODE);
        T::describe(operation, CODE);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        let status = StatusCode::from_u16(CODE)?;
        self.0.respond(&ResponseContext { status, ..*cx })
    }
}

impl<T: Output, E: ApiError> Output for Result<T, E> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        T::describe(operation, status);
        E::describe(operation);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        self.map_err(ApiError::into_http)?.respond(cx)
    }
}

/// The error itself, for handlers of errors; an endpoint returns a `Result`.
impl Output for HttpError {
    fn describe(_: &mut Operation<'_>, _: u16) {}

    fn respond(self, _: &ResponseContext<'_>) -> Result<Response<Body>> {
        Err(self)
    }
}

/// A response made by hand; the document says nothing about its content.
impl Output for Response<Body> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        operation.response(status, "Successful Response", None);
    }

    fn respond(self, _: &ResponseContext<'_>) -> Result<Self> {
        Ok(self)
    }
}
