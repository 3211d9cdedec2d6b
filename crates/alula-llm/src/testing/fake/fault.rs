use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::answer::known_error;
use crate::{Error, ErrorKind, model::Protocol, providers::Failure};

/// A way in which a provider fails; see [`Turn::then`](super::Turn::then).
///
/// What happens after so many *pieces* happens after as many pieces of the answer as the turn
/// [says](super::Turn::says), thinks or calls, whatever number of events the protocol makes of
/// them; after none of them, only the status and the headers have been sent. An answer that is
/// not streamed breaks in the middle instead, and faults that concern the events of a stream leave
/// it as it is.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::{FakeProvider, Fault}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let fake = FakeProvider::start().await;
/// fake.turn().then(Fault::Status(503));
/// fake.turn().says(["Gr", "üezi"]).then(Fault::SplitUtf8).then(Fault::Pings);
///
/// let llm = Llm::builder().provider(fake.openai()).build()?;
/// let answer = llm.stream(ChatRequest::new("gpt-4o").user("Hi")).await?.accumulate().await?;
/// assert_eq!(answer.text(), "Grüezi"); // of the second attempt
/// # Ok(())
/// # }
/// ```
///
/// # What a caller is told
///
/// The [kind](crate::ErrorKind) of the error that [`Llm::chat`](crate::Llm::chat) and
/// [`Llm::stream`](crate::Llm::stream) give, at every provider but those that are named: `OpenAi`
/// stands for all servers that are compatible with it. The timeouts are those of the default
/// [`Deadlines`](crate::Deadlines), in their order. Tests hold this table.
///
#[doc = include_str!("faults.md")]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// No answer comes, and the connection stays open.
    Stall,
    /// After so many pieces nothing more comes, and the connection stays open.
    StallAfter(usize),
    /// The connection is closed before the answer.
    Close,
    /// The connection is closed after so many pieces.
    CloseAfter(usize),
    /// The connection is reset before the answer, as by a process that dies.
    Reset,
    /// The connection is reset after so many pieces.
    ResetAfter(usize),

    /// The status and the headers take so long.
    SlowHeaders(Duration),
    /// The body comes byte by byte, each so long after the one before.
    Drip(Duration),

    /// An error with this status, in the protocol's own form.
    Status(u16),
    /// An error with this status, and `Retry-After` in seconds.
    RetryAfter(u16, Duration),
    /// An error with this status, and `Retry-After` as a date.
    RetryAt(u16, SystemTime),
    /// The error by which the protocol says this.
    Error(ErrorKind),
    /// The same with the status 200.
    ErrorInBody(ErrorKind),
    /// After so many pieces, an event that reports an error.
    ErrorAfter(usize, ErrorKind),
    /// A redirect (307) to this address.
    Redirect(String),

    /// The answer is not JSON, or its first event is not.
    NotJson,
    /// A stream without any event, or text in place of JSON.
    NotEvents,
    /// A page for people, with the status 200.
    Html,
    /// The first piece holds a byte that is not UTF-8.
    NotUtf8,
    /// The status 200 and nothing else.
    Empty,
    /// The body ends in the middle, in a stream in the middle of the first piece, as if that were
    /// its end.
    Truncated,
    /// Another `content-type`.
    ContentType(String),
    /// `content-length` is greater than the body, after which the connection is closed.
    WrongLength,

    /// Each character of several bytes comes in several chunks.
    SplitUtf8,
    /// Each event comes in two chunks.
    SplitInsideEvent,
    /// Each byte comes in a chunk of its own.
    EveryByte,
    /// Lines end in CR LF.
    CrLf,
    /// A comment comes before each piece.
    Comments,
    /// The protocol's own sign of life comes before each piece, if it has one.
    Pings,
    /// The last event of each piece comes again without its text.
    EmptyChunks,
    /// The last event of the stream is missing.
    NoDone,
    /// The last event of the first piece comes twice.
    Duplicate,
    /// A piece of so many bytes more comes at the end.
    HugeLine(usize),
}

impl Fault {
    /// After how many pieces the answer breaks off.
    pub(super) fn pieces(&self) -> Option<usize> {
        match self {
            Self::StallAfter(pieces)
            | Self::CloseAfter(pieces)
            | Self::ResetAfter(pieces)
            | Self::ErrorAfter(pieces, _) => Some(*pieces),
            _ => None,
        }
    }

    /// The error that comes in place of an answer.
    pub(super) fn error(&self, protocol: Protocol) -> Option<Error> {
        match self {
            Self::Status(status) | Self::RetryAfter(status, _) | Self::RetryAt(status, _) => {
                let headers = self.retry_after().map(|value| (RETRY_AFTER, value));
                let headers = HeaderMap::from_iter(headers);
                Some(Failure::of_answer(*status, &headers, b"").into_error(None))
            }
            Self::Error(kind) | Self::ErrorInBody(kind) => {
                Some(known_error(kind.clone(), protocol))
            }
            _ => None,
        }
    }

    /// The header that says when to come again.
    pub(super) fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            // The field has whole seconds.
            Self::RetryAfter(_, time) => Some(time.as_secs().into()),
            Self::RetryAt(_, time) => HeaderValue::try_from(httpdate::fmt_http_date(*time)).ok(),
            _ => None,
        }
    }
}
