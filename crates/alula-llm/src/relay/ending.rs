//! How a stream ends that fails.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::RelayChunk;
use crate::{ChatEvent, Error, StreamWriter, model::Protocol};

/// A writer, for whoever goes on where another one stopped.
pub(super) type SharedWriter = Arc<Mutex<StreamWriter>>;

/// What the words for a failure take from the stream before it.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) protocol: Protocol,
    /// Who has written the stream; nobody if it is passed on.
    pub(super) writer: Option<SharedWriter>,
    /// The beginning of a stream that is passed on.
    start: Option<ChatEvent>,
    /// Its last bytes, which are read only if it fails.
    last: Bytes,
}

impl Ending {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, writer: None, start: None, last: Bytes::new() }
    }

    /// Notes what was sent.
    pub(super) fn note(&mut self, chunk: &RelayChunk) {
        // The words of the others are the same wherever the stream is.
        let matters = matches!(self.protocol, Protocol::OpenAiResponses | Protocol::CohereChat);
        if !matters || self.writer.is_some() {
            return;
        }
        if self.start.is_none() {
            let is_start = |event: &&ChatEvent| matches!(event, ChatEvent::Start { .. });
            self.start = chunk.events.iter().find(is_start).cloned();
        }
        if !chunk.bytes.is_empty() {
            self.last = chunk.bytes.clone();
        }
    }

    /// The failure in the words of the protocol.
    pub(super) fn failure(&self, error: &Error) -> Bytes {
        let mut bytes = Vec::new();
        match &self.writer {
            Some(writer) => lock(writer, |writer| writer.error(error, &mut bytes)),
            None => {
                let next = last_number(&self.last).map_or(0, |number| number.saturating_add(1));
                StreamWriter::going_on(self.protocol, self.start.as_ref(), next)
                    .error(error, &mut bytes);
            }
        }
        bytes.into()
    }
}

pub(super) fn lock<T>(writer: &SharedWriter, write: impl FnOnce(&mut StreamWriter) -> T) -> T {
    write(&mut writer.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The number of the last event that has one.
fn last_number(events: &[u8]) -> Option<u64> {
    let mut data =
        events.rsplit(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    data.find_map(|data| {
        let mut number = None;
        let found = super::fields(data, |name, value| {
            if name == b"sequence_number" {
                number = serde_json::from_slice(value).ok();
            }
            Ok(())
        });
        found.ok().and(number)
    })
}
