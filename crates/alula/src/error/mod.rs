//! What an endpoint returns when it cannot answer.

mod api;
mod context;
mod format;
mod handlers;
mod kinds;
mod noted;
mod policy;
mod problem;

use std::{
    borrow::Cow,
    error::Error as StdError,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

pub use api::{ApiError, RetryAfter};
pub use context::ErrorContext;
pub(crate) use context::RequestHead;
pub(crate) use format::AnyFormat;
pub use format::{ErrorFormat, FastApi};
pub(crate) use handlers::ErrorHandlers;
pub use kinds::{CatchError, Panic, ValidationError};
pub(crate) use noted::Noted;
pub(crate) use policy::{
    Area, Areas, ErrorPolicies, ErrorPolicy, Errors, answer, answer_for, error_response,
};
pub use problem::Problem;

use crate::schema::Detail;

/// The result of an endpoint or a dependency.
pub type Result<T, E = HttpError> = std::result::Result<T, E>;

/// An error with a status, a body for the client and a message for the log.
///
/// The client reads `{"detail": …}`, or what another [`ErrorFormat`] makes of it; the log (of
/// [`tracing`](https://docs.rs/tracing)) reads the cause. The two never mix: the text of an error
/// that came in through `?` is logged and the client is told only `Internal Server Error`.
///
/// ```
/// use alula::{HttpError, Result};
///
/// async fn item(id: u64) -> Result<String> {
///     if id == 0 {
///         return Err(HttpError::not_found("no such item"));
///     }
///     let text = std::fs::read_to_string(format!("items/{id}"))?; // logged, and a 500
///     Ok(text)
/// }
/// ```
///
/// Two errors are equal if the client reads the same.
#[derive(Clone)]
pub struct HttpError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    status: StatusCode,
    content: Content,
    code: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

#[derive(Clone)]
enum Content {
    Detail(Value),
    Invalid {
        error: ValidationError,
        /// Made for the first who asks; the default form does without.
        detail: OnceLock<Value>,
    },
}

impl HttpError {
    /// An error with a status from 400 to 599 and what the client shall read under `detail`.
    ///
    /// Another status is a mistake in the program; it is answered as 500 and logged.
    pub fn new(status: u16, detail: impl Into<Value>) -> Self {
        let (status, cause) = match StatusCode::from_u16(status) {
            Ok(valid) if valid.is_client_error() || valid.is_server_error() => (valid, None),
            _ => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Some(format!("an HttpError was made with status {status}").into()),
            ),
        };
        let error = Self::of(status, Content::Detail(detail.into()));
        match cause {
            Some(cause) => error.because::<Box<dyn StdError + Send + Sync>>(cause),
            None => error,
        }
    }

    /// An error whose detail is what its status means: `Not Found` for 404.
    pub fn of_status(status: u16) -> Self {
        let phrase = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        Self::new(status, phrase.unwrap_or("Error"))
    }

    fn of(status: StatusCode, content: Content) -> Self {
        let (code, headers, cause) = (None, Vec::new(), None);
        Self(Arc::new(Inner { status, content, code, headers, cause }))
    }

    /// The answer of a foreign extractor, which may also send the client elsewhere.
    pub(crate) fn foreign(status: StatusCode, detail: Value) -> Self {
        if status.is_redirection() {
            return Self::of(status, Content::Detail(detail));
        }
        Self::new(status.as_u16(), detail)
    }

    /// 400.
    pub fn bad_request(detail: impl Into<Value>) -> Self {
        Self::new(400, detail)
    }

    /// 401, with the scheme the client should use in `WWW-Authenticate`, such as `Bearer`.
    ///
    /// A scheme that no header can hold is left out.
    pub fn unauthorized(scheme: &str) -> Self {
        let error = Self::new(401, "Not authenticated");
        match HeaderValue::from_str(scheme) {
            Ok(scheme) => error.header(header::WWW_AUTHENTICATE, scheme),
            Err(_) => error,
        }
    }

    /// 403.
    pub fn forbidden(detail: impl Into<Value>) -> Self {
        Self::new(403, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<Value>) -> Self {
        Self::new(404, detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<Value>) -> Self {
        Self::new(409, detail)
    }

    /// 429, with the seconds to wait in `Retry-After`.
    pub fn too_many_requests(detail: impl Into<Value>, retry_after_seconds: u64) -> Self {
        Self::new(429, detail).retry_after(retry_after_seconds)
    }

    /// 500, with a cause for the log that the client does not see.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(500, "Internal Server Error").because(cause)
    }

    /// 503.
    pub fn unavailable(detail: impl Into<Value>) -> Self {
        Self::new(503, detail)
    }

    /// 422 with the list of everything that is wrong with the request.
    pub fn validation(details: Vec<Detail>) -> Self {
        let (error, detail) = (ValidationError::new(details), OnceLock::new());
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, Content::Invalid { error, detail })
    }

    /// Names the error for programs, such as `card_declined`; the [`ErrorFormat`] shows it.
    #[must_use]
    pub fn code(self, code: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.code = Some(code.into()))
    }

    /// Adds a header to the answer.
    ///
    /// A `content-type` takes the place of the format's. The length and the framing of the body are
    /// the server's business: `content-length` and `transfer-encoding` are left out.
    #[must_use]
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|inner| inner.headers.push((name, value)))
    }

    /// Takes a header out of the answer.
    #[cfg(feature = "mcp")]
    pub(crate) fn without_header(self, name: &HeaderName) -> Self {
        self.with(|inner| inner.headers.retain(|(known, _)| known != name))
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn because<E: Into<Box<dyn StdError + Send + Sync>>>(self, cause: E) -> Self {
        self.with(|inner| inner.cause = Some(Arc::from(cause.into())))
    }

    /// Takes over the cause of another error unless it has one.
    fn because_of(self, other: &Self) -> Self {
        let cause = self.0.cause.as_ref().or(other.0.cause.as_ref()).cloned();
        self.with(|inner| inner.cause = cause)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the client reads under `detail`.
    pub fn detail(&self) -> &Value {
        match &self.0.content {
            Content::Detail(detail) => detail,
            Content::Invalid { error, detail } => {
                detail.get_or_init(|| serde_json::to_value(error.details()).unwrap_or_default())
            }
        }
    }

    /// The detail as one text, for formats that have no place for more.
    ///
    /// A list of what is wrong with a request becomes a line such as
    /// `body.items.0.price: Input should be greater than 0`, with its parts joined by semicolons.
    pub fn message(&self) -> String {
        match &self.0.content {
            Content::Invalid { error, .. } => error.to_string(),
            Content::Detail(Value::String(text)) => text.clone(),
            Content::Detail(detail) => detail.to_string(),
        }
    }

    /// The name of the error for programs, if it has one.
    pub fn error_code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// All that is wrong with the request, if that is what the error is about.
    pub fn invalid(&self) -> Option<&ValidationError> {
        match &self.0.content {
            Content::Invalid { error, .. } => Some(error),
            Content::Detail(_) => None,
        }
    }

    /// The cause, if there is one. It is for the log; a client must not read it.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// The headers of the answer.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.headers.iter().map(|(name, value)| (name, value))
    }

    /// The cause and its sources on one line, for the log.
    pub fn log_message(&self) -> Cow<'_, str> {
        match &self.0.cause {
            Some(cause) => Cow::Owned(chain(cause.as_ref())),
            None => match &self.0.content {
                Content::Detail(Value::String(text)) => Cow::Borrowed(text),
                _ => Cow::Owned(self.message()),
            },
        }
    }
}

/// An error and its sources, joined by colons. The types are the program's own: one that panics
/// must not take the answer with it.
fn chain(error: &dyn StdError) -> String {
    catch_unwind(AssertUnwindSafe(|| joined(error)))
        .unwrap_or_else(|panic| format!("an error whose text {}", Panic::of(&*panic)))
}

fn joined(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The cause if there is one, for the log and for a `main` that returns it; else status and detail.
impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Some(cause) => f.write_str(&chain(cause.as_ref())),
            None => write!(f, "{}: {}", self.0.status, self.log_message()),
        }
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for HttpError {
    fn eq(&self, other: &Self) -> bool {
        self.status() == other.status()
            && self.error_code() == other.error_code()
            && self.0.headers == other.0.headers
            && self.detail() == other.detail()
    }
}

/// Any error becomes a 500 whose cause is logged, so that `?` works on everything.
///
/// This is why [`HttpError`] itself does not implement [`std::error::Error`].
impl<E: StdError + Send + Sync + 'static> From<E> for HttpError {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_error_is_logged_and_hidden() {
        let error: HttpError = std::io::Error::other("disk on fire").into();
        assert_eq!(error.status(), 500);
        assert_eq!(error.detail(), "Internal Server Error");
        assert_eq!(error.log_message(), "disk on fire");
    }

    #[test]
    fn a_status_that_is_no_error_becomes_500() {
        for status in [0, 99, 200, 302, 600, 1000] {
            let error = HttpError::new(status, "x");
            assert_eq!(error.status(), 500, "{status}");
            assert!(error.log_message().contains(&status.to_string()));
        }
        assert_eq!(HttpError::new(499, "x").status().as_u16(), 499);
    }

    #[test]
    fn a_program_that_returns_it_from_main_shows_the_cause() {
        let error: HttpError = std::io::Error::other("disk on fire").into();
        assert_eq!(format!("{error:?}"), "disk on fire");
        assert_eq!(HttpError::not_found("x").to_string(), "404 Not Found: x");
    }

    #[test]
    fn a_scheme_that_is_no_header_does_not_panic() {
        let scheme = |scheme| HttpError::unauthorized(scheme).headers().next().is_some();
        assert!(scheme("Bearer realm=\"a\"") && !scheme("a\nb"));
    }

    #[test]
    fn headers_are_kept_in_order() {
        let error = HttpError::too_many_requests("slow down", 3);
        let headers: Vec<_> = error.headers().collect();
        assert_eq!(headers, [(&header::RETRY_AFTER, &HeaderValue::from_static("3"))]);
    }
}
