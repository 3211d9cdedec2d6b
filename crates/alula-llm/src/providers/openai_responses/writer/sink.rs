//! Events with rising numbers.

use serde::Serialize;

use crate::providers::writer::sse;

/// Numbers the events of a stream.
#[derive(Debug, Default)]
pub(super) struct Sink {
    events: u64,
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    fields: &'a T,
}

impl Sink {
    /// Writes an event with these fields.
    pub(super) fn send(&mut self, kind: &'static str, fields: &impl Serialize, out: &mut Vec<u8>) {
        sse(kind, &Numbered { r#type: kind, sequence_number: self.events, fields }, out);
        self.events += 1;
    }
}
