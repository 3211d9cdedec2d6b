//! From the bytes of a provider's stream to chat events.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use crate::{
    ChatEvent, ChatStream, Error, ErrorKind, HttpLimits, Result,
    sse::{Event, EventStream, Frame, ReadError},
};

/// How long to wait for the end of the bytes after the end of the answer, so that the
/// connection can be used again.
const DRAIN: Duration = Duration::from_millis(100);

/// What a stream of one protocol means.
pub(super) trait Wire: Send + 'static {
    /// Turns a server-sent event into chat events.
    fn event(&mut self, event: Event, out: &mut Events) -> State;

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
}

struct Reader<S, W> {
    frames: Pin<Box<EventStream<S>>>,
    wire: W,
    state: State,
    ended: bool,
    ready: Events,
    events_seen: u64,
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
enum Cut<E> {
    #[error("the streamed answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error(transparent)]
    Read(E),
}

/// Reads `bytes` as a stream of the protocol `wire`.
pub(super) fn read<S, B, E>(bytes: S, limits: &HttpLimits, wire: impl Wire) -> ChatStream
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: AsRef<[u8]> + Send,
    E: std::error::Error + Send + Sync + 'static,
{
    let limit = limits.stream_bytes_max;
    let mut left = limit;
    let bytes = bytes.map(move |bytes| {
        let bytes = bytes.map_err(Cut::Read)?;
        left = left.checked_sub(bytes.as_ref().len()).ok_or(Cut::TooLarge { limit })?;
        Ok(bytes)
    });
    let reader = Reader {
        frames: Box::pin(EventStream::new(bytes, limits.event_bytes_max)),
        wire,
        state: State::Open,
        ended: false,
        ready: Events::new(),
        events_seen: 0,
    };
    ChatStream::new(stream::unfold(reader, |mut reader| async {
        let item = reader.next().await?;
        Some((item, reader))
    }))
}

impl<S, B, E, W> Reader<S, W>
where
    S: Stream<Item = Result<B, Cut<E>>>,
    B: AsRef<[u8]>,
    E: std::error::Error + Send + Sync + 'static,
    W: Wire,
{
    async fn next(&mut self) -> Option<Result<ChatEvent>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            match self.frames.next().await {
                Some(Ok(Frame::Comment(_))) => return Some(Ok(ChatEvent::Ping)),
                Some(Ok(Frame::Event(event))) => self.event(event).await,
                Some(Err(error)) => self.end(Some(error)),
                None => self.end(None),
            }
        }
    }

    async fn event(&mut self, event: Event) {
        self.events_seen += 1;
        self.state = self.wire.event(event, &mut self.ready);
        self.ended = matches!(self.state, State::Done | State::Failed);
        if self.state == State::Done {
            let rest = async { while let Some(Ok(_)) = self.frames.next().await {} };
            // Both outcomes are fine: after the deadline the connection is closed instead.
            let _ = timeout(DRAIN, rest).await;
        }
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
