//! The blocks of a streamed message.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    ChatEvent, Part,
    model::{
        Extra,
        fields::{Fields, object},
    },
    providers::{
        anthropic::message::{UNSEALED, part_to_json},
        writer::sse,
    },
};

/// Writes blocks one after the other, as the format has them.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// How many have begun.
    count: u32,
    open: Option<Block>,
    /// The parts that are calls.
    calls: Vec<u32>,
}

#[derive(Debug)]
struct Block {
    part: u32,
    kind: Kind,
    /// What it begins with, until it is written: fields may still be added, and one without a
    /// word is none.
    begins: Option<Map<String, Value>>,
    has_fields: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
}

#[derive(Serialize)]
struct Delta<'a> {
    r#type: &'static str,
    index: u32,
    delta: Piece<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: &'a Value },
}

impl Blocks {
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Writes a piece of the content. What only its own provider understands is written if the
    /// answer is in its `own` format.
    pub(super) fn event(&mut self, event: &ChatEvent, own: bool, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Text { part, text, .. } | ChatEvent::Refusal { part, text, .. } => {
                self.enter(*part, Kind::Text, out);
                self.text(text, Piece::Text { text }, out);
            }
            ChatEvent::Reasoning { part, text, .. } => {
                self.enter(*part, Kind::Thinking, out);
                self.text(text, Piece::Thinking { thinking: text }, out);
            }
            ChatEvent::Signature { part, signature, .. } if own => {
                self.enter(*part, Kind::Thinking, out);
                self.text(signature, Piece::Signature { signature }, out);
            }
            ChatEvent::Citation { part, citation, .. } if own => {
                self.enter(*part, Kind::Text, out);
                self.delta(Piece::Citation { citation: &citation.0 }, out);
            }
            ChatEvent::ToolCallStart { part, id, name, extra, .. } => {
                let none = Extra::new();
                self.start_call(*part, [id, name], if own { extra } else { &none }, out);
            }
            ChatEvent::ToolCallArguments { part, arguments, .. } => {
                self.arguments(*part, arguments, out);
            }
            ChatEvent::Extra { part: Some(part), fields, .. } if own => {
                self.extra(*part, fields, out);
            }
            ChatEvent::Part { content, .. } => self.whole(content, own, out),
            _ => {}
        }
    }

    /// Writes the end of the block that is open.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        let is_empty = |block: &mut Block| block.begins.is_some() && !block.has_fields;
        if self.open.take_if(is_empty).is_none() {
            self.begin(out);
            if self.open.take().is_some() {
                self.stop(out);
            }
        }
    }

    /// Goes on with the block of this part, or opens one.
    fn enter(&mut self, part: u32, kind: Kind, out: &mut Vec<u8>) {
        if self.open.as_ref().is_some_and(|block| block.part == part && block.kind == kind) {
            return;
        }
        self.close(out);
        let begins = match kind {
            Kind::Text => object([("type", "text".into()), ("text", "".into())]),
            Kind::Thinking => object([
                ("type", "thinking".into()),
                ("thinking", "".into()),
                ("signature", UNSEALED.into()),
            ]),
            Kind::Call => object([
                ("type", "tool_use".into()),
                ("id", "".into()),
                ("name", "".into()),
                ("input", Map::new().into()),
            ]),
        };
        self.open = Some(Block { part, kind, begins: Some(begins), has_fields: false });
    }

    /// Writes the beginning of the open block, unless that has been done.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(begins) = self.open.as_mut().and_then(|block| block.begins.take()) {
            self.start(&begins, out);
        }
    }

    fn start(&mut self, block: &Map<String, Value>, out: &mut Vec<u8>) {
        let event =
            json!({"type": "content_block_start", "index": self.count, "content_block": block});
        self.count = self.count.saturating_add(1);
        sse("content_block_start", &event, out);
    }

    /// The number of the block that has begun last.
    fn index(&self) -> u32 {
        self.count.saturating_sub(1)
    }

    fn stop(&self, out: &mut Vec<u8>) {
        let event = json!({"type": "content_block_stop", "index": self.index()});
        sse("content_block_stop", &event, out);
    }

    fn text(&mut self, text: &str, piece: Piece<'_>, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.delta(piece, out);
        }
    }

    fn delta(&mut self, delta: Piece<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        let event = Delta { r#type: "content_block_delta", index: self.index(), delta };
        sse("content_block_delta", &event, out);
    }

    fn start_call(&mut self, part: u32, [id, name]: [&str; 2], extra: &Extra, out: &mut Vec<u8>) {
        self.calls.push(part);
        self.enter(part, Kind::Call, out);
        if let Some(begins) = self.open.as_mut().and_then(|block| block.begins.as_mut()) {
            begins.put("id", Some(id));
            begins.put("name", Some(name));
            begins.fill(extra);
        }
        self.begin(out);
    }

    fn arguments(&mut self, part: u32, arguments: &str, out: &mut Vec<u8>) {
        let is_open = self.open.as_ref().is_some_and(|block| block.part == part);
        if !is_open && self.calls.contains(&part) {
            // Its block is closed: this came after JSON that was whole.
            return;
        }
        if !is_open {
            self.start_call(part, [""; 2], &Extra::new(), out);
        }
        // Cohere's models write `null` for no arguments, which is no object.
        if arguments.trim() != "null" {
            self.text(arguments, Piece::Input { partial_json: arguments }, out);
        }
    }

    /// Notes unknown fields of a block that is about to begin.
    fn extra(&mut self, part: u32, fields: &Extra, out: &mut Vec<u8>) {
        if self.open.as_ref().is_none_or(|block| block.part != part) {
            self.enter(part, Kind::Text, out);
        }
        if let Some(block) = &mut self.open
            && let Some(begins) = &mut block.begins
        {
            begins.fill(fields);
            block.has_fields = true;
        }
    }

    /// Writes a block that is whole at once.
    fn whole(&mut self, content: &Part, own: bool, out: &mut Vec<u8>) {
        let Ok(Some(Value::Object(mut block))) = part_to_json(content, own) else { return };
        self.close(out);
        // What a tool of the provider is asked comes in pieces, like that of one's own tools.
        let is_call = block.get("type").and_then(Value::as_str).is_some_and(is_tool_use);
        let is_filled = |input: &&Value| input.as_object().is_some_and(|input| !input.is_empty());
        let input = block.get("input").filter(is_filled).filter(|_| is_call).cloned();
        if input.is_some() {
            block.insert("input".to_owned(), Map::new().into());
        }
        self.start(&block, out);
        if let Some(input) = input {
            self.delta(Piece::Input { partial_json: &input.to_string() }, out);
        }
        self.stop(out);
    }
}

/// Whether a block of this type is a call to a tool: `server_tool_use`, `mcp_tool_use`.
fn is_tool_use(kind: &str) -> bool {
    kind.ends_with("tool_use")
}
