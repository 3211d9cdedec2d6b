//! Requests in the bytes of their client, and answers in the bytes of their provider.
//!
//! Where both speak the same protocol nothing is modelled: unknown fields, the order of keys and
//! the way numbers are written survive because nobody reads them. Only the name of the model is
//! put in, and what the call has used is read on the way.
//!
//! A server that wants something otherwise than OpenAI (Mistral, Groq and others) is the exception:
//! its requests are read, and those in which something must change are written anew. No field is
//! lost by that that the server knows, but spaces and the spelling of numbers are.

mod ending;
pub(crate) mod headers;
mod json;
mod prompt;
mod request;
mod scan;
pub(crate) mod translated;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};

use self::ending::{Ending, SharedWriter};
use crate::{
    ChatEvent, Error, Result, Usage,
    model::Protocol,
    stream::{Piece, Pieces},
    underway::Underway,
};

pub use request::RelayRequest;
pub(crate) use scan::{fields, text};

/// An answer in the bytes of the protocol in which it was asked for.
///
/// ```
/// use alula_llm::{Llm, RelayRequest, model::Protocol, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().says("A feather.").usage(9, 3);
/// # let llm = Llm::builder().provider(fake.anthropic()).build()?;
/// // A client of OpenAI's is answered by Anthropic.
/// let body = r#"{"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Hi"}]}"#;
/// let answer = llm.relay(RelayRequest::new(Protocol::OpenAiChat, body)?).await?;
/// assert!(answer.body.starts_with(br#"{"id":"#));
/// assert_eq!(answer.usage.map(|usage| usage.total()), Some(12));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RelayResponse {
    /// The JSON of the answer.
    pub body: Bytes,
    /// The provider's id of the answer.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// What the call has used.
    pub usage: Option<Usage>,
    /// The service tier that answered, in the provider's words, where it is not told with the
    /// usage.
    pub service_tier: Option<String>,
    /// Whether it was given before, and cost nothing now; see [`CachePolicy`](crate::CachePolicy).
    pub is_cached: bool,
}

/// A piece of a streamed answer in the bytes of the protocol in which it was asked for: one or
/// more whole server-sent events.
///
/// ```
/// use alula_llm::{ChatEvent, Demo, Llm, RelayRequest, model::Protocol};
/// use futures_util::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// let body = r#"{"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}"#;
/// let mut chunks = llm.relay_stream(RelayRequest::new(Protocol::OpenAiChat, body)?).await?;
/// let mut used = None;
/// while let Some(chunk) = chunks.try_next().await? {
///     for event in chunk.events {
///         if let ChatEvent::Usage(usage) = event {
///             used = Some(usage);
///         }
///     }
/// }
/// assert!(used.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RelayChunk {
    /// What to send to the client.
    pub bytes: Bytes,
    /// What is known of it. Of the content only the first piece is named.
    pub events: Vec<ChatEvent>,
}

/// A streamed answer in the bytes of the protocol in which it was asked for.
///
/// As with a [`ChatStream`](crate::ChatStream) the answer is complete only when the stream ends
/// without an error. Unlike there, every error is the last item: one malformed event is passed on.
/// Where it cannot be, since the answer is translated, it is left out of a text, and ends an answer
/// that may call tools or is to be JSON.
/// What to send to the client in its place says [`failure`](Self::failure).
///
/// ```
/// use alula_llm::{Demo, Llm, RelayRequest, model::Protocol};
/// use futures_util::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// let body = r#"{"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}"#;
/// let mut chunks = llm.relay_stream(RelayRequest::new(Protocol::OpenAiChat, body)?).await?;
/// let mut sent = Vec::new();
/// while let Some(chunk) = chunks.try_next().await? {
///     sent.extend_from_slice(&chunk.bytes);
/// }
/// assert!(sent.ends_with(b"data: [DONE]\n\n"));
/// # Ok(())
/// # }
/// ```
pub struct RelayStream {
    chunks: Pieces<RelayChunk>,
    is_cached: bool,
    ending: Ending,
}

impl RelayResponse {
    /// An answer of which nothing is known but its bytes.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }
}

impl RelayChunk {
    /// A chunk of these bytes, which mean these events.
    pub fn new(bytes: impl Into<Bytes>, events: Vec<ChatEvent>) -> Self {
        Self { bytes: bytes.into(), events }
    }
}

impl Piece for RelayChunk {
    fn events(&self) -> &[ChatEvent] {
        &self.events
    }

    fn is_content(&self) -> bool {
        !self.bytes.is_empty()
    }
}

impl RelayStream {
    /// A stream of these chunks, in OpenAI's protocol unless another one [is
    /// named](Self::with_protocol).
    pub fn new(chunks: impl Stream<Item = Result<RelayChunk>> + Send + 'static) -> Self {
        let ending = Ending::new(Protocol::OpenAiChat);
        Self { chunks: Pieces::new(chunks), is_cached: false, ending }
    }

    /// Names the protocol of the chunks.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.ending.protocol = protocol;
        self
    }

    /// The bytes that tell the client of the error with which the stream has ended, in the words of
    /// its protocol. They go on where the stream stopped, with its id and its numbers.
    ///
    /// ```
    /// use alula_llm::{Demo, Llm, RelayRequest, Result, model::Protocol};
    /// use futures_util::StreamExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let llm = Llm::builder().provider(Demo::new()).build()?;
    /// let body = r#"{"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}"#;
    /// let request = RelayRequest::new(Protocol::OpenAiChat, body)?;
    /// let mut stream = llm.relay_stream(request).await?;
    /// while let Some(chunk) = stream.next().await {
    ///     let bytes = match chunk {
    ///         Ok(chunk) => chunk.bytes,
    ///         Err(error) => stream.failure(&error),
    ///     };
    ///     assert!(bytes.is_empty() || bytes.starts_with(b"data: "));
    /// }
    /// # Ok::<(), alula_llm::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn failure(&self, error: &Error) -> Bytes {
        self.ending.failure(error)
    }

    /// A stream whose chunks this writer writes.
    fn written(mut self, writer: SharedWriter) -> Self {
        self.ending.writer = Some(writer);
        self
    }

    /// The same stream, which tells what becomes of its call.
    pub(crate) fn watched(self, call: Underway) -> Self {
        Self { chunks: self.chunks.watched(call), ..self }
    }

    pub(crate) fn cached(self, is_cached: bool) -> Self {
        Self { is_cached, ..self }
    }

    /// Whether the answer was given before, and cost nothing now; see
    /// [`CachePolicy`](crate::CachePolicy).
    pub fn is_cached(&self) -> bool {
        self.is_cached
    }
}

impl From<RelayStream> for BoxStream<'static, Result<RelayChunk>> {
    fn from(stream: RelayStream) -> Self {
        stream.chunks.into_box()
    }
}

impl Stream for RelayStream {
    type Item = Result<RelayChunk>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.chunks.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.ending.note(chunk);
        }
        polled
    }
}

impl fmt::Debug for RelayStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayStream")
    }
}
