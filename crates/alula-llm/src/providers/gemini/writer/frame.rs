//! What a chunk says around its candidates.

use std::mem;

use serde_json::Value;

use crate::{
    StreamOptions,
    model::{Extra, Protocol, merge_fields},
    providers::{
        gemini::{part::Origin, response::block_reason},
        writer::json,
    },
};

/// Fields of a chunk that are never unknown ones.
const NAMED: [&str; 4] = ["candidates", "usageMetadata", "modelVersion", "responseId"];

/// The fields of the whole answer.
#[derive(Debug)]
pub(super) struct Frame {
    /// Whose fields those of the answer are.
    pub(super) protocol: Option<Protocol>,
    id: String,
    model: String,
    /// Fields that have not been told yet.
    extra: Extra,
    /// Whether the prompt was blocked, by what the answer says of itself.
    blocked: bool,
    /// The end of a chunk, or nothing while it is to be rendered anew.
    tail: Vec<u8>,
}

impl Frame {
    pub(super) fn new(options: &StreamOptions) -> Self {
        Self {
            protocol: None,
            id: options.id_or_new(""),
            model: options.model.clone().unwrap_or_default(),
            extra: Extra::new(),
            blocked: false,
            tail: Vec::new(),
        }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::of(self.protocol)
    }

    /// Takes over what an answer says about itself.
    pub(super) fn start(
        &mut self,
        id: &str,
        model: &str,
        protocol: Option<Protocol>,
        extra: &Extra,
    ) {
        self.protocol = protocol;
        self.tail.clear();
        let exact = self.origin() == Origin::Here;
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
        if self.origin().is_own() {
            self.blocked |= block_reason(fields).is_some();
            let mut fields = fields.clone();
            fields.retain(|name, _| !NAMED.contains(&name.as_str()));
            merge_fields(&mut self.extra, fields);
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Writes a chunk with one candidate, which `write` writes.
    pub(super) fn chunk(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(b"data: {\"candidates\":[");
        write(out);
        out.push(b']');
        self.close(None, out);
    }

    /// Writes the last chunk.
    pub(super) fn last(&mut self, candidates: &[Extra], usage: Option<Value>, out: &mut Vec<u8>) {
        if candidates.is_empty() {
            let extra = mem::take(&mut self.extra);
            let usage = usage.into_iter().map(|usage| ("usageMetadata".to_owned(), usage));
            out.extend_from_slice(b"data: ");
            json(&extra.into_iter().chain(usage).collect::<Extra>(), out);
            // The tail goes on with the object.
            out.pop();
            return self.close(None, out);
        }
        out.extend_from_slice(b"data: {\"candidates\":");
        json(candidates, out);
        self.close(usage, out);
    }

    /// Writes the rest of a chunk.
    fn close(&mut self, usage: Option<Value>, out: &mut Vec<u8>) {
        for (name, value) in mem::take(&mut self.extra) {
            field(&name, &value, out);
        }
        if let Some(usage) = usage {
            field("usageMetadata", &usage, out);
        }
        if self.tail.is_empty() {
            for (name, text) in [("modelVersion", &self.model), ("responseId", &self.id)] {
                if !text.is_empty() {
                    field(name, &text.as_str().into(), &mut self.tail);
                }
            }
            self.tail.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(&self.tail);
    }
}

/// Writes a field that follows another one.
fn field(name: &str, value: &Value, out: &mut Vec<u8>) {
    out.push(b',');
    json(name, out);
    out.push(b':');
    json(value, out);
}
