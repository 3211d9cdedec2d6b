//! Events of a streamed answer.

use std::{collections::BTreeMap, mem};

use serde_json::{Map, Value};

use super::{
    body_error,
    message::{call_from_json, text_from_json},
    response::{stop_from_text, usage_from_json},
};
use crate::{
    ChatEvent, Error, ErrorKind, Part,
    model::{Citation, Protocol, RedactedReasoning, ToolCall, fields::Fields},
    providers::wire::{Events, State, Wire},
    sse,
};

/// The one answer that the format knows.
const CHOICE: u32 = 0;

/// The state of a stream of content blocks.
#[derive(Debug, Default)]
pub(in crate::providers) struct Blocks {
    /// What has been counted so far; each report overlays the ones before.
    usage: Map<String, Value>,
    /// Blocks that are open.
    open: BTreeMap<u32, Block>,
    calls: u32,
}

#[derive(Debug)]
enum Block {
    /// Its deltas say what they are.
    Plain,
    /// A call to one of the caller's tools; `input` is what it began with.
    Call { index: u32, input: String, started: bool },
    /// A block that the model does not name, passed on whole when it ends.
    Opaque { value: Map<String, Value>, input: String },
}

impl Blocks {
    fn message_start(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        let Some(mut message) = fields.take_object("message") else { return };
        let usage = message.take_object("usage");
        let id = message.take_string("id").unwrap_or_default();
        let model = message.take_string("model").unwrap_or_default();
        for name in ["role", "content"] {
            message.shift_remove(name);
        }
        message.retain(|_, value| !value.is_null());
        let origin = Some(Protocol::AnthropicMessages);
        out.push_back(Ok(ChatEvent::Start { id, model, origin, extra: message }));
        self.count(usage, out);
    }

    fn block_start(&mut self, part: u32, mut fields: Map<String, Value>, out: &mut Events) {
        let mut value = fields.take_object("content_block").unwrap_or_default();
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let block = match kind.as_str() {
            "text" => {
                value.shift_remove("type");
                start_text(part, value, out);
                Block::Plain
            }
            "thinking" => {
                value.shift_remove("type");
                start_thinking(part, value, out);
                Block::Plain
            }
            "redacted_thinking" => {
                value.shift_remove("type");
                let data = value.take_string("data").unwrap_or_default();
                let redacted = RedactedReasoning { data, extra: value };
                let content = Part::RedactedReasoning(redacted);
                out.push_back(Ok(ChatEvent::Part { choice: CHOICE, part, content }));
                Block::Plain
            }
            "tool_use" => {
                value.shift_remove("type");
                self.start_call(part, call_from_json(value), out)
            }
            _ => Block::Opaque { value, input: String::new() },
        };
        self.open.insert(part, block);
    }

    fn start_call(&mut self, part: u32, call: ToolCall, out: &mut Events) -> Block {
        let index = self.calls;
        self.calls += 1;
        let ToolCall { id, name, arguments, extra } = call;
        out.push_back(Ok(ChatEvent::ToolCallStart {
            choice: CHOICE,
            part,
            index,
            id,
            name,
            extra,
        }));
        Block::Call { index, input: arguments, started: false }
    }

    fn block_delta(&mut self, part: u32, mut fields: Map<String, Value>, out: &mut Events) {
        let mut delta = fields.take_object("delta").unwrap_or_default();
        let kind = delta.take_string("type").unwrap_or_default();
        let mut text = |name: &str| delta.take_string(name).unwrap_or_default();
        let choice = CHOICE;
        let event = match kind.as_str() {
            "text_delta" => ChatEvent::Text { choice, part, text: text("text") },
            "thinking_delta" => {
                ChatEvent::Reasoning { choice, part, text: text("thinking"), field: None }
            }
            "signature_delta" => {
                ChatEvent::Signature { choice, part, signature: text("signature") }
            }
            "citations_delta" => {
                let citation = Citation(delta.shift_remove("citation").unwrap_or_default());
                ChatEvent::Citation { choice, part, citation }
            }
            "input_json_delta" => return self.input_delta(part, text("partial_json"), out),
            _ => {
                delta.insert("type".to_owned(), kind.into());
                fields.insert("delta".to_owned(), Value::Object(delta));
                ChatEvent::Other(Value::Object(fields))
            }
        };
        out.push_back(Ok(event));
    }

    fn input_delta(&mut self, part: u32, json: String, out: &mut Events) {
        match self.open.get_mut(&part) {
            _ if json.is_empty() => {}
            Some(Block::Call { index, started, .. }) => {
                *started = true;
                let (choice, index) = (CHOICE, *index);
                let event = ChatEvent::ToolCallArguments { choice, part, index, arguments: json };
                out.push_back(Ok(event));
            }
            Some(Block::Opaque { input, .. }) => input.push_str(&json),
            Some(Block::Plain) | None => {}
        }
    }

    fn block_stop(&mut self, part: u32, out: &mut Events) {
        let choice = CHOICE;
        match self.open.remove(&part) {
            Some(Block::Call { index, input: arguments, started: false }) => {
                out.push_back(Ok(ChatEvent::ToolCallArguments { choice, part, index, arguments }));
            }
            Some(Block::Opaque { mut value, input }) => {
                if !input.is_empty() {
                    // What is not JSON is kept as the text that it is.
                    let input = serde_json::from_str(&input).unwrap_or(Value::String(input));
                    value.insert("input".to_owned(), input);
                }
                let content = Part::Other(Value::Object(value));
                out.push_back(Ok(ChatEvent::Part { choice, part, content }));
            }
            _ => {}
        }
    }

    fn message_delta(&mut self, mut fields: Map<String, Value>, out: &mut Events) {
        self.count(fields.take_object("usage"), out);
        let mut delta = fields.take_object("delta").unwrap_or_default();
        let stop = delta.take_string("stop_reason").map(|reason| ChatEvent::Stop {
            choice: CHOICE,
            reason: stop_from_text(reason),
            sequence: delta.take_string("stop_sequence"),
            extra: mem::take(&mut delta),
        });
        // What stands beside the delta, and in one that is no end, belongs to the whole answer.
        fields.shift_remove("type");
        fields.extend(delta);
        fields.retain(|_, value| !value.is_null());
        if !fields.is_empty() {
            out.push_back(Ok(ChatEvent::Extra { choice: None, part: None, fields }));
        }
        out.extend(stop.map(Ok));
    }

    fn count(&mut self, usage: Option<Map<String, Value>>, out: &mut Events) {
        let Some(usage) = usage else { return };
        self.usage.extend(usage.into_iter().filter(|(_, value)| !value.is_null()));
        out.push_back(Ok(ChatEvent::Usage(usage_from_json(self.usage.clone()))));
    }
}

impl Wire for Blocks {
    fn is_delta(event: &sse::Event) -> bool {
        event.event == "content_block_delta"
    }

    fn event(&mut self, event: sse::Event, out: &mut Events) -> State {
        let mut fields = match serde_json::from_str(&event.data) {
            Ok(Value::Object(fields)) => fields,
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
        let part = fields.get("index").and_then(Value::as_u64);
        let part = part.and_then(|index| index.try_into().ok()).unwrap_or_default();
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or(&event.event).to_owned();
        match kind.as_str() {
            "message_start" => self.message_start(fields, out),
            "content_block_start" => self.block_start(part, fields, out),
            "content_block_delta" => self.block_delta(part, fields, out),
            "content_block_stop" => self.block_stop(part, out),
            "message_delta" => self.message_delta(fields, out),
            "message_stop" => return State::Done,
            "error" => {
                fields.insert("type".to_owned(), "error".into());
                out.push_back(Err(body_error(&Value::Object(fields))));
                return State::Failed;
            }
            "ping" => {}
            _ => out.push_back(Ok(ChatEvent::Other(Value::Object(fields)))),
        }
        if out.len() == before {
            out.push_back(Ok(ChatEvent::Ping));
        }
        State::Open
    }
}

/// A text block may begin with text, sources or unknown fields.
fn start_text(part: u32, value: Map<String, Value>, out: &mut Events) {
    let choice = CHOICE;
    let text = text_from_json(value);
    let mut fields = text.extra;
    // An empty list announces sources; they come as deltas.
    fields.retain(|name, value| !value.is_null() && name != "citations");
    if !fields.is_empty() {
        let (choice, part) = (Some(choice), Some(part));
        out.push_back(Ok(ChatEvent::Extra { choice, part, fields }));
    }
    if !text.text.is_empty() {
        out.push_back(Ok(ChatEvent::Text { choice, part, text: text.text }));
    }
    for citation in text.citations {
        out.push_back(Ok(ChatEvent::Citation { choice, part, citation }));
    }
}

fn start_thinking(part: u32, mut value: Map<String, Value>, out: &mut Events) {
    let choice = CHOICE;
    let text = value.take_string("thinking").unwrap_or_default();
    let signature = value.take_string("signature").unwrap_or_default();
    value.retain(|_, value| !value.is_null());
    // Fields need a part to belong to, even while it is empty.
    if !text.is_empty() || !value.is_empty() {
        out.push_back(Ok(ChatEvent::Reasoning { choice, part, text, field: None }));
    }
    if !signature.is_empty() {
        out.push_back(Ok(ChatEvent::Signature { choice, part, signature }));
    }
    if !value.is_empty() {
        let (choice, part) = (Some(choice), Some(part));
        out.push_back(Ok(ChatEvent::Extra { choice, part, fields: value }));
    }
}
