//! Chunks of a streamed answer.

use std::{collections::BTreeMap, sync::LazyLock};

use memchr::memmem::Finder;
use serde_json::{Map, Value};

use super::{
    body_error,
    message::{REASONING_FIELD, REASONING_FIELDS},
    mistral::THINKING,
    part::part_from_json,
    response::{error_in, stop_from_text, usage_from_json},
};
use crate::{
    ChatEvent, Error, ErrorKind, Part,
    model::{Citation, Extra, Protocol, fields::Fields},
    providers::wire::{Events, State, Wire},
    sse,
};

/// The state of a stream of chunks.
#[derive(Debug, Default)]
pub(in crate::providers) struct Chunks {
    started: bool,
    /// Fields of the response that have been passed on, so that only changes are.
    seen: Extra,
    choices: BTreeMap<u32, ChoiceState>,
}

/// What is looked for in each chunk; to make it ready takes longer than to find it.
type Key = LazyLock<Finder<'static>>;

static ERROR: Key = LazyLock::new(|| Finder::new(b"\"error\""));
static FINISH_REASON: Key = LazyLock::new(|| Finder::new(b"\"finish_reason\""));
static USAGE: Key = LazyLock::new(|| Finder::new(b"\"usage\""));
static INDEX: Key = LazyLock::new(|| Finder::new(b"\"index\""));

/// What stands after this key, wherever it does, in quotes; a text cannot hold it unescaped.
fn values<'a>(data: &'a [u8], key: &'static Key) -> impl Iterator<Item = &'a [u8]> {
    key.find_iter(data).map(|at| {
        let rest = data.get(at + key.needle().len()..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start()
    })
}

/// What is known of one of the answers.
#[derive(Debug, Default)]
struct ChoiceState {
    stopped: bool,
    parts: u32,
    text: Option<u32>,
    reasoning: Option<u32>,
    /// Reasoning that stands in the content.
    thinking: Option<u32>,
    refusal: Option<u32>,
    calls: Vec<CallState>,
}

#[derive(Debug)]
struct CallState {
    /// The provider's number of the call.
    number: u64,
    id: String,
    part: u32,
    index: u32,
    /// What has come of a call to a tool that takes text; it is passed on whole at the end.
    custom: Option<Map<String, Value>>,
}

impl Chunks {
    fn chunk(&mut self, mut chunk: Map<String, Value>, out: &mut Events) {
        let before = out.len();
        let choices = chunk.take_array("choices").unwrap_or_default();
        let groq = chunk.get("x_groq").and_then(|groq| groq.get("usage")).cloned();
        let usage = chunk.take_object("usage").or_else(|| groq?.as_object().cloned());
        self.envelope(chunk, out);
        for choice in choices {
            if let Value::Object(choice) = choice {
                self.choice(choice, out);
            }
        }
        if let Some(usage) = usage {
            out.push_back(Ok(ChatEvent::Usage(usage_from_json(usage))));
        }
        if out.len() == before {
            out.push_back(Ok(ChatEvent::Ping));
        }
    }

    /// The fields around the choices.
    fn envelope(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        // Random letters that hide the length of the chunk.
        fields.shift_remove("obfuscation");
        let id = fields.take_string("id").unwrap_or_default();
        let model = fields.take_string("model").unwrap_or_default();
        if fields.says("object", "chat.completion.chunk") {
            fields.insert("object".to_owned(), "chat.completion".into());
        }
        fields.retain(|name, value| !value.is_null() && self.seen.get(name) != Some(value));
        self.seen.extend(fields.clone());
        if !self.started {
            self.started = true;
            let origin = Some(Protocol::OpenAiChat);
            out.push_back(Ok(ChatEvent::Start { id, model, origin, extra: fields }));
        } else if !fields.is_empty() {
            out.push_back(Ok(ChatEvent::Extra { choice: None, part: None, fields }));
        }
    }

    fn choice(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        let index = fields.take_u64("index").and_then(|index| index.try_into().ok());
        let index = index.unwrap_or_default();
        let state = self.choices.entry(index).or_default();
        if let Some(delta) = fields.take_object("delta") {
            state.delta(index, delta, out);
        }
        if let Some(logprobs) = fields.take_object("logprobs") {
            let logprobs = Value::Object(logprobs);
            out.push_back(Ok(ChatEvent::Logprobs { choice: index, logprobs }));
        }
        if let Some(reason) = fields.take_string("finish_reason")
            && !state.stopped
        {
            state.stopped = true;
            state.finish_calls(index, out);
            fields.retain(|_, value| !value.is_null());
            return out.push_back(Ok(ChatEvent::Stop {
                choice: index,
                reason: stop_from_text(reason),
                sequence: None,
                extra: fields,
            }));
        }
        // Azure reports on the text in chunks of their own.
        fields.retain(|_, value| !value.is_null());
        if !fields.is_empty() {
            out.push_back(Ok(ChatEvent::ChoiceExtra { choice: index, fields }));
        }
    }

    fn state(&self) -> State {
        let stopped = !self.choices.is_empty() && self.choices.values().all(|it| it.stopped);
        if stopped { State::MayEnd } else { State::Open }
    }
}

impl Wire for Chunks {
    fn is_delta(event: &sse::Event) -> bool {
        let data = event.data.as_bytes();
        event.event.is_empty()
            && data.starts_with(b"{")
            && ERROR.find(data).is_none()
            && values(data, &FINISH_REASON).all(|value| value.starts_with(b"null"))
            && values(data, &USAGE).all(|value| value.starts_with(b"null"))
            // Of every answer it must be known that it is there.
            && values(data, &INDEX).all(|value| value.starts_with(b"0"))
    }

    fn event(&mut self, event: sse::Event, out: &mut Events) -> State {
        if event.data.trim() == "[DONE]" {
            for (choice, state) in &mut self.choices {
                state.finish_calls(*choice, out);
            }
            return State::Done;
        }
        if event.event == "error" {
            // Whatever its shape; what is not JSON is the message itself.
            let error = serde_json::from_str(&event.data).unwrap_or(Value::String(event.data));
            out.push_back(Err(body_error(&error)));
            return State::Failed;
        }
        match serde_json::from_str(&event.data) {
            Ok(chunk) if error_in(&chunk).is_some() => {
                out.extend(error_in(&chunk).map(|error| Err(body_error(error))));
                return State::Failed;
            }
            Ok(Value::Object(chunk)) if chunk.contains_key("choices") || event.event.is_empty() => {
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
}

impl ChoiceState {
    fn delta(&mut self, choice: u32, mut delta: Map<String, Value>, out: &mut Events) {
        delta.shift_remove("role");
        for name in REASONING_FIELDS {
            // Some servers send the same reasoning under both names.
            if let Some(text) = delta.take_text(name) {
                let part = number(&mut self.reasoning, &mut self.parts);
                let field = (name != REASONING_FIELD).then(|| name.to_owned());
                out.push_back(Ok(ChatEvent::Reasoning { choice, part, text, field }));
                REASONING_FIELDS.iter().for_each(|name| drop(delta.shift_remove(*name)));
            }
        }
        if let Some(text) = delta.take_string("content")
            && !text.is_empty()
        {
            self.thinking = None;
            let part = number(&mut self.text, &mut self.parts);
            out.push_back(Ok(ChatEvent::Text { choice, part, text }));
        }
        for content in delta.take_array("content").unwrap_or_default() {
            self.content(choice, part_from_json(content), out);
        }
        if let Some(text) = delta.take_text("refusal") {
            let part = number(&mut self.refusal, &mut self.parts);
            out.push_back(Ok(ChatEvent::Refusal { choice, part, text }));
        }
        for annotation in delta.take_array("annotations").unwrap_or_default() {
            let part = number(&mut self.text, &mut self.parts);
            let citation = Citation(annotation);
            out.push_back(Ok(ChatEvent::Citation { choice, part, citation }));
        }
        for call in delta.take_array("tool_calls").unwrap_or_default() {
            match call {
                Value::Object(call) => self.call(choice, call, out),
                other => out.push_back(Ok(ChatEvent::Other(other))),
            }
        }
        delta.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
        if !delta.is_empty() {
            out.push_back(Ok(ChatEvent::Extra { choice: Some(choice), part: None, fields: delta }));
        }
    }

    /// A part of the content, or a piece of one: Mistral's content is a list where the model
    /// thinks or names its sources.
    fn content(&mut self, choice: u32, content: Part, out: &mut Events) {
        match content {
            Part::Text(piece) if piece.text.is_empty() && piece.extra.is_empty() => {}
            Part::Text(piece) => {
                self.thinking = None;
                let part = number(&mut self.text, &mut self.parts);
                out.push_back(Ok(ChatEvent::Text { choice, part, text: piece.text }));
                if !piece.extra.is_empty() {
                    let (choice, part, fields) = (Some(choice), Some(part), piece.extra);
                    out.push_back(Ok(ChatEvent::Extra { choice, part, fields }));
                }
            }
            Part::Reasoning(piece) if piece.extra.get(THINKING).is_none() => {
                self.text = None;
                let part = number(&mut self.thinking, &mut self.parts);
                let (text, field) = (piece.text, piece.field);
                out.push_back(Ok(ChatEvent::Reasoning { choice, part, text, field }));
                if !piece.extra.is_empty() {
                    let (choice, part, fields) = (Some(choice), Some(part), piece.extra);
                    out.push_back(Ok(ChatEvent::Extra { choice, part, fields }));
                }
            }
            content => {
                (self.text, self.thinking) = (None, None);
                let part = self.parts;
                self.parts += 1;
                out.push_back(Ok(ChatEvent::Part { choice, part, content }));
            }
        }
    }

    /// A piece of a tool call. Servers leave out the number, the id, or both, and some give
    /// every call the number 0.
    fn call(&mut self, choice: u32, mut call: Map<String, Value>, out: &mut Events) {
        let number = call.take_u64("index");
        let id = call.take_string("id").unwrap_or_default();
        let (name, arguments) = call
            .take_within("function", |inner| {
                (inner.take_string("name"), inner.take_string("arguments"))
            })
            .unwrap_or_default();
        let name = name.unwrap_or_default();
        if call.says("type", "function") {
            call.shift_remove("type");
        }
        let known = self.calls.iter_mut().rfind(|known| {
            let same_id = id.is_empty() || known.id.is_empty() || known.id == id;
            match number {
                Some(number) => known.number == number && same_id,
                None => !id.is_empty() && known.id == id || id.is_empty() && name.is_empty(),
            }
        });
        let (part, index) = match known {
            Some(CallState { custom: Some(custom), .. }) => return extend_custom(custom, call),
            Some(CallState { part, index, .. }) => {
                remove_blanks(&mut call);
                if !call.is_empty() {
                    let (choice, part) = (Some(choice), Some(*part));
                    out.push_back(Ok(ChatEvent::Extra { choice, part, fields: call }));
                }
                (*part, *index)
            }
            None if call.says("type", "custom") => {
                call.insert("id".to_owned(), id.as_str().into());
                self.track(number, id, Some(call));
                return;
            }
            None => {
                let (part, index) = self.track(number, id.clone(), None);
                let extra = call;
                out.push_back(Ok(ChatEvent::ToolCallStart {
                    choice,
                    part,
                    index,
                    id,
                    name,
                    extra,
                }));
                (part, index)
            }
        };
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
            out.push_back(Ok(ChatEvent::ToolCallArguments { choice, part, index, arguments }));
        }
    }

    /// Notes a new call and gives out the numbers of its part and of itself.
    fn track(
        &mut self,
        number: Option<u64>,
        id: String,
        custom: Option<Map<String, Value>>,
    ) -> (u32, u32) {
        let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let part = self.parts;
        self.parts += 1;
        let number = number.unwrap_or_else(|| index.into());
        self.calls.push(CallState { number, id, part, index, custom });
        (part, index)
    }

    /// The calls that are passed on whole.
    fn finish_calls(&mut self, choice: u32, out: &mut Events) {
        for call in &mut self.calls {
            if let Some(custom) = call.custom.take() {
                let content = Part::Other(Value::Object(custom));
                out.push_back(Ok(ChatEvent::Part { choice, part: call.part, content }));
            }
        }
    }
}

/// Adds a piece of a call to a tool that takes text: its input grows, other fields are set.
fn extend_custom(known: &mut Map<String, Value>, mut piece: Map<String, Value>) {
    remove_blanks(&mut piece);
    for (name, value) in piece {
        match (known.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(inner)) => extend_custom(known, inner),
            (Some(Value::String(known)), Value::String(text)) if name == "input" => {
                known.push_str(&text);
            }
            (_, value) => drop(known.insert(name, value)),
        }
    }
}

/// Removes what says nothing: `null`, empty texts, and objects of nothing else.
fn remove_blanks(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(inner) => {
            remove_blanks(inner);
            !inner.is_empty()
        }
        _ => true,
    });
}

/// The number of a part, given out when the part first comes up.
fn number(slot: &mut Option<u32>, parts: &mut u32) -> u32 {
    *slot.get_or_insert_with(|| {
        let number = *parts;
        *parts += 1;
        number
    })
}
