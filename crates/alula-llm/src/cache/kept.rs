use std::{
    fmt::{self, Debug, Write},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::Place;
use crate::{
    ChatEvent, ChatResponse, RelayChunk, RelayResponse, Result, StopReason, model::Protocol,
    stream::Piece,
};

/// An answer that is kept.
#[derive(Debug)]
pub(crate) enum Kept {
    Chat(ChatResponse),
    Relay(RelayResponse),
    Events(Vec<ChatEvent>),
    Chunks(Vec<RelayChunk>),
}

impl Kept {
    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Chat(answer) => shown_bytes(answer),
            Self::Relay(answer) => answer.body.len() + answer.id.len() + answer.model.len(),
            Self::Events(events) => events.iter().map(KeepPiece::bytes).sum(),
            Self::Chunks(chunks) => chunks.iter().map(KeepPiece::bytes).sum(),
        }
    }
}

/// What to keep of a whole answer; nothing of one that was cut.
pub(crate) fn chat(answer: &ChatResponse) -> Option<Kept> {
    is_whole(answer).then(|| Kept::Chat(answer.clone()))
}

/// What to keep of a whole answer in bytes; nothing of one that was cut, or that cannot be read.
pub(crate) fn relay(protocol: Protocol, answer: &RelayResponse) -> Option<Kept> {
    let json = serde_json::from_slice(&answer.body).ok()?;
    let read = protocol.response_from_json(json).ok()?;
    // It may be a part of something larger, which would be kept as a whole.
    let body = Bytes::copy_from_slice(&answer.body);
    is_whole(&read).then(|| Kept::Relay(RelayResponse { body, ..answer.clone() }))
}

fn is_whole(answer: &ChatResponse) -> bool {
    !answer.choices.iter().filter_map(|choice| choice.stop.as_ref()).any(is_cut)
}

/// Whether there might have been more of an answer.
fn is_cut(stop: &StopReason) -> bool {
    matches!(stop, StopReason::MaxTokens | StopReason::ContentFilter | StopReason::Pause)
}

/// A piece of a stream that can be kept.
pub(crate) trait KeepPiece: Unpin + Piece + Clone + Sync {
    /// About how much memory it takes.
    fn bytes(&self) -> usize;

    fn keep(pieces: Vec<Self>) -> Kept;

    fn kept(kept: &Kept) -> &[Self];
}

impl KeepPiece for ChatEvent {
    fn bytes(&self) -> usize {
        size_of::<Self>() + shown_bytes(self)
    }

    fn keep(pieces: Vec<Self>) -> Kept {
        Kept::Events(pieces)
    }

    fn kept(kept: &Kept) -> &[Self] {
        match kept {
            Kept::Events(events) => events,
            _ => &[],
        }
    }
}

impl KeepPiece for RelayChunk {
    fn bytes(&self) -> usize {
        let events: usize = self.events.iter().map(KeepPiece::bytes).sum();
        size_of::<Self>() + self.bytes.len() + events
    }

    fn keep(pieces: Vec<Self>) -> Kept {
        Kept::Chunks(pieces)
    }

    fn kept(kept: &Kept) -> &[Self] {
        match kept {
            Kept::Chunks(chunks) => chunks,
            _ => &[],
        }
    }
}

/// A stream that is kept piece by piece, for as long as it is worth keeping.
#[derive(Debug)]
pub(crate) struct Recorder<T> {
    place: Place,
    pieces: Vec<T>,
    bytes: usize,
}

impl<T: KeepPiece> Recorder<T> {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, pieces: Vec::new(), bytes: 0 }
    }

    /// Notes a piece; nothing is left if it says that the answer was cut, or if it is one too many.
    pub(crate) fn note(mut self, piece: &T) -> Option<Self> {
        let is_cut =
            |event: &ChatEvent| matches!(event, ChatEvent::Stop { reason, .. } if is_cut(reason));
        self.bytes += piece.bytes();
        if self.bytes > self.place.answer_bytes_max() || piece.events().iter().any(is_cut) {
            return None;
        }
        self.pieces.push(piece.clone());
        Some(self)
    }

    /// The stream came to its end.
    pub(crate) fn finish(self) {
        self.place.keep(T::keep(self.pieces));
    }
}

/// A stream that was kept, in the same pieces.
pub(crate) fn replay<T: KeepPiece>(
    kept: Arc<Kept>,
) -> impl Stream<Item = Result<T>> + Send + 'static {
    stream::iter((0..).map_while(move |index| T::kept(&kept).get(index).cloned().map(Ok)))
}

/// How much there is to see of a value, which is about what its texts take.
fn shown_bytes(value: &impl Debug) -> usize {
    struct Count(usize);

    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }

    let mut count = Count(0);
    // Counting does not fail.
    let _ = write!(count, "{value:?}");
    count.0
}
