use std::{
    fmt,
    pin::Pin,
    slice,
    task::{Context, Poll, ready},
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

use crate::{
    Accumulator, ChatEvent, ChatResponse, Error, ErrorKind, Result,
    cache::KeepPiece,
    underway::{Underway, Watch},
};

/// The events of an answer, as they arrive.
///
/// An answer is complete only when the stream ends without an error: a connection that breaks
/// off is an [`ErrorKind::Stream`](crate::ErrorKind::Stream), never a silent end. An error of
/// kind [`Decode`](crate::ErrorKind::Decode) concerns one malformed event, and the stream may
/// be read on; every other error is the last item.
///
/// Dropping the stream closes the connection to the provider.
///
/// ```
/// use alula_llm::{ChatRequest, ErrorKind, Llm, testing::{FakeProvider, Fault}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().says(["A ", "feather."]);
/// # fake.turn().says(["A ", "feather."]).then(Fault::CloseAfter(1));
/// # let llm = Llm::builder().provider(fake.openai()).build()?;
/// let question = ChatRequest::new("gpt-4o").user("What is an alula?");
/// let answer = llm.stream(question.clone()).await?.accumulate().await?;
/// assert_eq!(answer.text(), "A feather.");
///
/// // This time the provider goes away after the first piece.
/// let error = llm.stream(question).await?.accumulate().await.unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Stream { .. }));
/// # Ok(())
/// # }
/// ```
pub struct ChatStream {
    events: Pieces<ChatEvent>,
    is_cached: bool,
}

impl ChatStream {
    /// A stream of these events.
    pub fn new(events: impl Stream<Item = Result<ChatEvent>> + Send + 'static) -> Self {
        Self { events: Pieces::new(events), is_cached: false }
    }

    /// The same stream, which tells what becomes of its call.
    pub(crate) fn watched(self, call: Underway) -> Self {
        Self { events: self.events.watched(call), ..self }
    }

    pub(crate) fn cached(self, is_cached: bool) -> Self {
        Self { is_cached, ..self }
    }

    /// Whether the answer was given before, and cost nothing now; see
    /// [`CachePolicy`](crate::CachePolicy).
    pub fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// Waits for the first content, so that a failure before it is a failure of the call: it
    /// can be given its own status, or another provider can be asked.
    ///
    /// The stream returned has all events but the pings that came before.
    ///
    /// # Errors
    ///
    /// The first error of the stream, if it comes before any content.
    pub async fn ready(self) -> Result<Self> {
        let events = ready(self.events).await?;
        Ok(Self::new(events).cached(self.is_cached))
    }

    /// Reads to the end and returns the whole answer.
    ///
    /// # Errors
    ///
    /// The first error of the stream.
    pub async fn accumulate(mut self) -> Result<ChatResponse> {
        let mut answer = Accumulator::new();
        while let Some(event) = self.events.next().await {
            answer.push(event?);
        }
        Ok(ChatResponse { is_cached: self.is_cached, ..answer.finish() })
    }
}

impl From<ChatStream> for BoxStream<'static, Result<ChatEvent>> {
    fn from(stream: ChatStream) -> Self {
        stream.events.into_box()
    }
}

impl Stream for ChatStream {
    type Item = Result<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(cx)
    }
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatStream")
    }
}

/// The pieces of an answer, with what is to be known of their call beside them: a stream around a
/// stream would be one more place in memory to look at for each piece.
pub(crate) struct Pieces<T> {
    pieces: BoxStream<'static, Result<T>>,
    watch: Option<Watch<T>>,
}

impl<T: KeepPiece> Pieces<T> {
    pub(crate) fn new(pieces: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self { pieces: pieces.boxed(), watch: None }
    }

    pub(crate) fn watched(self, call: Underway) -> Self {
        Self { watch: Some(Watch::new(call)), ..self }
    }

    /// In one place in memory again, for another stream to hold.
    pub(crate) fn into_box(self) -> BoxStream<'static, Result<T>> {
        match self.watch {
            None => self.pieces,
            Some(_) => self.boxed(),
        }
    }
}

impl<T: KeepPiece> Stream for Pieces<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.pieces.poll_next_unpin(cx));
        if let Some(watch) = &mut self.watch {
            watch.note(item.as_ref());
        }
        Poll::Ready(item)
    }
}

/// A piece of an answer, as a stream gives it out.
pub(crate) trait Piece: Send + 'static {
    /// What is known of it; content may be left out once there was some.
    fn events(&self) -> &[ChatEvent];

    /// Whether it is content, once there was some.
    fn is_content(&self) -> bool {
        self.events().iter().any(ChatEvent::is_content)
    }

    /// Whether it ends the wait for an answer.
    fn answers(&self) -> bool {
        self.events().iter().any(|it| it.is_content() || matches!(it, ChatEvent::Stop { .. }))
    }
}

impl Piece for ChatEvent {
    fn events(&self) -> &[ChatEvent] {
        slice::from_ref(self)
    }
}

/// See [`ChatStream::ready`].
pub(crate) async fn ready<T: Piece>(
    mut pieces: impl Stream<Item = Result<T>> + Unpin + Send + 'static,
) -> Result<impl Stream<Item = Result<T>> + Unpin + Send + 'static> {
    let mut early = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let answers = piece.answers();
        if piece.events() != [ChatEvent::Ping] {
            early.push(Ok(piece));
        }
        if answers {
            return Ok(stream::iter(early).chain(pieces));
        }
    }
    let kind = ErrorKind::Stream { events_seen: u64::try_from(early.len()).unwrap_or(u64::MAX) };
    Err(Error::new(kind, "the stream ended before there was an answer"))
}
