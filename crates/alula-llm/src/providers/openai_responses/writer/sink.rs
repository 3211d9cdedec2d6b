//! Events with rising numbers.

use serde::Serialize;

use crate::providers::writer::sse;

/// Where events go, each with its number.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    /// How many events have been written.
    pub(super) events: &'a mut u64,
    pub(super) out: &'a mut Vec<u8>,
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    fields: &'a T,
}

impl Sink<'_> {
    /// Writes an event with these fields.
    pub(super) fn send(&mut self, kind: &'static str, fields: &impl Serialize) {
        sse(kind, &Numbered { r#type: kind, sequence_number: *self.events, fields }, self.out);
        *self.events += 1;
    }
}
