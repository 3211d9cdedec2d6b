//! From the call of a tool back to the text of an answer.

use std::{collections::BTreeMap, mem};

use futures_util::{StreamExt, future, stream};

use crate::{
    ChatEvent, ChatResponse, ChatStream, ErrorKind, Message, Part, Result, StopReason,
    model::{Choice, Protocol, Text},
};

/// What the arguments are where the model wrote none.
const EMPTY: &str = "{}";

/// The answer with the call of this tool as its text.
pub(in crate::providers) fn whole(tool: &str, mut response: ChatResponse) -> ChatResponse {
    response.choices.iter_mut().for_each(|choice| unwrap(tool, choice));
    response
}

fn unwrap(tool: &str, choice: &mut Choice) {
    let is_answer = |part: &Part| matches!(part, Part::ToolCall(call) if call.name == tool);
    let Some(at) = choice.message.parts.iter().position(is_answer) else { return };
    if let Some(part) = choice.message.parts.get_mut(at)
        && let Part::ToolCall(call) = part
    {
        let text = mem::take(&mut call.arguments);
        let text = if text.is_empty() { EMPTY.to_owned() } else { text };
        *part = Part::Text(Text { text, ..Text::default() });
    }
    let mut place = 0;
    choice.message.parts.retain(|part| {
        let is_the_answer = place == at;
        place += 1;
        // What the model says besides, or when it repeats itself, is not the answer.
        is_the_answer || !(is_answer(part) || matches!(part, Part::Text(_)))
    });
    let message = &mut choice.message;
    message.plain =
        !matches!(message.origin, Some(Protocol::AnthropicMessages | Protocol::GeminiGenerate));
    if choice.stop == Some(StopReason::ToolCalls) && !calls(message) {
        choice.stop = Some(StopReason::End);
    }
}

fn calls(message: &Message) -> bool {
    message.tool_calls().next().is_some()
}

/// The stream with the call of this tool as its text.
///
/// Text is held back until it is known whether the tool is called, since beside the answer it is
/// none.
pub(in crate::providers) fn stream(tool: String, events: ChatStream) -> ChatStream {
    let mut choices = BTreeMap::<u32, Progress>::new();
    let events = events.map(Some).chain(stream::once(future::ready(None)));
    ChatStream::new(events.flat_map(move |event| {
        let mut out = Vec::new();
        match event {
            Some(Ok(event)) => match choice_of(&event) {
                Some(choice) => choices.entry(choice).or_default().push(&tool, event, &mut out),
                None => out.push(Ok(event)),
            },
            Some(Err(error)) => {
                // Nothing comes after an error, unless it is one of a single event.
                if *error.kind() != ErrorKind::Decode {
                    choices.clear();
                }
                out.push(Err(error));
            }
            None => choices.values_mut().for_each(|choice| choice.release(&mut out)),
        }
        stream::iter(out)
    }))
}

fn choice_of(event: &ChatEvent) -> Option<u32> {
    match event {
        ChatEvent::Text { choice, .. }
        | ChatEvent::Citation { choice, .. }
        | ChatEvent::ToolCallStart { choice, .. }
        | ChatEvent::ToolCallArguments { choice, .. }
        | ChatEvent::Extra { choice: Some(choice), part: Some(_), .. }
        | ChatEvent::Stop { choice, .. } => Some(*choice),
        _ => None,
    }
}

/// How far an answer has come.
#[derive(Default)]
struct Progress {
    /// Text that may be beside the answer.
    held: Vec<ChatEvent>,
    /// Whether text is passed on: a tool of the caller is called, so that this is no answer.
    released: bool,
    /// The part and the number of the call that is the answer.
    answer: Option<(u32, u32)>,
    /// Whether the answer has any text yet.
    has_text: bool,
    /// The parts of calls that repeat the answer.
    repeated: Vec<u32>,
    /// Whether tools of the caller are called.
    calls: bool,
}

impl Progress {
    fn push(&mut self, tool: &str, event: ChatEvent, out: &mut Vec<Result<ChatEvent>>) {
        match event {
            ChatEvent::ToolCallStart { part, index, name, .. } if name == tool => {
                match self.answer {
                    None => self.answer = Some((part, index)),
                    Some(_) => self.repeated.push(part),
                }
                self.held.clear();
                out.push(Ok(ChatEvent::Ping));
            }
            ChatEvent::ToolCallStart { choice, part, index, id, name, extra } => {
                self.release(out);
                self.released = true;
                self.calls = true;
                let index = self.renumbered(index);
                out.push(Ok(ChatEvent::ToolCallStart { choice, part, index, id, name, extra }));
            }
            ChatEvent::ToolCallArguments { choice, part, index, arguments } => {
                if self.is_answer(part) {
                    self.has_text |= !arguments.is_empty();
                    out.push(Ok(ChatEvent::Text { choice, part, text: arguments }));
                } else if !self.repeated.contains(&part) {
                    let index = self.renumbered(index);
                    out.push(Ok(ChatEvent::ToolCallArguments { choice, part, index, arguments }));
                }
            }
            // What stands beside the call is no field of a text.
            ChatEvent::Extra { part: Some(part), .. }
                if self.is_answer(part) || self.repeated.contains(&part) => {}
            ChatEvent::Stop { choice, reason, sequence, extra } => {
                self.release(out);
                if let Some((part, _)) = self.answer.filter(|_| !self.has_text) {
                    let text = EMPTY.to_owned();
                    out.push(Ok(ChatEvent::Text { choice, part, text }));
                }
                let ends = self.answer.is_some() && !self.calls;
                let reason = match reason {
                    StopReason::ToolCalls if ends => StopReason::End,
                    reason => reason,
                };
                out.push(Ok(ChatEvent::Stop { choice, reason, sequence, extra }));
            }
            ChatEvent::Text { .. } | ChatEvent::Citation { .. } if self.answer.is_some() => {}
            event @ (ChatEvent::Text { .. } | ChatEvent::Citation { .. }) if !self.released => {
                self.held.push(event);
                out.push(Ok(ChatEvent::Ping));
            }
            event => out.push(Ok(event)),
        }
    }

    fn is_answer(&self, part: u32) -> bool {
        self.answer.is_some_and(|(answer, _)| answer == part)
    }

    /// The number of a call among those of the caller's tools.
    fn renumbered(&self, index: u32) -> u32 {
        let before = self.answer.is_some_and(|(_, answer)| answer < index);
        index.saturating_sub(before.into())
    }

    fn release(&mut self, out: &mut Vec<Result<ChatEvent>>) {
        out.extend(self.held.drain(..).map(Ok));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, model::Extra};

    fn text(part: u32, text: &str) -> ChatEvent {
        ChatEvent::Text { choice: 0, part, text: text.to_owned() }
    }

    fn start(part: u32, index: u32, name: &str) -> ChatEvent {
        let (id, name) = (format!("id{index}"), name.to_owned());
        ChatEvent::ToolCallStart { choice: 0, part, index, id, name, extra: Extra::new() }
    }

    fn arguments(part: u32, index: u32, json: &str) -> ChatEvent {
        ChatEvent::ToolCallArguments { choice: 0, part, index, arguments: json.to_owned() }
    }

    fn stop() -> ChatEvent {
        let (reason, sequence) = (StopReason::ToolCalls, None);
        ChatEvent::Stop { choice: 0, reason, sequence, extra: Extra::new() }
    }

    /// What is left of these events, and that the whole answer is the same.
    #[track_caller]
    fn check(events: &[ChatEvent], expected_text: &str, calls: &[&str], stops: &StopReason) {
        let run = |events: ChatStream| {
            let events = events.accumulate();
            futures_util::FutureExt::now_or_never(events).unwrap().unwrap()
        };
        let original = || ChatStream::new(stream::iter(events.to_vec()).map(Ok));
        let streamed = run(stream("t".to_owned(), original()));
        for answer in [&streamed, &whole("t", run(original()))] {
            assert_eq!(answer.text(), expected_text);
            let names: Vec<_> = answer.tool_calls().map(|call| call.name.as_str()).collect();
            assert_eq!(names, calls);
            assert_eq!(answer.stop(), Some(stops));
        }
    }

    #[test]
    fn the_arguments_are_the_text() {
        let both = || vec![start(0, 0, "t"), arguments(0, 0, "{\"a\""), arguments(0, 0, ":1}")];
        let mut plain = both();
        plain.push(stop());
        check(&plain, "{\"a\":1}", &[], &StopReason::End);
        let mut besides = vec![text(9, "Let me answer.")];
        besides.extend(both());
        besides.extend([start(1, 1, "t"), arguments(1, 1, "{}"), text(2, "Done."), stop()]);
        check(&besides, "{\"a\":1}", &[], &StopReason::End);
        check(&[start(0, 0, "t"), stop()], "{}", &[], &StopReason::End);
    }

    #[test]
    fn the_callers_tools_are_called_as_ever() {
        let call = |index| [start(index + 1, index, "f"), arguments(index + 1, index, "{}")];
        let mut only = vec![text(0, "I look it up.")];
        only.extend(call(0));
        only.push(stop());
        check(&only, "I look it up.", &["f"], &StopReason::ToolCalls);
        let mut both = vec![start(0, 0, "t"), arguments(0, 0, "{}")];
        both.extend(call(1));
        both.push(stop());
        check(&both, "{}", &["f"], &StopReason::ToolCalls);
    }

    #[test]
    fn nothing_comes_after_the_last_error() {
        const BROKEN: ErrorKind = ErrorKind::Stream { events_seen: 1 };
        for (kind, text_after) in [(BROKEN, None), (ErrorKind::Decode, Some("held"))] {
            let events = [Ok(text(0, "held")), Err(Error::new(kind.clone(), "broken"))];
            let events = stream("t".to_owned(), ChatStream::new(stream::iter(events)));
            let seen: Vec<_> = futures_util::FutureExt::now_or_never(events.collect()).unwrap();
            let after = seen.into_iter().skip_while(Result::is_ok).skip(1);
            let after: Vec<_> = after.map(Result::unwrap).collect();
            assert_eq!(after, Vec::from_iter(text_after.map(|it| text(0, it))), "{kind:?}");
        }
    }

    #[test]
    fn an_answer_without_the_tool_stays() {
        check(
            &[text(0, "I "), text(0, "refuse."), stop()],
            "I refuse.",
            &[],
            &StopReason::ToolCalls,
        );
        // A stream that says nothing of its end.
        let events = ChatStream::new(stream::iter([Ok(text(0, "a"))]));
        let answer = stream("t".to_owned(), events).accumulate();
        let answer = futures_util::FutureExt::now_or_never(answer).unwrap().unwrap();
        assert_eq!(answer.text(), "a");
    }
}
