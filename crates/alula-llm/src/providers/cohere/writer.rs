//! Writing a streamed answer.

mod content;

use std::mem;

use serde_json::{Value, json};

use self::content::Contents;
use super::response::{stop_to_text, usage_to_json};
use crate::{
    ChatEvent, Error, StopReason, StreamOptions, Usage,
    model::{
        Extra, Protocol,
        fields::{Fields, object},
        merge_fields,
    },
    providers::writer::{self, Order, choice_of, comment, sse},
};

const PROTOCOL: Protocol = Protocol::CohereChat;

/// The one answer that the format knows.
const CHOICE: u32 = 0;

/// Writes a message and its contents, calls and sources, which are numbered each for themselves.
#[derive(Debug)]
pub(in crate::providers) struct Writer {
    order: Order,
    message: Message,
    contents: Contents,
}

/// What is said of the message around its contents.
#[derive(Debug)]
struct Message {
    origin: Option<Protocol>,
    id: String,
    /// Only servers in front of the API name it.
    model: String,
    /// Whether the provider has begun; the beginning is written with what it says next, as that
    /// may belong to it.
    begun: bool,
    written: bool,
    /// Fields of the whole answer, and of its message, that have not been told yet.
    extra: Extra,
    message_extra: Extra,
    usage: Option<Usage>,
    stop: Option<StopReason>,
}

impl Writer {
    pub(in crate::providers) fn new(options: &StreamOptions) -> Self {
        let message = Message {
            origin: None,
            id: options.id_or_new(""),
            model: String::new(),
            begun: false,
            written: false,
            extra: Extra::new(),
            message_extra: Extra::new(),
            usage: None,
            stop: None,
        };
        Self { order: Order::default(), message, contents: Contents::default() }
    }
}

impl Message {
    fn own(&self) -> bool {
        PROTOCOL.accepts(self.origin)
    }

    /// Notes an event that says something about the whole message; whether it is one.
    fn note(&mut self, event: &ChatEvent) -> bool {
        match event {
            ChatEvent::Start { id, model, origin, extra } => {
                self.origin = *origin;
                self.begun = true;
                if !id.is_empty() {
                    id.clone_into(&mut self.id);
                }
                if *origin == Some(PROTOCOL) {
                    model.clone_into(&mut self.model);
                }
                self.tell(extra);
            }
            ChatEvent::Extra { choice: None, fields, .. } => self.tell(fields),
            ChatEvent::Extra { choice: Some(CHOICE), part: None, fields } if !self.written => {
                if self.own() {
                    merge_fields(&mut self.message_extra, fields.clone());
                }
            }
            ChatEvent::ChoiceExtra { choice: CHOICE, fields } => self.tell(fields),
            ChatEvent::Usage(usage) => self.usage = Some(usage.clone()),
            ChatEvent::Stop { choice: CHOICE, reason, extra, .. } => {
                self.stop = Some(reason.clone());
                self.tell(extra);
            }
            _ => return false,
        }
        true
    }

    fn tell(&mut self, fields: &Extra) {
        if self.own() {
            merge_fields(&mut self.extra, fields.clone());
        }
    }

    /// Writes the beginning, unless that has been done.
    fn start(&mut self, out: &mut Vec<u8>) {
        if mem::replace(&mut self.written, true) {
            return;
        }
        let mut message = object([
            ("role", "assistant".into()),
            ("content", Value::Array(Vec::new())),
            ("tool_plan", "".into()),
            ("tool_calls", Value::Array(Vec::new())),
            ("citations", Value::Array(Vec::new())),
        ]);
        message.extend(mem::take(&mut self.message_extra));
        let mut event = object([("type", "message-start".into()), ("id", self.id.as_str().into())]);
        event.put("model", (!self.model.is_empty()).then_some(self.model.as_str()));
        event.insert("delta".to_owned(), json!({"message": message}));
        event.fill(&mem::take(&mut self.extra));
        sse("message-start", &event, out);
    }

    /// Writes the end. What is known of the whole answer by now stands beside the reason.
    fn finish(&mut self, has_calls: bool, out: &mut Vec<u8>) {
        self.start(out);
        let usual = if has_calls { StopReason::ToolCalls } else { StopReason::End };
        let stop = self.stop.take().unwrap_or(usual);
        let mut delta = object([("finish_reason", stop_to_text(&stop).into())]);
        delta.put("usage", self.usage.as_ref().map(|usage| usage_to_json(usage, self.own())));
        self.end(delta, out);
    }

    fn end(&mut self, delta: Extra, out: &mut Vec<u8>) {
        let mut event = object([
            ("type", "message-end".into()),
            ("id", self.id.as_str().into()),
            ("delta", delta.into()),
        ]);
        event.fill(&mem::take(&mut self.extra));
        sse("message-end", &event, out);
    }
}

impl writer::Writer for Writer {
    fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let Self { message, contents, order } = self;
        if message.note(event) {
            return;
        }
        let is_content = choice_of(event) == Some(CHOICE);
        if is_content || message.begun {
            message.start(out);
        }
        match event {
            ChatEvent::Ping => comment(out),
            event if is_content => {
                let own = message.own();
                order.push(event, &mut |event| contents.event(event, own, out));
            }
            _ => {}
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        let message = error.public_message();
        let delta = object([("finish_reason", "ERROR".into()), ("error", message.into())]);
        self.message.start(out);
        self.message.end(delta, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let own = self.message.own();
        self.order.end(&mut |event| self.contents.event(event, own, out));
        self.contents.close(out);
        self.message.finish(self.contents.has_calls(), out);
    }
}
