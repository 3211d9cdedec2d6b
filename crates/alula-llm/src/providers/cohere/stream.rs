//! Events of a streamed answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    body_error,
    message::{PLAN, content_index},
    response::{stop_from_text, usage_from_json},
};
use crate::{
    ChatEvent, Error, ErrorKind,
    model::{
        Citation, Extra, Protocol,
        fields::{Fields, object},
    },
    providers::wire::{Events, State, Wire},
    sse,
};

/// The one answer that the format knows.
const CHOICE: u32 = 0;

/// The state of a stream.
#[derive(Debug, Default)]
pub(in crate::providers) struct Messages {
    /// How many parts there are.
    parts: u32,
    /// The parts of the message by the provider's number.
    contents: BTreeMap<u64, Content>,
    /// The text that was written last.
    text: Option<u32>,
    plan: Option<u32>,
    /// The provider's number, our number and the part of each call.
    calls: Vec<(u64, u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    part: u32,
    is_thinking: bool,
}

impl Messages {
    fn message_start(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        let mut message = take_message(&mut fields).unwrap_or_default();
        message.shift_remove("role");
        remove_blanks(&mut message);
        let id = fields.take_string("id").unwrap_or_default();
        let model = fields.take_string("model").unwrap_or_default();
        fields.shift_remove("type");
        remove_blanks(&mut fields);
        let origin = Some(Protocol::CohereChat);
        out.push_back(Ok(ChatEvent::Start { id, model, origin, extra: fields }));
        push_extra(None, message, out);
    }

    fn content_start(&mut self, number: u64, mut fields: Map<String, Value>, out: &mut Events) {
        let content = take_message(&mut fields).and_then(|mut it| it.take_object("content"));
        let content = content.unwrap_or_default();
        let is_thinking = content.says("type", "thinking");
        self.open(number, is_thinking);
        self.content(number, content, out);
    }

    fn content_delta(&mut self, number: u64, mut fields: Map<String, Value>, out: &mut Events) {
        let message = take_message(&mut fields);
        if let Some(content) = message.and_then(|mut it| it.take_object("content")) {
            self.content(number, content, out);
        }
        if let Some(logprobs) = fields.take_object("logprobs") {
            let logprobs = Value::Array(vec![Value::Object(logprobs)]);
            out.push_back(Ok(ChatEvent::Logprobs { choice: CHOICE, logprobs }));
        }
    }

    /// More of a content, which says itself whether it is text.
    fn content(&mut self, number: u64, mut content: Map<String, Value>, out: &mut Events) {
        let choice = CHOICE;
        content.shift_remove("type");
        if let Some(text) = content.take_text("thinking") {
            let part = self.part_of(number, true);
            out.push_back(Ok(ChatEvent::Reasoning { choice, part, text, field: None }));
        }
        if let Some(text) = content.take_text("text") {
            let part = self.part_of(number, false);
            self.text = Some(part);
            out.push_back(Ok(ChatEvent::Text { choice, part, text }));
        }
        remove_blanks(&mut content);
        if content.is_empty() {
            return;
        }
        let known = self.contents.get(&number).is_some_and(|content| content.is_thinking);
        let part = self.part_of(number, known);
        if known {
            // Fields need a part to belong to, even while it is empty.
            let text = String::new();
            out.push_back(Ok(ChatEvent::Reasoning { choice, part, text, field: None }));
        }
        push_extra(Some(part), content, out);
    }

    fn part_of(&mut self, number: u64, is_thinking: bool) -> u32 {
        match self.contents.get(&number) {
            Some(content) if content.is_thinking == is_thinking => content.part,
            _ => self.open(number, is_thinking),
        }
    }

    fn open(&mut self, number: u64, is_thinking: bool) -> u32 {
        let part = self.next_part();
        self.contents.insert(number, Content { part, is_thinking });
        part
    }

    fn next_part(&mut self) -> u32 {
        let part = self.parts;
        self.parts += 1;
        part
    }

    fn plan(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        let text = take_message(&mut fields).and_then(|mut message| message.take_text(PLAN));
        let Some(text) = text else { return };
        let part = match self.plan {
            Some(part) => part,
            None => self.next_part(),
        };
        self.plan = Some(part);
        let field = Some(PLAN.to_owned());
        out.push_back(Ok(ChatEvent::Reasoning { choice: CHOICE, part, text, field }));
    }

    fn call(&mut self, number: u64, starts: bool, fields: Map<String, Value>, out: &mut Events) {
        let choice = CHOICE;
        for mut call in take_list(fields, "tool_calls") {
            let (name, arguments) = call
                .take_within("function", |inner| {
                    (inner.take_string("name"), inner.take_string("arguments"))
                })
                .unwrap_or_default();
            let known = self.calls.iter().rfind(|(known, ..)| *known == number && !starts);
            let (part, index) = match known {
                Some((_, index, part)) => {
                    call.shift_remove("type");
                    remove_blanks(&mut call);
                    push_extra(Some(*part), call, out);
                    (*part, *index)
                }
                None => {
                    let part = self.next_part();
                    let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                    self.calls.push((number, index, part));
                    let id = call.take_string("id").unwrap_or_default();
                    let name = name.unwrap_or_default();
                    if call.says("type", "function") {
                        call.shift_remove("type");
                    }
                    let extra = call;
                    let start = ChatEvent::ToolCallStart { choice, part, index, id, name, extra };
                    out.push_back(Ok(start));
                    (part, index)
                }
            };
            if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
                out.push_back(Ok(ChatEvent::ToolCallArguments { choice, part, index, arguments }));
            }
        }
    }

    fn citation(&self, fields: Map<String, Value>, out: &mut Events) {
        for citation in take_list(fields, "citations") {
            let citation = Value::Object(citation);
            let number = content_index(&citation).and_then(|at| u64::try_from(at).ok());
            let named = number.and_then(|number| self.contents.get(&number));
            let part = named.filter(|it| !it.is_thinking && self.text.is_some()).map(|it| it.part);
            match part.or(self.text) {
                Some(part) => {
                    let citation = Citation(citation);
                    out.push_back(Ok(ChatEvent::Citation { choice: CHOICE, part, citation }));
                }
                // Of the plan, or of the reasoning: no text is there to hold it.
                None => {
                    let list = Value::Array(vec![citation]);
                    push_extra(None, object([("citations", list)]), out);
                }
            }
        }
    }

    fn message_end(mut fields: Map<String, Value>, out: &mut Events) -> State {
        let mut delta = fields.take_object("delta").unwrap_or_default();
        if delta.says("finish_reason", "ERROR") {
            let message = delta.take_text("error");
            let message = message.unwrap_or_else(|| "the answer broke off".to_owned());
            out.push_back(Err(Error::new(ErrorKind::Unavailable, message)));
            return State::Failed;
        }
        if let Some(usage) = delta.take_object("usage") {
            out.push_back(Ok(ChatEvent::Usage(usage_from_json(usage))));
        }
        let reason = delta.take_string("finish_reason");
        for name in ["type", "id"] {
            fields.shift_remove(name);
        }
        fields.extend(delta);
        remove_blanks(&mut fields);
        if !fields.is_empty() {
            out.push_back(Ok(ChatEvent::Extra { choice: None, part: None, fields }));
        }
        let stop = reason.map(|reason| ChatEvent::Stop {
            choice: CHOICE,
            reason: stop_from_text(reason),
            sequence: None,
            extra: Extra::new(),
        });
        out.extend(stop.map(Ok));
        State::Done
    }
}

impl Wire for Messages {
    fn is_delta(event: &sse::Event) -> bool {
        matches!(&*event.event, "content-delta" | "tool-call-delta" | "tool-plan-delta")
    }

    fn event(&mut self, event: sse::Event, out: &mut Events) -> State {
        let fields = match serde_json::from_str(&event.data) {
            Ok(Value::Object(fields)) => fields,
            _ if event.event == "error" => {
                out.push_back(Err(body_error(&Value::String(event.data))));
                return State::Failed;
            }
            Ok(value) => {
                out.push_back(Ok(ChatEvent::Other(value)));
                return State::Open;
            }
            Err(error) => {
                let message = format!("an event of the stream is not JSON: {error}");
                let error = Error::new(ErrorKind::Decode, message).with_body(&event.data);
                out.push_back(Err(error));
                return State::Open;
            }
        };
        let before = out.len();
        let number = fields.get("index").and_then(Value::as_u64).unwrap_or_default();
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or(&event.event).to_owned();
        match kind.as_str() {
            "message-start" => self.message_start(fields, out),
            "content-start" => self.content_start(number, fields, out),
            "content-delta" => self.content_delta(number, fields, out),
            "tool-plan-delta" => self.plan(fields, out),
            "tool-call-start" => self.call(number, true, fields, out),
            "tool-call-delta" => self.call(number, false, fields, out),
            "citation-start" => self.citation(fields, out),
            "content-end" | "tool-call-end" | "citation-end" => {}
            "message-end" => return Self::message_end(fields, out),
            // An error in the stream has the shape of one that is no stream.
            "error" => return failed(fields, out),
            "" if fields.get("message").is_some_and(Value::is_string) => {
                return failed(fields, out);
            }
            _ => out.push_back(Ok(ChatEvent::Other(Value::Object(fields)))),
        }
        if out.len() == before {
            out.push_back(Ok(ChatEvent::Ping));
        }
        State::Open
    }
}

fn failed(fields: Map<String, Value>, out: &mut Events) -> State {
    out.push_back(Err(body_error(&Value::Object(fields))));
    State::Failed
}

/// What a delta says of the message.
fn take_message(fields: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    fields.take_within("delta", |delta| delta.take_object("message")).flatten()
}

/// The objects of this name in the message: one, or a list of them.
fn take_list(mut fields: Map<String, Value>, name: &str) -> Vec<Map<String, Value>> {
    let list = match take_message(&mut fields).and_then(|mut message| message.shift_remove(name)) {
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let objects = list.into_iter().filter_map(|item| match item {
        Value::Object(item) => Some(item),
        _ => None,
    });
    objects.collect()
}

fn push_extra(part: Option<u32>, fields: Map<String, Value>, out: &mut Events) {
    if !fields.is_empty() {
        out.push_back(Ok(ChatEvent::Extra { choice: Some(CHOICE), part, fields }));
    }
}

/// Removes what says nothing: `null`, and empty texts and lists that announce what follows.
fn remove_blanks(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    });
}
