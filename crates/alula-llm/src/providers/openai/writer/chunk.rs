//! The chunks of a streamed answer: what all of them say, and around a delta.

use serde::Serialize;
use serde_json::Value;

use super::PROTOCOL;
use crate::{
    StreamOptions,
    model::{Extra, Protocol, merge_fields},
    providers::writer::json,
};

/// Fields of a chunk that are never unknown ones.
const NAMED: [&str; 4] = ["id", "model", "choices", "usage"];

/// What every chunk repeats: the id, the model and what else the answer says in a word. It is
/// rendered once.
#[derive(Debug)]
pub(super) struct Chunk {
    options: StreamOptions,
    origin: Option<Protocol>,
    id: String,
    model: String,
    /// The other fields that every chunk repeats.
    fields: Extra,
    /// The beginning of a chunk, or nothing while it is to be rendered anew.
    head: Vec<u8>,
    /// Larger fields, which the next chunk tells and no other.
    once: Extra,
    /// Whether there are fields that no chunk has told yet.
    is_untold: bool,
}

impl Chunk {
    pub(super) fn new(options: StreamOptions) -> Self {
        let id = options.id_or_new("chatcmpl-");
        let model = options.model.clone().unwrap_or_default();
        let mut chunk = Self {
            options,
            origin: None,
            id,
            model,
            fields: Extra::new(),
            head: Vec::new(),
            once: Extra::new(),
            is_untold: false,
        };
        chunk.name_fields();
        chunk
    }

    pub(super) fn origin(&self) -> Option<Protocol> {
        self.origin
    }

    /// Whether the unknown fields of the answer are those of this format.
    pub(super) fn own(&self) -> bool {
        PROTOCOL.accepts(self.origin)
    }

    /// What every chunk has, unless the answer comes from a server that leaves it out.
    fn name_fields(&mut self) {
        self.fields.insert("object".to_owned(), "chat.completion.chunk".into());
        self.fields.insert("created".to_owned(), self.options.created_or_now().into());
    }

    /// Takes over what an answer says about itself.
    pub(super) fn start(&mut self, id: &str, model: &str, origin: Option<Protocol>, extra: &Extra) {
        self.origin = origin;
        self.fields.clear();
        let exact = origin == Some(PROTOCOL);
        if !exact {
            self.name_fields();
        }
        // What an answer of another format does not say, the options have.
        if exact || !id.is_empty() {
            id.clone_into(&mut self.id);
        }
        if exact || !model.is_empty() {
            model.clone_into(&mut self.model);
        }
        self.tell(extra);
    }

    /// Notes unknown fields of the whole answer, for the next chunk.
    pub(super) fn tell(&mut self, fields: &Extra) {
        self.head.clear();
        if !self.own() {
            return;
        }
        for (name, value) in fields.iter().filter(|(name, _)| !NAMED.contains(&name.as_str())) {
            self.is_untold = true;
            if name == "object" && value == "chat.completion" {
                self.fields.insert(name.clone(), "chat.completion.chunk".into());
            } else if value.is_object() || value.is_array() {
                self.fields.shift_remove(name);
                merge_fields(&mut self.once, Extra::from_iter([(name.clone(), value.clone())]));
            } else {
                self.once.shift_remove(name);
                self.fields.insert(name.clone(), value.clone());
            }
        }
    }

    /// Writes a chunk with a delta, whose fields `write` writes.
    pub(super) fn delta(
        &mut self,
        choice: u32,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.begin(out);
        out.extend_from_slice(b"\"choices\":[{\"index\":");
        json(&choice, out);
        out.extend_from_slice(b",\"delta\":{");
        write(out);
        out.extend_from_slice(b"},\"finish_reason\":null}]}\n\n");
    }

    /// Writes a chunk with one choice, all of whose fields these are.
    pub(super) fn choice(&mut self, fields: &Extra, out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(b"\"choices\":[");
        json(fields, out);
        out.extend_from_slice(b"]}\n\n");
    }

    /// Writes the last chunk, which has no choices, if there is a need for one.
    pub(super) fn last(&mut self, usage: Option<Value>, out: &mut Vec<u8>) {
        let usage = usage.filter(|_| self.options.include_usage);
        if usage.is_none() && !self.is_untold {
            return;
        }
        self.begin(out);
        if let Some(usage) = usage {
            field("usage", &usage, out);
        }
        out.extend_from_slice(b"\"choices\":[]}\n\n");
    }

    /// Writes a chunk up to its choices.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.is_untold = false;
        if self.head.is_empty() {
            self.head.extend_from_slice(b"data: {");
            field("id", &self.id, &mut self.head);
            field("model", &self.model, &mut self.head);
            for (name, value) in &self.fields {
                field(name, value, &mut self.head);
            }
        }
        out.extend_from_slice(&self.head);
        for (name, value) in std::mem::take(&mut self.once) {
            field(&name, &value, out);
        }
    }
}

/// Writes a field, and the comma that another one follows.
fn field(name: &str, value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    json(name, out);
    out.push(b':');
    json(value, out);
    out.push(b',');
}
