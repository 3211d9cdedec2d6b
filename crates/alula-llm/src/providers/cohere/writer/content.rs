//! The contents of a streamed message, and the calls and sources beside them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    ChatEvent,
    model::{Extra, ToolCall, fields::object},
    providers::{cohere::message::PLAN, openai::call_to_json, writer::sse},
};

/// Writes contents and calls, one after the other.
#[derive(Debug, Default)]
pub(super) struct Contents {
    contents: u32,
    citations: u32,
    /// The parts that are calls.
    calls: Vec<u32>,
    open: Option<(u32, Kind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
}

#[derive(Serialize)]
struct Event<T> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    delta: Delta<T>,
}

#[derive(Serialize)]
struct Delta<T> {
    message: T,
}

#[derive(Serialize)]
struct Content<T> {
    content: T,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Thinking<'a> {
    thinking: &'a str,
}

#[derive(Serialize)]
struct Plan<'a> {
    tool_plan: &'a str,
}

#[derive(Serialize)]
struct Calls<T> {
    tool_calls: T,
}

impl Contents {
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Writes a piece of the message. What only its own provider understands is written if the
    /// answer is in its `own` format.
    pub(super) fn event(&mut self, event: &ChatEvent, own: bool, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Text { part, text, .. } | ChatEvent::Refusal { part, text, .. }
                if !text.is_empty() =>
            {
                self.enter(*part, Kind::Text, out);
                self.content(&Text { text }, out);
            }
            ChatEvent::Reasoning { text, field, .. } if own && field.as_deref() == Some(PLAN) => {
                self.close(out);
                send("tool-plan-delta", None, Plan { tool_plan: text }, out);
            }
            ChatEvent::Reasoning { part, text, .. } => {
                // Fields of the content may follow, even if it is empty.
                self.enter(*part, Kind::Thinking, out);
                if !text.is_empty() {
                    self.content(&Thinking { thinking: text }, out);
                }
            }
            ChatEvent::ToolCallStart { part, id, name, extra, .. } => {
                let none = Extra::new();
                self.start_call(*part, id, name, if own { extra } else { &none }, out);
            }
            ChatEvent::ToolCallArguments { part, arguments, .. } => {
                self.arguments(*part, arguments, out);
            }
            ChatEvent::Citation { citation, .. } if own => self.citation(&citation.0, out),
            ChatEvent::Extra { part: Some(part), fields, .. } if own => {
                self.extra(*part, fields, out);
            }
            // Sources that came before any text.
            ChatEvent::Extra { part: None, fields, .. } if own => {
                let list = fields.get("citations").and_then(Value::as_array);
                list.into_iter().flatten().for_each(|citation| self.citation(citation, out));
            }
            ChatEvent::Logprobs { logprobs, .. } if own => self.logprobs(logprobs, out),
            _ => {}
        }
    }

    /// Writes the end of what is open.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        let Some((_, kind)) = self.open.take() else { return };
        let (name, index) = match kind {
            Kind::Call => ("tool-call-end", self.call_number()),
            _ => ("content-end", self.content_number()),
        };
        sse(name, &json!({"type": name, "index": index}), out);
    }

    /// Goes on with the content of this part, or opens one.
    fn enter(&mut self, part: u32, kind: Kind, out: &mut Vec<u8>) {
        if self.open == Some((part, kind)) {
            return;
        }
        self.close(out);
        self.open = Some((part, kind));
        self.contents = self.contents.saturating_add(1);
        let content = match kind {
            Kind::Thinking => json!({"type": "thinking", "thinking": ""}),
            _ => json!({"type": "text", "text": ""}),
        };
        send("content-start", Some(self.content_number()), Content { content }, out);
    }

    fn content_number(&self) -> u32 {
        self.contents.saturating_sub(1)
    }

    fn call_number(&self) -> u32 {
        self.calls.len().saturating_sub(1).try_into().unwrap_or(u32::MAX)
    }

    fn content(&self, content: &impl Serialize, out: &mut Vec<u8>) {
        send("content-delta", Some(self.content_number()), Content { content }, out);
    }

    fn start_call(&mut self, part: u32, id: &str, name: &str, extra: &Extra, out: &mut Vec<u8>) {
        self.close(out);
        self.calls.push(part);
        self.open = Some((part, Kind::Call));
        let (id, name, extra) = (id.to_owned(), name.to_owned(), extra.clone());
        let call = ToolCall { id, name, arguments: String::new(), extra };
        let tool_calls = call_to_json(&call, true);
        send("tool-call-start", Some(self.call_number()), Calls { tool_calls }, out);
    }

    fn arguments(&mut self, part: u32, arguments: &str, out: &mut Vec<u8>) {
        if self.open != Some((part, Kind::Call)) {
            if self.calls.contains(&part) {
                // The call has ended: this came after JSON that was whole.
                return;
            }
            self.start_call(part, "", "", &Extra::new(), out);
        }
        let tool_calls = json!({"function": {"arguments": arguments}});
        send("tool-call-delta", Some(self.call_number()), Calls { tool_calls }, out);
    }

    fn citation(&mut self, citation: &Value, out: &mut Vec<u8>) {
        let index = self.citations;
        self.citations = index.saturating_add(1);
        let message = object([("citations", citation.clone())]);
        send("citation-start", Some(index), message, out);
        sse("citation-end", &json!({"type": "citation-end", "index": index}), out);
    }

    /// Writes unknown fields of a content or a call.
    fn extra(&mut self, part: u32, fields: &Map<String, Value>, out: &mut Vec<u8>) {
        match self.open {
            Some((open, Kind::Call)) if open == part => {
                let tool_calls = fields.clone();
                send("tool-call-delta", Some(self.call_number()), Calls { tool_calls }, out);
            }
            Some((open, _)) if open == part => self.content(fields, out),
            _ if self.calls.contains(&part) => {}
            _ => {
                self.enter(part, Kind::Text, out);
                self.content(fields, out);
            }
        }
    }

    /// Writes probabilities, each of which came beside a piece of text.
    fn logprobs(&self, logprobs: &Value, out: &mut Vec<u8>) {
        for entry in logprobs.as_array().into_iter().flatten() {
            let mut event = object([
                ("type", "content-delta".into()),
                ("index", self.content_number().into()),
                ("delta", json!({"message": {"content": {"text": ""}}})),
            ]);
            event.insert("logprobs".to_owned(), entry.clone());
            sse("content-delta", &event, out);
        }
    }
}

/// Writes an event with a delta of the message.
fn send(name: &'static str, index: Option<u32>, message: impl Serialize, out: &mut Vec<u8>) {
    sse(name, &Event { r#type: name, index, delta: Delta { message } }, out);
}
