//! A call between its answer and its end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt as _};

use crate::{
    ChatEvent, Error, ErrorKind, Result, Usage,
    cache::{KeepPiece, Kept, Place, Recorder},
    observe::{Answered, Call},
    resilience::InFlight,
};

/// A call that is answered, until it is known how it ends.
#[derive(Debug)]
pub(super) struct Underway {
    /// Nothing if the answer came from the cache.
    pub(super) in_flight: Option<InFlight>,
    /// Where the answer is kept.
    pub(super) place: Option<Place>,
    /// Who is told of it.
    pub(super) call: Call,
}

impl Underway {
    /// Keeps the answer, if answers are kept and this one is worth it.
    pub(super) fn keep(&mut self, answer: impl FnOnce() -> Option<Kept>) {
        if let Some(place) = self.place.take()
            && let Some(answer) = answer()
        {
            place.keep(answer);
        }
    }

    /// The whole answer is there.
    pub(super) fn answered(self, answer: &impl Answered) {
        if let Some(in_flight) = self.in_flight {
            in_flight.succeeded(answer.usage());
        }
        self.call.answered(answer);
    }

    /// The stream came to its end, and cost so much if the provider says so.
    fn ended(self, usage: Option<&Usage>) {
        if let Some(in_flight) = self.in_flight {
            in_flight.succeeded(usage);
        }
        self.call.ended();
    }

    fn failed(self, error: &Error, usage: Option<&Usage>) {
        if let Some(in_flight) = self.in_flight {
            in_flight.failed(error, usage);
        }
        self.call.failed(error);
    }

    /// The stream was dropped before its end.
    fn left(self, usage: Option<&Usage>) {
        if let Some(in_flight) = self.in_flight {
            in_flight.left(usage);
        }
    }
}

/// A stream that tells what became of its call, and is kept if it may be.
pub(super) fn watched<T: KeepPiece>(
    pieces: impl Stream<Item = Result<T>> + Unpin + Send + 'static,
    mut call: Underway,
) -> impl Stream<Item = Result<T>> + Send + 'static {
    if let Some(in_flight) = &mut call.in_flight {
        in_flight.begun();
    }
    call.call.streams();
    let record = call.place.take().map(Recorder::new);
    let watch =
        Watch { call: Some(call), usage: None, has_stopped: false, is_malformed: false, record };
    Watched { pieces, watch }
}

/// The pieces of a call, of which each is noted.
struct Watched<S, T> {
    pieces: S,
    watch: Watch<T>,
}

impl<S, T> Stream for Watched<S, T>
where
    S: Stream<Item = Result<T>> + Unpin,
    T: KeepPiece,
{
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.pieces.poll_next_unpin(cx));
        self.watch.note(item.as_ref());
        Poll::Ready(item)
    }
}

/// What is known of a call whose answer streams.
struct Watch<T> {
    call: Option<Underway>,
    usage: Option<Usage>,
    /// An answer has ended.
    has_stopped: bool,
    /// The last item was a malformed event, at which many a reader stops.
    is_malformed: bool,
    record: Option<Recorder<T>>,
}

impl<T> Drop for Watch<T> {
    /// Whoever has the whole answer, and what it cost, need not wait for the end of the stream.
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        if self.is_malformed {
            let error = Error::new(ErrorKind::Decode, "a malformed event ended the stream");
            return call.failed(&error, self.usage.as_ref());
        }
        match (&self.usage, self.has_stopped) {
            (Some(usage), true) => call.ended(Some(usage)),
            (usage, _) => call.left(usage.as_ref()),
        }
    }
}

impl<T: KeepPiece> Watch<T> {
    /// Notes a piece, or the end.
    fn note(&mut self, item: Option<&Result<T>>) {
        self.is_malformed = matches!(item, Some(Err(error)) if *error.kind() == ErrorKind::Decode);
        match item {
            Some(Ok(piece)) => {
                self.record = self.record.take().and_then(|record| record.note(piece));
                if let Some(underway) = &mut self.call {
                    underway.call.piece(piece.events(), piece.is_content());
                }
                for event in piece.events() {
                    match event {
                        ChatEvent::Usage(counted) => self.usage = Some(counted.clone()),
                        ChatEvent::Stop { .. } => self.has_stopped = true,
                        _ => {}
                    }
                }
            }
            Some(Err(error)) => {
                self.record = None;
                // After one malformed event the stream goes on.
                if *error.kind() != ErrorKind::Decode
                    && let Some(call) = self.call.take()
                {
                    call.failed(error, self.usage.as_ref());
                }
            }
            None => {
                if let Some(record) = self.record.take() {
                    record.finish();
                }
                if let Some(call) = self.call.take() {
                    call.ended(self.usage.as_ref());
                }
            }
        }
    }
}
