//! Writing a streamed answer.

mod candidate;
mod frame;

use self::{candidate::Candidate, frame::Frame};
use super::{failure::error_to_json, usage::usage_to_json};
use crate::{
    ChatEvent, Error, StopReason, StreamOptions, Usage,
    providers::writer::{self, choice_of, sse},
};

/// Writes chunks: answers that hold what is new, the last of them why it ended and what it cost.
#[derive(Debug)]
pub(in crate::providers) struct Writer {
    frame: Frame,
    candidates: Vec<Candidate>,
    usage: Option<Usage>,
}

impl Writer {
    pub(in crate::providers) fn new(options: &StreamOptions) -> Self {
        Self { frame: Frame::new(options), candidates: Vec::new(), usage: None }
    }

    /// The answer with this number; they are kept in order.
    fn position(&mut self, index: u32) -> usize {
        let at = self.candidates.partition_point(|candidate| candidate.index < index);
        if self.candidates.get(at).is_none_or(|candidate| candidate.index != index) {
            self.candidates.insert(at, Candidate::new(index));
        }
        at
    }

    /// Whether there is nothing to the answer but that its prompt was blocked, which is told
    /// beside the candidates.
    fn is_blocked(&self) -> bool {
        match &*self.candidates {
            [candidate] => self.frame.is_blocked() && candidate.is_blocked(),
            _ => false,
        }
    }
}

impl writer::Writer for Writer {
    fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if let Some(choice) = choice_of(event) {
            let at = self.position(choice);
            if let Some(candidate) = self.candidates.get_mut(at) {
                candidate.event(event, &mut self.frame, out);
            }
            return;
        }
        match event {
            ChatEvent::Start { id, model, origin, extra } => {
                self.frame.start(id, model, *origin, extra);
            }
            ChatEvent::Extra { fields, .. } => self.frame.tell(fields),
            ChatEvent::Usage(usage) => {
                self.usage = Some(usage.clone());
                // A provider counts after each chunk, which is whole then.
                for candidate in &mut self.candidates {
                    candidate.flush(&mut self.frame, out);
                }
            }
            // The format has no pings, and its clients know no comments.
            _ => {}
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        sse("", &error_to_json(error).1, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.candidates.is_empty() && !self.frame.is_blocked() {
            self.position(0);
        }
        for candidate in &mut self.candidates {
            candidate.end(&mut self.frame, out);
        }
        let origin = self.frame.origin();
        let usage = self.usage.as_ref().map(|usage| usage_to_json(usage, origin));
        let candidates = match self.is_blocked() {
            true => Vec::new(),
            false => self.candidates.iter().map(|it| it.last(origin)).collect(),
        };
        self.frame.last(&candidates, usage, out);
    }
}

/// Why an answer ends whose provider did not say.
fn usual_stop(has_calls: bool) -> StopReason {
    if has_calls { StopReason::ToolCalls } else { StopReason::End }
}
