//! A call between its answer and its end.

use crate::{
    ChatEvent, Error, ErrorKind, Result, Usage,
    cache::{KeepPiece, Kept, Place, Recorder},
    observe::{Answered, Call},
    resilience::InFlight,
};

/// A call that is answered, until it is known how it ends.
#[derive(Debug)]
pub(crate) struct Underway {
    /// Nothing if the answer came from the cache.
    pub(crate) in_flight: Option<InFlight>,
    /// Where the answer is kept.
    pub(crate) place: Option<Place>,
    /// Who is told of it.
    pub(crate) call: Call,
}

impl Underway {
    /// Keeps the answer, if answers are kept and this one is worth it.
    pub(crate) fn keep(&mut self, answer: impl FnOnce() -> Option<Kept>) {
        if let Some(place) = self.place.take()
            && let Some(answer) = answer()
        {
            place.keep(answer);
        }
    }

    /// The whole answer is there.
    pub(crate) fn answered(self, answer: &impl Answered) {
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

/// What is known of a call whose answer streams. It tells what became of the call, and keeps the
/// answer if it may be kept.
pub(crate) struct Watch<T> {
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
    pub(crate) fn new(mut call: Underway) -> Self {
        if let Some(in_flight) = &mut call.in_flight {
            in_flight.begun();
        }
        call.call.streams();
        let record = call.place.take().map(Recorder::new);
        Self { call: Some(call), usage: None, has_stopped: false, is_malformed: false, record }
    }

    /// Notes a piece, or the end.
    pub(crate) fn note(&mut self, item: Option<&Result<T>>) {
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
