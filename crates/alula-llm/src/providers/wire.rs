//! From the bytes of a provider's stream to chat events.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use tokio::time::{Sleep, sleep};

use crate::{
    ChatEvent, ChatStream, Error, ErrorKind, HttpLimits, RelayChunk, RelayStream, Result,
    sse::{Event, EventStream, Frame, ReadError},
};

/// How long to wait for the end of the bytes after the end of the answer, so that the
/// connection can be used again.
const DRAIN: Duration = Duration::from_millis(100);

/// How many bytes of a stream are passed on at once, about, when more are there.
const CHUNK_BYTES: usize = 16 << 10;

/// What a stream of one protocol means.
pub(super) trait Wire: Send + Unpin + 'static {
    /// Turns a server-sent event into chat events.
    fn event(&mut self, event: Event, out: &mut Events) -> State;

    /// Whether the event is surely no more than another piece of content, so that who has seen the
    /// first need not read it.
    fn is_delta(event: &Event) -> bool {
        let _ = event;
        false
    }

    /// The bytes ended where the answer [may end](State::MayEnd): what is to be said after all
    /// events.
    fn finish(&mut self, out: &mut Events) {
        let _ = out;
    }
}

/// Events ready to be given out.
pub(super) type Events = VecDeque<Result<ChatEvent>>;

/// Where a stream is after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The answer is not complete.
    Open,
    /// The answer is complete, though more may come, such as usage.
    MayEnd,
    /// Nothing more comes.
    Done,
    /// The provider reported an error that ends the stream.
    Failed,
    /// Nothing is left to be read.
    Drained,
}

struct Reader<S, W> {
    frames: EventStream<S>,
    wire: W,
    state: State,
    ended: bool,
    ready: Events,
    events_seen: u64,
    /// Until when the rest of the bytes is read.
    draining: Option<Pin<Box<Sleep>>>,
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut<E> {
    #[error("the streamed answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error(transparent)]
    Read(E),
}

/// Reads `bytes` as a stream of the protocol `wire`.
pub(super) fn read<S, B, E>(bytes: S, limits: &HttpLimits, wire: impl Wire) -> ChatStream
where
    S: Stream<Item = Result<B, E>> + Unpin + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    ChatStream::new(Reader::new(limited(bytes, limits.stream_bytes_max), limits, wire))
}

/// Passes `bytes` on as they are, reading on the way what they mean. Who did not ask for usage
/// gets none where it stands in an event of its own.
pub(super) fn pass<S, B, E>(
    bytes: S,
    limits: &HttpLimits,
    wire: impl Wire,
    wants_usage: bool,
) -> RelayStream
where
    S: Stream<Item = Result<B, E>> + Unpin + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let reader = Reader::new(limited(bytes, limits.stream_bytes_max), limits, wire);
    RelayStream::new(Passing { reader, wants_usage, has_begun: false, failure: None })
}

/// The bytes up to the limit of a stream.
fn limited<S, B, E>(bytes: S, limit: usize) -> impl Stream<Item = Result<B, Cut<E>>> + Unpin
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: AsRef<[u8]>,
{
    let mut left = limit;
    bytes.map(move |bytes| {
        let bytes = bytes.map_err(Cut::Read)?;
        left = left.checked_sub(bytes.as_ref().len()).ok_or(Cut::TooLarge { limit })?;
        Ok(bytes)
    })
}

impl<S, B, E, W> Reader<S, W>
where
    S: Stream<Item = Result<B, Cut<E>>> + Unpin,
    B: AsRef<[u8]>,
    E: std::error::Error + Send + Sync + 'static,
    W: Wire,
{
    fn new(bytes: S, limits: &HttpLimits, wire: W) -> Self {
        Self {
            frames: EventStream::new(bytes, limits.event_bytes_max),
            wire,
            state: State::Open,
            ended: false,
            ready: Events::new(),
            events_seen: 0,
            draining: None,
        }
    }

    fn read(&mut self, frame: Option<Result<Frame, ReadError<Cut<E>>>>) {
        match frame {
            Some(Ok(Frame::Comment(_))) => self.ready.push_back(Ok(ChatEvent::Ping)),
            Some(Ok(Frame::Event(event))) => {
                self.events_seen += 1;
                self.state = self.wire.event(event, &mut self.ready);
                self.ended = matches!(self.state, State::Done | State::Failed);
            }
            Some(Err(error)) => self.end(Some(error)),
            None => self.end(None),
        }
    }

    /// Reads what comes after the end of a whole answer, once. After the deadline the connection
    /// is closed instead, which is fine, too.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if mem::replace(&mut self.state, State::Drained) == State::Done {
            self.draining = Some(Box::pin(sleep(DRAIN)));
        }
        let Some(deadline) = &mut self.draining else { return Poll::Ready(()) };
        loop {
            match self.frames.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(deadline.as_mut().poll(cx));
                    break;
                }
            }
        }
        self.draining = None;
        Poll::Ready(())
    }

    /// The bytes ended. That is an error unless the answer was complete.
    fn end(&mut self, error: Option<ReadError<Cut<E>>>) {
        use crate::sse::Error as Sse;

        self.ended = true;
        let cut_in_event = matches!(error, Some(ReadError::Decode(Sse::Truncated)));
        if self.state == State::MayEnd && (error.is_none() || cut_in_event) {
            return self.wire.finish(&mut self.ready);
        }
        let broken = ErrorKind::Stream { events_seen: self.events_seen };
        let error = match error {
            None => Error::new(broken, "the stream ended before the end of the answer"),
            Some(ReadError::Decode(error @ Sse::TooLong { .. })) => {
                Error::new(ErrorKind::TooLarge, error.to_string())
            }
            Some(ReadError::Decode(error @ Sse::InvalidUtf8)) => {
                self.ready.push_back(Err(Error::new(ErrorKind::Decode, error.to_string())));
                // Who reads on after a malformed event must not take this for the end.
                Error::new(broken, "the stream cannot be read on")
            }
            Some(ReadError::Decode(error)) => Error::new(broken, error.to_string()),
            Some(ReadError::Read(error @ Cut::TooLarge { .. })) => {
                Error::new(ErrorKind::TooLarge, error.to_string())
            }
            Some(ReadError::Read(Cut::Read(error))) => {
                Error::new(broken, "the stream broke off before the end of the answer")
                    .with_source(error)
            }
        };
        self.ready.push_back(Err(error));
    }
}

impl<S, B, E, W> Stream for Reader<S, W>
where
    S: Stream<Item = Result<B, Cut<E>>> + Unpin,
    B: AsRef<[u8]>,
    E: std::error::Error + Send + Sync + 'static,
    W: Wire,
{
    type Item = Result<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(item));
            }
            if self.ended {
                return self.poll_drained(cx).map(|()| None);
            }
            let frame = ready!(self.frames.poll_next_unpin(cx));
            self.read(frame);
        }
    }
}

/// A stream that is passed on.
struct Passing<S, W> {
    reader: Reader<S, W>,
    wants_usage: bool,
    /// There was content.
    has_begun: bool,
    failure: Option<Error>,
}

impl<S, B, E, W> Stream for Passing<S, W>
where
    S: Stream<Item = Result<B, Cut<E>>> + Unpin,
    B: AsRef<[u8]>,
    E: std::error::Error + Send + Sync + 'static,
    W: Wire,
{
    type Item = Result<RelayChunk>;

    /// The next event, and those after it that are there already.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (mut bytes, mut events) = (BytesMut::new(), Vec::new());
        while !self.reader.ended && bytes.len() < CHUNK_BYTES {
            let frame = match self.reader.frames.poll_next_unpin(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if bytes.is_empty() && events.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            };
            if self.has_begun && is_delta::<W, _>(&frame) {
                self.reader.events_seen += 1;
                bytes.extend_from_slice(self.reader.frames.decoder().raw());
                continue;
            }
            let has_raw = matches!(frame, Some(Ok(_)));
            self.reader.read(frame);
            let is_hidden = !self.wants_usage && is_report(&self.reader.ready);
            self.note(&mut events);
            if has_raw && !is_hidden && self.failure.is_none() {
                bytes.extend_from_slice(self.reader.frames.decoder().raw());
            }
        }
        if !bytes.is_empty() || !events.is_empty() {
            return Poll::Ready(Some(Ok(RelayChunk::new(bytes, events))));
        }
        match self.failure.take() {
            Some(failure) => Poll::Ready(Some(Err(failure))),
            None => self.reader.poll_drained(cx).map(|()| None),
        }
    }
}

impl<S, W> Passing<S, W> {
    /// Keeps of the events what is more than one more piece of content.
    fn note(&mut self, events: &mut Vec<ChatEvent>) {
        // With its room: the pieces that come after the first are not read, and fill it no more.
        for event in mem::take(&mut self.reader.ready) {
            match event {
                Ok(event) if event.is_content() => {
                    if !mem::replace(&mut self.has_begun, true) {
                        events.push(event);
                    }
                }
                Ok(event) => events.push(event),
                // A malformed event is the client's to judge.
                Err(error) if *error.kind() == ErrorKind::Decode && !self.reader.ended => {}
                Err(error) => self.failure = Some(error),
            }
        }
    }
}

fn is_delta<W: Wire, E>(frame: &Option<Result<Frame, E>>) -> bool {
    matches!(frame, Some(Ok(Frame::Event(event))) if W::is_delta(event))
}

/// Whether an event says nothing but what the call has used.
fn is_report(events: &Events) -> bool {
    let says_usage = events.iter().any(|event| matches!(event, Ok(ChatEvent::Usage(_))));
    let says_more = |event: &Result<ChatEvent>| {
        !matches!(event, Ok(ChatEvent::Usage(_) | ChatEvent::Extra { choice: None, .. }))
    };
    says_usage && !events.iter().any(says_more)
}
