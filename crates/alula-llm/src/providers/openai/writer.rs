//! Writing a streamed answer.

mod chunk;

use std::borrow::Cow;

use serde_json::{Map, Value};

use self::chunk::Chunk;
use super::{
    failure::error_to_json,
    message::{
        REASONING_FIELD, REASONING_FIELDS, annotation_to_json, call_to_json, is_custom_call,
    },
    mistral::{THINKING, thinking_to_json},
    part::part_to_json,
    response::{stop_to_text, usage_to_json},
};
use crate::{
    ChatEvent, Error, Part, StopReason, StreamOptions, Usage,
    model::{
        Citation, Extra, Protocol, Reasoning, ToolCall,
        fields::{Fields, object},
    },
    providers::{
        logprobs::to_openai,
        writer::{self, comment, json, sse},
    },
};

const PROTOCOL: Protocol = Protocol::OpenAiChat;

/// Writes chunks.
#[derive(Debug)]
pub(in crate::providers) struct Writer {
    chunk: Chunk,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

/// What has been written of one of the answers.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// Whether there is more to it than that the answer has begun.
    written: bool,
    stopped: bool,
    calls: Vec<Call>,
    /// The part that is reasoning and stands in the content, where Mistral has it.
    thinking: Option<u32>,
    /// The part whose text is being written, and where it begins, in characters.
    text: Option<(u32, usize)>,
    /// The length of all text, counted only while sources may need it.
    chars: usize,
    /// Sources of another format, until it is known where their text ends.
    citations: Vec<Citation>,
}

#[derive(Debug)]
struct Call {
    part: u32,
    has_arguments: bool,
}

impl Writer {
    pub(in crate::providers) fn new(options: StreamOptions) -> Self {
        Self { chunk: Chunk::new(options), choices: Vec::new(), usage: None }
    }

    fn own(&self) -> bool {
        self.chunk.own()
    }

    /// Writes a chunk with a delta, whose fields `write` writes.
    fn delta(&mut self, choice: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.enter(choice, out);
        self.chunk.delta(choice, out, write);
    }

    /// Writes a chunk with a delta of these fields.
    fn fields(&mut self, choice: u32, fields: &Extra, out: &mut Vec<u8>) {
        self.delta(choice, out, |out| {
            let mut comma: &[u8] = b"";
            for (name, value) in fields {
                out.extend_from_slice(comma);
                json(name, out);
                out.push(b':');
                json(value, out);
                comma = b",";
            }
        });
    }

    /// Writes a chunk with fields beside an empty delta.
    fn beside(&mut self, choice: u32, fields: &Extra, stop: Option<&str>, out: &mut Vec<u8>) {
        self.enter(choice, out);
        let mut written = object([("index", choice.into()), ("delta", Map::new().into())]);
        written.insert("finish_reason".to_owned(), stop.into());
        written.fill(fields);
        self.chunk.choice(&written, out);
    }

    /// Notes that an answer is written.
    fn enter(&mut self, index: u32, out: &mut Vec<u8>) {
        self.begin(index, out);
        if let Some(choice) = self.choice(index) {
            choice.written = true;
        }
    }

    /// Names the role, before all else of an answer.
    fn begin(&mut self, index: u32, out: &mut Vec<u8>) {
        if self.choices.iter().any(|choice| choice.index == index) {
            return;
        }
        self.choices.push(Choice { index, ..Choice::default() });
        self.chunk.delta(index, out, |out| {
            out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
        });
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        self.choices.iter_mut().find(|choice| choice.index == index)
    }

    fn text(&mut self, choice: u32, part: u32, text: &str, out: &mut Vec<u8>) {
        if !self.own() {
            self.place(choice, part, text, out);
        }
        self.delta(choice, out, |out| {
            out.extend_from_slice(b"\"content\":");
            json(text, out);
        });
    }

    /// Keeps count of where the parts of a text begin.
    fn place(&mut self, index: u32, part: u32, text: &str, out: &mut Vec<u8>) {
        self.begin(index, out);
        let Some(choice) = self.choice(index) else { return };
        if choice.text.is_none_or(|(known, _)| known != part) {
            self.end_text(index, out);
        }
        let Some(choice) = self.choice(index) else { return };
        choice.text.get_or_insert((part, choice.chars));
        choice.chars += text.chars().count();
    }

    /// The text of a part has ended, and the place of its sources is known.
    fn end_text(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(choice) = self.choice(index) else { return };
        let (start, end) = (choice.text.take().map_or(0, |(_, start)| start), choice.chars);
        let citations = std::mem::take(&mut choice.citations);
        let list = citations.iter().filter_map(|it| annotation_to_json(it, false, start..end));
        let list: Vec<Value> = list.collect();
        if !list.is_empty() {
            self.fields(index, &object([("annotations", list.into())]), out);
        }
    }

    fn citation(&mut self, index: u32, part: u32, citation: &Citation, out: &mut Vec<u8>) {
        if self.own() {
            let list = Value::Array(vec![citation.0.clone()]);
            return self.fields(index, &object([("annotations", list)]), out);
        }
        self.place(index, part, "", out);
        if let Some(choice) = self.choice(index) {
            choice.citations.push(citation.clone());
        }
    }

    fn reasoning(
        &mut self,
        index: u32,
        part: u32,
        text: &str,
        field: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let is_known = |name: &&str| *name == THINKING || REASONING_FIELDS.contains(name);
        let field = field.filter(|_| self.own()).filter(is_known).unwrap_or(REASONING_FIELD);
        if field == THINKING {
            let reasoning = Reasoning { text: text.to_owned(), ..Reasoning::default() };
            self.content(index, thinking_to_json(&reasoning).into(), out);
            if let Some(choice) = self.choice(index) {
                choice.thinking = Some(part);
            }
        } else {
            self.delta(index, out, |out| {
                json(field, out);
                out.push(b':');
                json(text, out);
            });
        }
    }

    /// Writes a piece of a content that is a list.
    fn content(&mut self, index: u32, piece: Value, out: &mut Vec<u8>) {
        self.fields(index, &object([("content", Value::Array(vec![piece]))]), out);
    }

    /// Numbers a call that is new.
    fn call(&mut self, index: u32, part: u32, has_arguments: bool, out: &mut Vec<u8>) -> usize {
        self.begin(index, out);
        let Some(choice) = self.choice(index) else { return 0 };
        let known = choice.calls.iter().position(|call| call.part == part);
        known.unwrap_or_else(|| {
            choice.calls.push(Call { part, has_arguments });
            choice.calls.len() - 1
        })
    }

    /// Writes the beginning of a call, or all of one.
    fn call_start(
        &mut self,
        index: u32,
        number: usize,
        call: Map<String, Value>,
        out: &mut Vec<u8>,
    ) {
        let mut fields = object([("index", number.into())]);
        fields.extend(call);
        let list = Value::Array(vec![fields.into()]);
        self.fields(index, &object([("tool_calls", list)]), out);
    }

    fn arguments(&mut self, index: u32, part: u32, arguments: &str, out: &mut Vec<u8>) {
        let is_known = |choice: &mut Choice| choice.calls.iter().any(|call| call.part == part);
        if !self.choice(index).is_some_and(is_known) {
            let number = self.call(index, part, false, out);
            self.call_start(index, number, new_call("", "", &Extra::new()), out);
        }
        let Some(choice) = self.choice(index) else { return };
        let Some(number) = choice.calls.iter().position(|call| call.part == part) else { return };
        if let Some(call) = choice.calls.get_mut(number) {
            call.has_arguments |= !arguments.is_empty();
        }
        self.delta(index, out, |out| {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            json(&number, out);
            out.extend_from_slice(b",\"function\":{\"arguments\":");
            json(arguments, out);
            out.extend_from_slice(b"}}]");
        });
    }

    /// Writes a part that has no events of its own.
    fn part(&mut self, index: u32, part: u32, content: &Part, out: &mut Vec<u8>) {
        if !self.own() {
            return;
        }
        match content {
            Part::Other(value @ Value::Object(call)) if is_custom_call(value) => {
                let number = self.call(index, part, true, out);
                self.call_start(index, number, call.clone(), out);
            }
            content => {
                if let Ok(value) = part_to_json(content, true) {
                    self.content(index, value, out);
                }
            }
        }
    }

    /// Writes unknown fields of a part.
    fn part_extra(&mut self, index: u32, part: u32, fields: &Extra, out: &mut Vec<u8>) {
        let choice = self.choices.iter().find(|choice| choice.index == index);
        let number =
            choice.and_then(|choice| choice.calls.iter().position(|call| call.part == part));
        let is_thinking = choice.is_some_and(|choice| choice.thinking == Some(part));
        if let Some(number) = number {
            return self.call_start(index, number, fields.clone(), out);
        }
        let mut piece = match is_thinking {
            true => thinking_to_json(&Reasoning::default()),
            false => object([("type", "text".into()), ("text", "".into())]),
        };
        piece.fill(fields);
        self.content(index, piece.into(), out);
    }

    fn stop(&mut self, index: u32, reason: &StopReason, extra: &Extra, out: &mut Vec<u8>) {
        self.begin(index, out);
        self.end_text(index, out);
        let own = self.own();
        let Some(choice) = self.choice(index) else { return };
        choice.stopped = true;
        // Clients read the arguments as JSON, which nothing is not.
        let is_bare = |call: &&Call| !own && !call.has_arguments;
        let bare: Vec<u32> = choice.calls.iter().filter(is_bare).map(|call| call.part).collect();
        for part in bare {
            self.arguments(index, part, "{}", out);
        }
        let none = Extra::new();
        self.beside(index, if own { extra } else { &none }, Some(stop_to_text(reason)), out);
    }

    fn extra(&mut self, choice: Option<u32>, part: Option<u32>, fields: &Extra, out: &mut Vec<u8>) {
        match (choice, part) {
            (None, _) => self.chunk.tell(fields),
            _ if !self.own() => {}
            (Some(choice), None) => self.fields(choice, fields, out),
            (Some(choice), Some(part)) => self.part_extra(choice, part, fields, out),
        }
    }
}

impl writer::Writer for Writer {
    fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Text { choice, part, text } => self.text(*choice, *part, text, out),
            ChatEvent::Start { id, model, origin, extra } => {
                self.chunk.start(id, model, *origin, extra);
                self.begin(0, out);
            }
            ChatEvent::Reasoning { choice, part, text, field } => {
                self.reasoning(*choice, *part, text, field.as_deref(), out);
            }
            ChatEvent::Refusal { choice, text, .. } => self.delta(*choice, out, |out| {
                out.extend_from_slice(b"\"refusal\":");
                json(text, out);
            }),
            ChatEvent::ToolCallStart { choice, part, id, name, extra, .. } => {
                let none = Extra::new();
                let call = new_call(id, name, if self.own() { extra } else { &none });
                let number = self.call(*choice, *part, false, out);
                self.call_start(*choice, number, call, out);
            }
            ChatEvent::ToolCallArguments { choice, part, arguments, .. } => {
                self.arguments(*choice, *part, arguments, out);
            }
            ChatEvent::Citation { choice, part, citation } => {
                self.citation(*choice, *part, citation, out);
            }
            ChatEvent::Part { choice, part, content } => self.part(*choice, *part, content, out),
            ChatEvent::Logprobs { choice, logprobs } => {
                let ours = match self.own() {
                    true => Some(Cow::Borrowed(logprobs)),
                    false => to_openai(logprobs),
                };
                if let Some(logprobs) = ours {
                    let fields = object([("logprobs", logprobs.into_owned())]);
                    self.beside(*choice, &fields, None, out);
                }
            }
            ChatEvent::Extra { choice, part, fields } => self.extra(*choice, *part, fields, out),
            ChatEvent::ChoiceExtra { choice, fields } if self.own() => {
                self.beside(*choice, fields, None, out);
            }
            ChatEvent::Usage(usage) => self.usage = Some(usage.clone()),
            ChatEvent::Stop { choice, reason, extra, .. } => {
                self.stop(*choice, reason, extra, out);
            }
            ChatEvent::Ping => comment(out),
            ChatEvent::Signature { .. } | ChatEvent::ChoiceExtra { .. } | ChatEvent::Other(_) => {}
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        sse("", &error_to_json(error).1, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let only = self.choices.len() == 1;
        let open = self.choices.iter().filter(|it| !it.stopped && (it.written || only));
        let open: Vec<(u32, bool)> = open.map(|it| (it.index, it.calls.is_empty())).collect();
        for (choice, no_calls) in open {
            let reason = if no_calls { StopReason::End } else { StopReason::ToolCalls };
            self.stop(choice, &reason, &Extra::new(), out);
        }
        let usage = self.usage.take().map(|usage| usage_to_json(&usage, self.chunk.origin()));
        self.chunk.last(usage, out);
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// A call that begins.
fn new_call(id: &str, name: &str, extra: &Extra) -> Map<String, Value> {
    let (id, name, extra) = (id.to_owned(), name.to_owned(), extra.clone());
    match call_to_json(&ToolCall { id, name, arguments: String::new(), extra }, true) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
