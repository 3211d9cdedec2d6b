//! Writing a streamed answer.

mod block;

use serde_json::{Value, json};

use self::block::Blocks;
use super::{
    failure::error_to_json,
    response::{stop_to_text, usage_to_json},
};
use crate::{
    ChatEvent, Error, StopReason, StreamOptions, Usage,
    model::{
        Extra, Protocol,
        fields::{Fields, object},
        merge_fields,
    },
    providers::writer::{self, Order, choice_of, sse},
};

const PROTOCOL: Protocol = Protocol::AnthropicMessages;

/// The one answer that the format knows.
const CHOICE: u32 = 0;

/// Writes a message of blocks, one after the other.
#[derive(Debug)]
pub(in crate::providers) struct Writer {
    order: Order,
    message: Message,
    blocks: Blocks,
}

/// What is said of the message around its blocks.
#[derive(Debug)]
struct Message {
    origin: Option<Protocol>,
    id: String,
    model: String,
    /// Whether the provider has begun; the beginning is written with what it says next, as that
    /// may be the usage, which stands in it.
    begun: bool,
    written: bool,
    /// Fields of the whole answer that have not been told yet.
    extra: Extra,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

#[derive(Debug)]
struct Stop {
    reason: StopReason,
    sequence: Option<String>,
    extra: Extra,
}

impl Writer {
    pub(in crate::providers) fn new(options: &StreamOptions) -> Self {
        let message = Message {
            origin: None,
            id: options.id_or_new("msg_"),
            model: options.model.clone().unwrap_or_default(),
            begun: false,
            written: false,
            extra: Extra::new(),
            usage: options.input_tokens.map(|input| Usage { input, ..Usage::default() }),
            stop: None,
        };
        Self { order: Order::default(), message, blocks: Blocks::default() }
    }
}

impl Message {
    fn own(&self) -> bool {
        PROTOCOL.accepts(self.origin)
    }

    fn usage(&self) -> Value {
        let none = Usage::default();
        usage_to_json(self.usage.as_ref().unwrap_or(&none), self.own())
    }

    /// Writes the beginning, unless that has been done.
    fn start(&mut self, out: &mut Vec<u8>) {
        if self.written {
            return;
        }
        self.written = true;
        let mut message = object([
            ("id", self.id.as_str().into()),
            ("type", "message".into()),
            ("role", "assistant".into()),
            ("model", self.model.as_str().into()),
            ("content", Value::Array(Vec::new())),
            ("stop_reason", Value::Null),
            ("stop_sequence", Value::Null),
            ("usage", self.usage()),
        ]);
        message.fill(&std::mem::take(&mut self.extra));
        sse("message_start", &json!({"type": "message_start", "message": message}), out);
    }

    /// Notes an event that says something about the whole message; whether it is one.
    fn note(&mut self, event: &ChatEvent) -> bool {
        match event {
            ChatEvent::Start { id, model, origin, extra } => {
                self.origin = *origin;
                self.begun = true;
                // What the answer does not say, the options have.
                if !id.is_empty() {
                    id.clone_into(&mut self.id);
                }
                if !model.is_empty() {
                    model.clone_into(&mut self.model);
                }
                self.tell(extra);
            }
            ChatEvent::Extra { choice: None, fields, .. } => self.tell(fields),
            ChatEvent::Stop { choice: CHOICE, reason, sequence, extra } => {
                let extra = if self.own() { extra.clone() } else { Extra::new() };
                let sequence = sequence.clone();
                self.stop = Some(Stop { reason: reason.clone(), sequence, extra });
            }
            ChatEvent::ChoiceExtra { choice: CHOICE, fields } => self.tell(fields),
            _ => return false,
        }
        true
    }

    fn tell(&mut self, fields: &Extra) {
        if self.own() {
            merge_fields(&mut self.extra, fields.clone());
        }
    }

    /// Writes the end. What is known of the whole answer by now stands beside the reason.
    fn finish(&mut self, has_calls: bool, out: &mut Vec<u8>) {
        self.start(out);
        let usual = if has_calls { StopReason::ToolCalls } else { StopReason::End };
        let stop = self.stop.take();
        let stop =
            stop.unwrap_or_else(|| Stop { reason: usual, sequence: None, extra: Extra::new() });
        let mut delta = object([("stop_reason", stop_to_text(&stop.reason).into())]);
        delta.put("stop_sequence", stop.sequence);
        delta.fill(&stop.extra);
        if self.origin != Some(PROTOCOL) {
            delta.entry("stop_sequence").or_insert(Value::Null);
        }
        let mut event = object([
            ("type", "message_delta".into()),
            ("delta", delta.into()),
            ("usage", self.usage()),
        ]);
        event.fill(&self.extra);
        sse("message_delta", &event, out);
        sse("message_stop", &json!({"type": "message_stop"}), out);
    }
}

impl writer::Writer for Writer {
    fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let Self { message, blocks, order } = self;
        if message.note(event) {
            return;
        }
        if let ChatEvent::Usage(usage) = event {
            message.usage = Some(usage.clone());
        }
        let is_content = choice_of(event) == Some(CHOICE);
        if is_content || message.begun {
            message.start(out);
        }
        match event {
            ChatEvent::Ping => sse("ping", &json!({"type": "ping"}), out),
            ChatEvent::Other(value) if message.own() => other(value, out),
            event if is_content => {
                let own = message.own();
                order.push(event, &mut |event| blocks.event(event, own, out));
            }
            _ => {}
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        sse("error", &error_to_json(error).1, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let own = self.message.own();
        self.order.end(&mut |event| self.blocks.event(event, own, out));
        self.blocks.close(out);
        self.message.finish(self.blocks.has_calls(), out);
    }
}

/// Writes an event as the provider wrote it.
fn other(value: &Value, out: &mut Vec<u8>) {
    let kind = value.get("type").and_then(Value::as_str);
    // It becomes a line of its own, which it must not break.
    if let Some(kind) = kind.filter(|kind| kind.bytes().all(|byte| byte.is_ascii_graphic())) {
        sse(kind, value, out);
    }
}
