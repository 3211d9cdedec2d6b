//! One of the answers of a stream.

use serde_json::{Map, Value};

use super::{frame::Frame, usual_stop};
use crate::{
    ChatEvent, Message, Part, Role, StopReason,
    model::{
        Citation, Extra, Protocol, ToolCall,
        fields::{Fields, object},
    },
    providers::{
        gemini::{
            message::content_to_json,
            part::{Origin, part_to_json},
            response::{finish_reason, sources_to_json},
        },
        writer::{Order, json},
    },
};

/// What is known of an answer.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) index: u32,
    order: Order,
    content: Content,
    stop: Option<(StopReason, Extra)>,
    /// Unknown fields beside the content.
    extra: Extra,
}

/// The parts of an answer.
#[derive(Debug)]
struct Content {
    index: u32,
    /// A piece of a part that may get a seal or other fields, which come with the same chunk.
    held: Option<(u32, Map<String, Value>)>,
    /// A call whose arguments are still coming; the format has it whole.
    call: Option<(u32, ToolCall)>,
    written: bool,
    has_calls: bool,
    /// What is wrong with a call that the format cannot say.
    malformed: Option<String>,
    citations: Vec<Citation>,
}

impl Candidate {
    pub(super) fn new(index: u32) -> Self {
        let content = Content {
            index,
            held: None,
            call: None,
            written: false,
            has_calls: false,
            malformed: None,
            citations: Vec::new(),
        };
        Self { index, order: Order::default(), content, stop: None, extra: Extra::new() }
    }

    pub(super) fn event(&mut self, event: &ChatEvent, frame: &mut Frame, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Stop { reason, extra, .. } => {
                self.stop = Some((reason.clone(), extra.clone()));
            }
            ChatEvent::ChoiceExtra { fields, .. } => self.extra.extend(fields.clone()),
            event => {
                let content = &mut self.content;
                self.order.push(event, &mut |event| content.event(event, frame, out));
            }
        }
    }

    /// Writes what is held back for no more than its fields.
    pub(super) fn flush(&mut self, frame: &mut Frame, out: &mut Vec<u8>) {
        self.content.flush(frame, out);
    }

    /// Writes what is held back.
    pub(super) fn end(&mut self, frame: &mut Frame, out: &mut Vec<u8>) {
        let content = &mut self.content;
        self.order.end(&mut |event| content.event(event, frame, out));
        content.end_call(frame, out);
        content.flush(frame, out);
    }

    /// Whether nothing is there but that a filter stopped it.
    pub(super) fn is_blocked(&self) -> bool {
        let filtered = |(reason, extra): &(StopReason, Extra)| {
            *reason == StopReason::ContentFilter && extra.is_empty()
        };
        !self.content.written && self.extra.is_empty() && self.stop.as_ref().is_some_and(filtered)
    }

    /// What the last chunk says: why the answer ended.
    pub(super) fn last(&self, origin: Origin) -> Map<String, Value> {
        let Content { has_calls, malformed, citations, .. } = &self.content;
        let none = Extra::new();
        let (usual, known) = (usual_stop(*has_calls), self.stop.as_ref());
        let (stop, extra) = known.map_or((&usual, &none), |(stop, extra)| (stop, extra));
        let own = origin.is_own();
        let reason = match malformed {
            Some(_) => "MALFORMED_FUNCTION_CALL",
            None => finish_reason(stop, own.then_some(extra), *has_calls),
        };
        let mut fields = object([("finishReason", reason.into())]);
        fields.put("finishMessage", malformed.as_deref());
        if origin != Origin::Here || self.index > 0 {
            fields.put("index", Some(self.index));
        }
        if origin != Origin::Here {
            fields.put("citationMetadata", sources_to_json(citations.iter()));
        }
        if own {
            fields.fill(extra);
            fields.fill(&self.extra);
        }
        fields
    }
}

impl Content {
    fn event(&mut self, event: &ChatEvent, frame: &mut Frame, out: &mut Vec<u8>) {
        let own = frame.origin().is_own();
        self.settle(event, frame, out);
        match event {
            ChatEvent::Text { part, text, .. } | ChatEvent::Refusal { part, text, .. } => {
                self.text(*part, text, false, frame, out);
            }
            ChatEvent::Reasoning { part, text, .. } => self.text(*part, text, true, frame, out),
            ChatEvent::Signature { part, signature, .. } if own => {
                let seal = object([("thoughtSignature", signature.as_str().into())]);
                if !self.add(*part, &seal) {
                    let mut piece = object([("text", "".into()), ("thought", true.into())]);
                    piece.fill(&seal);
                    self.piece(&piece, frame, out);
                }
            }
            ChatEvent::Extra { part: Some(part), fields, .. } if own => {
                self.add(*part, fields);
            }
            ChatEvent::Extra { part: None, fields, .. } if own => {
                let fields = [("content".to_owned(), fields.clone().into())];
                self.beside(fields.into_iter().collect(), frame, out);
            }
            ChatEvent::ToolCallStart { part, id, name, extra, .. } => {
                self.has_calls = true;
                let (id, name, extra) = (id.clone(), name.clone(), extra.clone());
                self.call = Some((*part, ToolCall { id, name, extra, ..ToolCall::default() }));
            }
            ChatEvent::ToolCallArguments { part, arguments, .. } => {
                self.has_calls = true;
                let (_, call) = self.call.get_or_insert_with(|| (*part, ToolCall::default()));
                call.arguments.push_str(arguments);
            }
            ChatEvent::Citation { citation, .. } if frame.origin() != Origin::Here => {
                self.citations.push(citation.clone());
            }
            ChatEvent::Part { content, .. } => {
                for piece in whole(content, frame.protocol) {
                    self.parts(frame, out, |out| json(&piece, out));
                }
            }
            ChatEvent::Logprobs { logprobs, .. } if own => {
                let fields = object([("logprobsResult", logprobs.clone())]);
                self.beside(fields, frame, out);
            }
            _ => {}
        }
    }

    /// Writes what the event has nothing to add to.
    fn settle(&mut self, event: &ChatEvent, frame: &mut Frame, out: &mut Vec<u8>) {
        if !matches!(event, ChatEvent::Signature { .. } | ChatEvent::Extra { .. }) {
            self.flush(frame, out);
        }
        match (event, &self.call) {
            (ChatEvent::ToolCallArguments { part, .. }, Some((open, _))) if open == part => {}
            _ => self.end_call(frame, out),
        }
    }

    fn text(&mut self, part: u32, text: &str, thought: bool, frame: &mut Frame, out: &mut Vec<u8>) {
        if frame.origin() == Origin::Here {
            let mut piece = object([("text", text.into())]);
            piece.put("thought", thought.then_some(true));
            self.held = Some((part, piece));
        } else if !text.is_empty() {
            self.parts(frame, out, |out| {
                out.extend_from_slice(b"{\"text\":");
                json(text, out);
                out.extend_from_slice(if thought { b",\"thought\":true}" } else { b"}" });
            });
        }
    }

    /// Adds fields to the piece that is held, if it is of this part.
    fn add(&mut self, part: u32, fields: &Extra) -> bool {
        match &mut self.held {
            Some((held, piece)) if *held == part => {
                piece.fill(fields);
                true
            }
            _ => false,
        }
    }

    fn flush(&mut self, frame: &mut Frame, out: &mut Vec<u8>) {
        if let Some((_, piece)) = self.held.take() {
            self.piece(&piece, frame, out);
        }
    }

    fn end_call(&mut self, frame: &mut Frame, out: &mut Vec<u8>) {
        let Some((_, call)) = self.call.take() else { return };
        match part_to_json(&Part::ToolCall(call), frame.origin()) {
            Ok(Some(Value::Object(piece))) => self.piece(&piece, frame, out),
            Ok(_) => {}
            Err(error) => self.malformed = Some(error.message().to_owned()),
        }
    }

    fn piece(&mut self, piece: &Map<String, Value>, frame: &mut Frame, out: &mut Vec<u8>) {
        self.parts(frame, out, |out| json(piece, out));
    }

    /// Writes a chunk with parts, which `write` writes.
    fn parts(&mut self, frame: &mut Frame, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.written = true;
        let index = self.named(frame);
        frame.chunk(out, |out| {
            out.extend_from_slice(b"{\"content\":{\"parts\":[");
            write(out);
            out.extend_from_slice(b"],\"role\":\"model\"}");
            if let Some(index) = index {
                out.extend_from_slice(b",\"index\":");
                json(&index, out);
            }
            out.push(b'}');
        });
    }

    /// Writes a chunk with these fields of the candidate.
    fn beside(&mut self, mut fields: Map<String, Value>, frame: &mut Frame, out: &mut Vec<u8>) {
        self.written = true;
        fields.put("index", self.named(frame));
        frame.chunk(out, |out| json(&fields, out));
    }

    /// The number, where it must be said: one that came is among the unknown fields.
    fn named(&self, frame: &Frame) -> Option<u32> {
        (frame.origin() != Origin::Here || self.index > 0).then_some(self.index)
    }
}

/// The JSON of a part that came whole.
fn whole(content: &Part, origin: Option<Protocol>) -> Vec<Value> {
    let mut message = Message::new(Role::Assistant, vec![content.clone()]);
    message.origin = origin;
    let written = content_to_json(&message).unwrap_or_default().take_array("parts");
    written.unwrap_or_default()
}
