//! Chunks of a streamed answer: each is an answer of its own that holds what is new.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    body_error,
    part::part_from_json,
    response::{MARKS, block_reason, citations, made_id, take_stop},
    usage::usage_from_json,
};
use crate::{
    ChatEvent, Error, ErrorKind, Part, StopReason,
    model::{Extra, Protocol, Reasoning, Text, ToolCall, fields::Fields},
    providers::wire::{Events, State, Wire},
    sse,
};

/// The state of a stream of chunks.
#[derive(Debug, Default)]
pub(in crate::providers) struct Chunks {
    /// The id of the answer, once it has begun.
    id: Option<String>,
    /// Fields of the response that have been passed on, so that only changes are.
    seen: Extra,
    /// What has been counted so far; each report overlays the ones before.
    usage: Map<String, Value>,
    blocked: bool,
    candidates: BTreeMap<u32, Candidate>,
}

/// What is known of one of the answers.
#[derive(Debug, Default)]
struct Candidate {
    parts: u32,
    /// The last part, if it goes on.
    open: Option<(Open, u32)>,
    /// The last part that is text, to which the sources belong.
    text: Option<u32>,
    calls: u32,
    /// The fields beside the content, as the last chunks have them. They are passed on at the
    /// end: a reason to stop may be repeated, and come before the last part.
    fields: Extra,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Reasoning,
}

impl Chunks {
    fn chunk(&mut self, mut chunk: Map<String, Value>, out: &mut Events) {
        let before = out.len();
        let candidates = chunk.take_array("candidates").unwrap_or_default();
        let usage = chunk.take_object("usageMetadata");
        self.blocked |= block_reason(&chunk).is_some();
        self.envelope(chunk, out);
        let id = self.id.as_deref().unwrap_or_default();
        for candidate in candidates {
            let Value::Object(fields) = candidate else { continue };
            let index = fields.get("index").and_then(Value::as_u64);
            let index = index.and_then(|index| index.try_into().ok()).unwrap_or_default();
            self.candidates.entry(index).or_default().add(index, fields, id, out);
        }
        if let Some(usage) = usage {
            self.usage.extend(usage.into_iter().filter(|(_, value)| !value.is_null()));
            out.push_back(Ok(ChatEvent::Usage(usage_from_json(self.usage.clone()))));
        }
        if out.len() == before {
            out.push_back(Ok(ChatEvent::Ping));
        }
    }

    /// The fields around the candidates.
    fn envelope(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        let id = fields.take_string("responseId").unwrap_or_default();
        let model = fields.take_string("modelVersion").unwrap_or_default();
        fields.retain(|name, value| !value.is_null() && self.seen.get(name) != Some(value));
        self.seen.extend(fields.clone());
        if self.id.is_none() {
            self.id = Some(id.clone());
            let origin = Some(Protocol::GeminiGenerate);
            out.push_back(Ok(ChatEvent::Start { id, model, origin, extra: fields }));
        } else if !fields.is_empty() {
            out.push_back(Ok(ChatEvent::Extra { choice: None, part: None, fields }));
        }
    }

    fn state(&self) -> State {
        let all_stopped = self.candidates.values().all(Candidate::has_stopped);
        let is_complete = all_stopped && (self.blocked || !self.candidates.is_empty());
        if is_complete { State::MayEnd } else { State::Open }
    }
}

impl Wire for Chunks {
    fn event(&mut self, event: sse::Event, out: &mut Events) -> State {
        if event.data.trim() == "[DONE]" {
            // The API does not say so, but servers in front of it do.
            let is_complete = self.state() == State::MayEnd;
            if is_complete {
                self.finish(out);
            }
            return if is_complete { State::Done } else { State::Open };
        }
        match serde_json::from_str(&event.data) {
            Ok(Value::Object(body)) if body.get("error").is_some_and(|it| !it.is_null()) => {
                out.push_back(Err(body_error(&Value::Object(body))));
                return State::Failed;
            }
            Ok(Value::Object(chunk)) if MARKS.iter().any(|name| chunk.contains_key(*name)) => {
                self.chunk(chunk, out);
            }
            Ok(value) => out.push_back(Ok(ChatEvent::Other(value))),
            Err(error) => {
                let message = format!("an event of the stream is not JSON: {error}");
                let error = Error::new(ErrorKind::Decode, message).with_body(&event.data);
                out.push_back(Err(error));
            }
        }
        self.state()
    }

    fn finish(&mut self, out: &mut Events) {
        for (choice, candidate) in std::mem::take(&mut self.candidates) {
            candidate.finish(choice, out);
            self.blocked = false;
        }
        if self.blocked {
            out.push_back(Ok(ChatEvent::Stop {
                choice: 0,
                reason: StopReason::ContentFilter,
                sequence: None,
                extra: Extra::new(),
            }));
        }
    }
}

impl Candidate {
    fn add(&mut self, choice: u32, mut fields: Map<String, Value>, id: &str, out: &mut Events) {
        let mut content = fields.take_object("content").unwrap_or_default();
        for part in content.take_array("parts").unwrap_or_default() {
            self.part(choice, part_from_json(part), id, out);
        }
        content.retain(|name, value| name != "role" && name != "parts" && !value.is_null());
        if !content.is_empty() {
            let fields = content;
            out.push_back(Ok(ChatEvent::Extra { choice: Some(choice), part: None, fields }));
        }
        if let Some(logprobs) = fields.take_object("logprobsResult") {
            let logprobs = Value::Object(logprobs);
            out.push_back(Ok(ChatEvent::Logprobs { choice, logprobs }));
        }
        overlay(&mut self.fields, fields);
    }

    fn part(&mut self, choice: u32, part: Part, id: &str, out: &mut Events) {
        match part {
            Part::Text(text) => self.add_text(choice, text, out),
            Part::Reasoning(reasoning) => self.add_reasoning(choice, reasoning, out),
            Part::ToolCall(call) => self.add_call(choice, call, id, out),
            content => {
                let part = self.next();
                out.push_back(Ok(ChatEvent::Part { choice, part, content }));
            }
        }
    }

    fn add_text(&mut self, choice: u32, piece: Text, out: &mut Events) {
        let Text { text, extra: fields, .. } = piece;
        let is_whole = !fields.is_empty();
        if text.is_empty() && !is_whole {
            return;
        }
        let part = self.number(Open::Text, is_whole);
        self.text = Some(part);
        out.push_back(Ok(ChatEvent::Text { choice, part, text }));
        extend(choice, part, fields, out);
    }

    fn add_reasoning(&mut self, choice: u32, piece: Reasoning, out: &mut Events) {
        let Reasoning { text, signature, field, extra: fields } = piece;
        let is_whole = !fields.is_empty() || signature.is_some();
        if text.is_empty() && !is_whole {
            return;
        }
        let part = self.number(Open::Reasoning, is_whole);
        out.push_back(Ok(ChatEvent::Reasoning { choice, part, text, field }));
        if let Some(signature) = signature {
            out.push_back(Ok(ChatEvent::Signature { choice, part, signature }));
        }
        extend(choice, part, fields, out);
    }

    fn add_call(&mut self, choice: u32, call: ToolCall, answer: &str, out: &mut Events) {
        let part = self.next();
        let index = self.calls;
        self.calls += 1;
        let ToolCall { id, name, arguments, extra } = call;
        let id = if id.is_empty() { made_id(answer, choice, index) } else { id };
        out.push_back(Ok(ChatEvent::ToolCallStart { choice, part, index, id, name, extra }));
        if !arguments.is_empty() {
            out.push_back(Ok(ChatEvent::ToolCallArguments { choice, part, index, arguments }));
        }
    }

    /// The number of the part that a piece of this kind belongs to. One that is sealed, or has
    /// other fields, is a part of its own, as the seal is that of the piece.
    fn number(&mut self, kind: Open, is_whole: bool) -> u32 {
        match self.open {
            Some((open, part)) if open == kind && !is_whole => part,
            _ => {
                let part = self.next();
                self.open = (!is_whole).then_some((kind, part));
                part
            }
        }
    }

    fn next(&mut self) -> u32 {
        self.open = None;
        let part = self.parts;
        self.parts += 1;
        part
    }

    fn has_stopped(&self) -> bool {
        self.fields.get("finishReason").is_some_and(Value::is_string)
    }

    fn finish(mut self, choice: u32, out: &mut Events) {
        if let Some(part) = self.text {
            let citations = citations(&self.fields).into_iter();
            out.extend(citations.map(|it| Ok(ChatEvent::Citation { choice, part, citation: it })));
        }
        if let Some(reason) = take_stop(&mut self.fields, self.calls > 0) {
            let extra = self.fields;
            out.push_back(Ok(ChatEvent::Stop { choice, reason, sequence: None, extra }));
        }
    }
}

/// Passes the other fields of a part on.
fn extend(choice: u32, part: u32, fields: Extra, out: &mut Events) {
    if !fields.is_empty() {
        let (choice, part) = (Some(choice), Some(part));
        out.push_back(Ok(ChatEvent::Extra { choice, part, fields }));
    }
}

/// Objects are merged, other values replaced; only the sources of quotations, which each chunk
/// has of its own, are gathered.
fn overlay(known: &mut Extra, fields: Extra) {
    for (name, value) in fields {
        match (known.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::Object(known)), Value::Object(fields)) => overlay(known, fields),
            (Some(Value::Array(known)), Value::Array(more))
                if name == "citationSources" || name == "citations" =>
            {
                for source in more {
                    if !known.contains(&source) {
                        known.push(source);
                    }
                }
            }
            (_, value) => drop(known.insert(name, value)),
        }
    }
}
