mod public;

use std::{error::Error as StdError, fmt, time::Duration};

/// What a call to a provider returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest part of a provider's error body that an [`Error`] keeps, in bytes.
pub const BODY_EXCERPT_BYTES_MAX: usize = 2048;

/// The longest part that is kept until the keys are removed from it, in bytes.
const BODY_KEPT_BYTES_MAX: usize = 64 << 10;

/// Why a call failed: what to do about it ([`kind`](Self::kind)), and who said what.
///
/// No API key appears in its `Debug` or `Display` form.
///
/// ```
/// use alula_llm::{ChatRequest, ErrorKind, Llm, testing::{FakeProvider, Fault}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().then(Fault::Status(401));
/// # let llm = Llm::builder().provider(fake.openai()).build()?;
/// let error = llm.chat(ChatRequest::new("gpt-4o").user("Hi")).await.unwrap_err();
/// assert_eq!(error.kind(), &ErrorKind::Auth);
/// assert!(!error.is_retryable());
/// assert_eq!((error.provider(), error.status()), (Some("openai"), Some(401)));
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    provider: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    /// More of the body than is shown, so that a key across the end is found and removed.
    body: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of failure a caller can act on.
///
/// ```
/// use alula_llm::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &str {
///     match error.kind() {
///         ErrorKind::ContextTooLong => "drop the oldest messages",
///         ErrorKind::Auth | ErrorKind::QuotaExceeded => "see to the account",
///         _ if error.is_retryable() => "try again later",
///         _ => "change the request",
///     }
/// }
/// let error = Error::new(ErrorKind::RateLimited { retry_after: None }, "too many requests");
/// assert_eq!(advice(&error), "try again later");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Too many requests or tokens; try again after the given time, if there is one.
    RateLimited {
        /// The provider's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The provider has no capacity now (503, 529).
    Overloaded {
        /// The provider's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The account has no credit or quota left; trying again does not help.
    QuotaExceeded,
    /// The provider, or the translation to its format, refuses the request as it is.
    InvalidRequest,
    /// The key is missing, wrong or lacks a permission.
    Auth,
    /// No such model, address or provider.
    NotFound,
    /// The provider does not do such a thing at all; another one may.
    Unsupported,
    /// The prompt and the answer do not fit into the model's context.
    ContextTooLong,
    /// A content policy blocked the prompt or the answer.
    ContentFiltered,
    /// A deadline passed.
    Timeout {
        /// Which one.
        phase: Phase,
    },
    /// No connection: name resolution, refusal, TLS.
    Connect,
    /// A stream broke off before its end.
    Stream {
        /// How many events arrived before.
        events_seen: u64,
    },
    /// The provider answered something that is not what its protocol says.
    Decode,
    /// The answer, or one event of it, is larger than the configured limit.
    TooLarge,
    /// The provider failed (5xx), or its connection broke before an answer.
    Unavailable,
    /// This side is set up wrongly, such as a malformed base URL.
    Config,
}

/// The part of a call that a deadline limits.
///
/// ```
/// use alula_llm::{Error, ErrorKind, Phase};
///
/// // Whether a provider may have worked, and charges, for a call that was too slow.
/// fn may_cost(error: &Error) -> bool {
///     !matches!(error.kind(), ErrorKind::Timeout { phase: Phase::Connect })
/// }
/// let error = Error::new(ErrorKind::Timeout { phase: Phase::Idle }, "nothing more came");
/// assert!(may_cost(&error));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Opening the connection.
    Connect,
    /// From the call to the first content of a stream.
    FirstToken,
    /// The whole answer of one target, where it does not stream and another one is left to ask.
    Answer,
    /// Between two events of a stream.
    Idle,
    /// The whole call.
    Total,
}

impl Error {
    /// An error of this kind; `message` is a sentence without a final dot.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            provider: None,
            status: None,
            request_id: None,
            body: None,
            source: None,
        }))
    }

    /// Names the provider.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.0.provider = Some(provider.into());
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the provider's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<String>) -> Self {
        self.0.request_id = id.or(self.0.request_id);
        self
    }

    /// Adds the beginning of the body, at most [`BODY_EXCERPT_BYTES_MAX`].
    #[must_use]
    pub fn with_body(mut self, body: &str) -> Self {
        self.0.body = Some(excerpt(body, BODY_KEPT_BYTES_MAX).to_owned());
        self
    }

    /// Adds the error below this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Passes every text of this error through `redact`.
    pub(crate) fn redacted(mut self, redact: impl Fn(String) -> String) -> Self {
        self.0.message = redact(self.0.message);
        let body = self.0.body.map(&redact);
        self.0.body = body.map(|body| excerpt(&body, BODY_EXCERPT_BYTES_MAX).to_owned());
        self.0.request_id = self.0.request_id.map(redact);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The provider's own words, or ours.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The name of the provider, if the call reached one.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// The HTTP status of the provider's answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The provider's id of the request, to quote in a support ticket.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The beginning of the body that came with the error.
    pub fn body_excerpt(&self) -> Option<&str> {
        self.0.body.as_deref().map(|body| excerpt(body, BODY_EXCERPT_BYTES_MAX))
    }

    /// How long the provider asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.kind {
            ErrorKind::RateLimited { retry_after } | ErrorKind::Overloaded { retry_after } => {
                retry_after
            }
            _ => None,
        }
    }

    /// Whether the same call may succeed when it is made again.
    ///
    /// It says nothing about what the caller has already passed on: a stream that broke after
    /// its first content is retryable here, and must not be repeated blindly.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::RateLimited { .. }
                | ErrorKind::Overloaded { .. }
                | ErrorKind::Timeout { .. }
                | ErrorKind::Connect
                | ErrorKind::Stream { .. }
                | ErrorKind::Unavailable
        )
    }
}

impl ErrorKind {
    /// Whether a call that fails so before its answer begins was turned away, if it was sent at all:
    /// the model has not worked on it.
    ///
    /// ```
    /// use alula_llm::ErrorKind;
    ///
    /// assert!(ErrorKind::RateLimited { retry_after: None }.is_refusal());
    /// assert!(!ErrorKind::Unavailable.is_refusal());
    /// ```
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Auth
                | Self::Config
                | Self::Connect
                | Self::ContextTooLong
                | Self::InvalidRequest
                | Self::NotFound
                | Self::Overloaded { .. }
                | Self::QuotaExceeded
                | Self::RateLimited { .. }
                | Self::Unsupported
        )
    }

    /// A short name, for logs and metrics: `rate_limited`, `timeout`, ….
    pub fn name(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
            Self::QuotaExceeded => "quota_exceeded",
            Self::InvalidRequest => "invalid_request",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::ContextTooLong => "context_too_long",
            Self::ContentFiltered => "content_filtered",
            Self::Timeout { .. } => "timeout",
            Self::Connect => "connect",
            Self::Stream { .. } => "stream",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Unavailable => "unavailable",
            Self::Config => "config",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = &self.0.provider {
            write!(f, "{provider}: ")?;
        }
        f.write_str(&self.0.message)?;
        match (self.0.status, &self.0.request_id) {
            (Some(status), Some(id)) => write!(f, " (status {status}, request {id})"),
            (Some(status), None) => write!(f, " (status {status})"),
            (None, Some(id)) => write!(f, " (request {id})"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, provider, status, request_id, body: _, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("message", message)
            .field("provider", provider)
            .field("status", status)
            .field("request_id", request_id)
            .field("body", &self.body_excerpt())
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// The beginning of the text, at most so many bytes, and no half character.
fn excerpt(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_never_splits_a_character() {
        let body = "é".repeat(BODY_EXCERPT_BYTES_MAX);
        let error = Error::new(ErrorKind::Decode, "no").with_body(&format!("x{body}"));
        let excerpt = error.body_excerpt().unwrap();
        assert_eq!(excerpt.len(), BODY_EXCERPT_BYTES_MAX - 1);
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn display_names_who_said_what() {
        let error = Error::new(ErrorKind::Auth, "Incorrect API key")
            .with_provider("openai")
            .with_status(401)
            .with_request_id(Some("req_1".to_owned()));
        assert_eq!(error.to_string(), "openai: Incorrect API key (status 401, request req_1)");
    }
}
