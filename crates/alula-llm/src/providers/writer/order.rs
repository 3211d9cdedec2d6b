//! One tool call after the other.

use std::{collections::VecDeque, mem};

use crate::ChatEvent;

/// Puts the pieces of each tool call together, for formats that say a call in one go.
///
/// Providers may write several calls at once. What would interrupt a call waits until its
/// arguments are whole, or the answer ends.
#[derive(Debug, Default)]
pub(in crate::providers) struct Order {
    /// The part that is a call, and what has come of its arguments.
    call: Option<(u32, Scan)>,
    waiting: VecDeque<ChatEvent>,
}

/// Whether a JSON object is whole, as far as brackets tell.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    whole: bool,
}

impl Order {
    /// Gives an event to `write` when it is its turn, and those that have waited for it.
    pub(in crate::providers) fn push(
        &mut self,
        event: &ChatEvent,
        write: &mut impl FnMut(&ChatEvent),
    ) {
        if !self.pass(event, write) {
            return self.waiting.push_back(event.clone());
        }
        // The call may be whole now, or another one that has waited may be.
        while self.call.as_ref().is_none_or(|(_, scan)| scan.whole) && !self.waiting.is_empty() {
            self.release(write);
        }
    }

    /// Writes all that waits.
    pub(in crate::providers) fn end(&mut self, write: &mut impl FnMut(&ChatEvent)) {
        while !self.waiting.is_empty() {
            self.release(write);
        }
        self.call = None;
    }

    /// Ends the call and lets the events that wait try again.
    fn release(&mut self, write: &mut impl FnMut(&ChatEvent)) {
        self.call = None;
        for event in mem::take(&mut self.waiting) {
            if !self.pass(&event, write) {
                self.waiting.push_back(event);
            }
        }
    }

    /// Writes the event unless it must wait; whether it was written.
    fn pass(&mut self, event: &ChatEvent, write: &mut impl FnMut(&ChatEvent)) -> bool {
        let Some(part) = part_of(event) else {
            write(event);
            return true;
        };
        if let Some((open, scan)) = &self.call
            && *open != part
            && !scan.whole
        {
            return false;
        }
        match event {
            ChatEvent::ToolCallArguments { arguments, .. } => {
                let same = self.call.as_ref().is_some_and(|(open, _)| *open == part);
                if !same {
                    self.call = Some((part, Scan::default()));
                }
                if let Some((_, scan)) = &mut self.call {
                    scan.read(arguments);
                }
            }
            ChatEvent::ToolCallStart { .. } => self.call = Some((part, Scan::default())),
            _ if self.call.as_ref().is_some_and(|(open, _)| *open != part) => self.call = None,
            _ => {}
        }
        write(event);
        true
    }
}

impl Scan {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => {
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' if !self.in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole = self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

/// The part that the event is a piece of.
fn part_of(event: &ChatEvent) -> Option<u32> {
    place_of(event)?.1
}

/// The answer that the event is a piece of.
pub(in crate::providers) fn choice_of(event: &ChatEvent) -> Option<u32> {
    place_of(event).map(|(choice, _)| choice)
}

fn place_of(event: &ChatEvent) -> Option<(u32, Option<u32>)> {
    match event {
        ChatEvent::Text { choice, part, .. }
        | ChatEvent::Reasoning { choice, part, .. }
        | ChatEvent::Signature { choice, part, .. }
        | ChatEvent::Refusal { choice, part, .. }
        | ChatEvent::ToolCallStart { choice, part, .. }
        | ChatEvent::ToolCallArguments { choice, part, .. }
        | ChatEvent::Citation { choice, part, .. }
        | ChatEvent::Part { choice, part, .. } => Some((*choice, Some(*part))),
        ChatEvent::Extra { choice: Some(choice), part, .. } => Some((*choice, *part)),
        ChatEvent::Logprobs { choice, .. }
        | ChatEvent::ChoiceExtra { choice, .. }
        | ChatEvent::Stop { choice, .. } => Some((*choice, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Extra;

    fn text(part: u32) -> ChatEvent {
        ChatEvent::Text { choice: 0, part, text: String::new() }
    }

    fn start(part: u32) -> ChatEvent {
        let (id, name) = (String::new(), String::new());
        ChatEvent::ToolCallStart { choice: 0, part, index: 0, id, name, extra: Extra::new() }
    }

    fn more(part: u32, arguments: &str) -> ChatEvent {
        ChatEvent::ToolCallArguments { choice: 0, part, index: 0, arguments: arguments.to_owned() }
    }

    /// The parts of the events, in the order in which they are written; `|` is the end.
    #[track_caller]
    fn check(events: &[ChatEvent], expected: &str) {
        let mut order = Order::default();
        let mut written = String::new();
        let parts = |written: &mut String, event: &ChatEvent| {
            written.push_str(&part_of(event).unwrap().to_string());
        };
        for event in events {
            order.push(event, &mut |event| parts(&mut written, event));
        }
        written.push('|');
        order.end(&mut |event| parts(&mut written, event));
        assert_eq!(written, expected);
    }

    #[test]
    fn a_whole_call_holds_nothing_back() {
        check(&[start(0), more(0, r#"{"a": "}\""}"#), text(1), start(2), text(3)], "0012|3");
        check(&[text(0), start(1), more(1, "{}"), start(2), more(2, "{}")], "01122|");
    }

    #[test]
    fn calls_that_are_written_at_once_come_one_after_the_other() {
        let events = [start(0), start(1), more(0, "{"), more(1, "{"), more(0, "}"), more(1, "}")];
        check(&events, "000111|");
        let events = [start(0), start(1), start(2), more(2, "{}"), more(1, "{}"), more(0, "{}")];
        check(&events, "001122|");
    }

    #[test]
    fn a_call_that_never_becomes_whole_ends_with_the_answer() {
        check(&[start(0), more(0, "oops {"), start(1), text(2), more(1, "{}")], "00|112");
    }
}
