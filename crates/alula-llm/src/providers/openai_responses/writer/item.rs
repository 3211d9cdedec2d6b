//! One item of a streamed answer.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::sink::Sink;
use crate::{
    Accumulator, ChatEvent, Message, Part, Role,
    model::{Protocol, Reasoning, Refusal, Text, fields::Fields},
    providers::openai_responses::{
        ITEM, exact,
        item::{Form, items_from_message},
        own,
        progress::ENTRIES_MAX,
    },
};

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call,
}

/// An item that is being written.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) number: u32,
    id: String,
    origin: Option<Protocol>,
    /// Whether its beginning is written.
    begun: bool,
    /// As they stand in the item.
    pieces: BTreeMap<u32, Piece>,
}

/// A part of an item.
#[derive(Debug)]
struct Piece {
    number: u32,
    list: List,
    index: u32,
    /// What has come of it.
    part: Accumulator,
    ended: bool,
}

/// Where in its item a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Text,
    Refusal,
    Summary,
    Reasoning,
    /// It is the item, or nothing that is written in pieces.
    None,
}

/// The place of a piece, and what is new there.
#[derive(Serialize)]
struct At<'a, T> {
    item_id: &'a str,
    output_index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<u32>,
    #[serde(flatten)]
    fields: T,
}

#[derive(Serialize)]
struct Delta<'a> {
    delta: &'a str,
    /// Clients expect the list with each piece of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[Value; 0]>,
}

impl Item {
    pub(super) fn new(kind: Kind, number: u32, response: &str, origin: Option<Protocol>) -> Self {
        let prefix = match kind {
            Kind::Message => "msg",
            Kind::Reasoning => "rs",
            Kind::Call => "fc",
        };
        let id = format!("{prefix}_{response}_{number}");
        Self { kind, number, id, origin, begun: false, pieces: BTreeMap::new() }
    }

    pub(super) fn has(&self, part: u32) -> bool {
        self.pieces.values().any(|piece| piece.number == part)
    }

    /// Whether a part of this kind belongs to this item too.
    pub(super) fn goes_on(&self, kind: Kind, part: u32) -> bool {
        self.kind == kind && (kind != Kind::Call || self.has(part))
    }

    /// Adds to a piece what is not told before the end.
    pub(super) fn add(&mut self, part: u32, event: &ChatEvent) {
        let mut pieces = self.pieces.values_mut().rev();
        if let Some(piece) = pieces.find(|piece| piece.number == part) {
            piece.part.push(event.clone());
        }
    }

    /// Adds a piece that is whole at once.
    pub(super) fn add_part(&mut self, part: u32, event: &ChatEvent) {
        let slot = self.free_slot(List::None);
        let mut piece = Piece::new(part, List::None, 0);
        piece.part.push(event.clone());
        self.pieces.insert(slot, piece);
    }

    /// Adds a piece, and writes it if the beginning of the item is written.
    pub(super) fn event(&mut self, part: u32, event: &ChatEvent, sink: &mut Sink<'_>) {
        let list = self.list_of(event);
        let mut known = self.pieces.iter().rev();
        let known = known.find(|(_, it)| it.number == part && it.list == list && !it.ended);
        let (slot, is_new) = match known {
            Some((slot, _)) => (*slot, false),
            None => (self.open(part, list, sink), true),
        };
        let Some(piece) = self.pieces.get_mut(&slot) else { return };
        piece.part.push(event.clone());
        if !self.begun {
            return;
        }
        if is_new {
            self.added(slot, sink);
        }
        match event {
            ChatEvent::Text { text, .. }
            | ChatEvent::Refusal { text, .. }
            | ChatEvent::Reasoning { text, .. } => self.delta(slot, text, sink),
            ChatEvent::ToolCallArguments { arguments, .. } => {
                self.delta(slot, arguments, sink);
            }
            ChatEvent::Citation { citation, .. } if exact(self.origin) => {
                self.annotation(slot, &citation.0, sink);
            }
            _ => {}
        }
    }

    fn list_of(&self, event: &ChatEvent) -> List {
        match event {
            ChatEvent::Text { .. } | ChatEvent::Citation { .. } => List::Text,
            ChatEvent::Refusal { .. } => List::Refusal,
            ChatEvent::Reasoning { field, .. } => match field.as_deref() {
                Some("content") if own(self.origin) => List::Reasoning,
                _ => List::Summary,
            },
            _ => List::None,
        }
    }

    /// Makes room for a new piece; the one before has ended.
    fn open(&mut self, part: u32, list: List, sink: &mut Sink<'_>) -> u32 {
        if !exact(self.origin)
            && let Some(last) = self.pieces.keys().next_back().copied()
        {
            self.end(last, sink);
        }
        let slot = self.free_slot(list);
        self.pieces.insert(slot, Piece::new(part, list, slot % ENTRIES_MAX));
        slot
    }

    /// The place of a new piece: those of the second list of a reasoning follow all others.
    fn free_slot(&self, list: List) -> u32 {
        let first = if list == List::Reasoning { ENTRIES_MAX } else { 0 };
        let last = self.pieces.range(first..first + ENTRIES_MAX).next_back();
        last.map_or(first, |(slot, _)| slot + 1)
    }

    /// Writes the beginning, unless that has been done, and what has come since.
    pub(super) fn begin(&mut self, sink: &mut Sink<'_>) {
        if self.begun {
            return;
        }
        self.begun = true;
        let mut item = self.whole().unwrap_or_default();
        if let Some(id) = item.get("id").and_then(Value::as_str) {
            id.clone_into(&mut self.id);
        }
        // What is in it comes in pieces.
        match self.kind {
            Kind::Message => item.insert("content".to_owned(), Value::Array(Vec::new())),
            Kind::Reasoning => {
                item.shift_remove("content");
                item.shift_remove("encrypted_content");
                item.insert("id".to_owned(), self.id.as_str().into());
                item.insert("summary".to_owned(), Value::Array(Vec::new()))
            }
            Kind::Call => item.insert("arguments".to_owned(), "".into()),
        };
        if !exact(self.origin) && self.kind != Kind::Reasoning {
            item.put("status", Some("in_progress"));
        }
        let fields = json!({"output_index": self.number, "item": item});
        sink.send("response.output_item.added", &fields);
        for (slot, piece) in &self.pieces {
            self.added(*slot, sink);
            self.delta(*slot, piece.text(), sink);
        }
    }

    /// Writes that a piece begins.
    fn added(&self, slot: u32, sink: &mut Sink<'_>) {
        let Some(piece) = self.pieces.get(&slot) else { return };
        let (kind, entry) = match piece.list {
            List::Text => (
                "response.content_part.added",
                json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []}),
            ),
            List::Refusal => {
                ("response.content_part.added", json!({"type": "refusal", "refusal": ""}))
            }
            List::Reasoning => {
                ("response.content_part.added", json!({"type": "reasoning_text", "text": ""}))
            }
            List::Summary => (
                "response.reasoning_summary_part.added",
                json!({"type": "summary_text", "text": ""}),
            ),
            List::None => return,
        };
        sink.send(kind, &self.at(piece, json!({"part": entry})));
    }

    fn delta(&self, slot: u32, text: &str, sink: &mut Sink<'_>) {
        let Some(piece) = self.pieces.get(&slot).filter(|_| !text.is_empty()) else { return };
        let mut delta = Delta { delta: text, logprobs: None };
        let kind = match piece.list {
            List::Text => {
                delta.logprobs = Some([]);
                "response.output_text.delta"
            }
            List::Refusal => "response.refusal.delta",
            List::Reasoning => "response.reasoning_text.delta",
            List::Summary => "response.reasoning_summary_text.delta",
            List::None => "response.function_call_arguments.delta",
        };
        sink.send(kind, &self.at(piece, delta));
    }

    fn annotation(&self, slot: u32, annotation: &Value, sink: &mut Sink<'_>) {
        let Some(piece) = self.pieces.get(&slot) else { return };
        let before = piece.part.response().message().map_or(0, |it| it.citations().count());
        let fields =
            json!({"annotation_index": before.saturating_sub(1), "annotation": annotation});
        sink.send("response.output_text.annotation.added", &self.at(piece, fields));
    }

    /// Writes the end of a piece, with all of it.
    fn end(&mut self, slot: u32, sink: &mut Sink<'_>) {
        let entry = self.entry(slot);
        let Some(piece) = self.pieces.get_mut(&slot) else { return };
        if std::mem::replace(&mut piece.ended, true) {
            return;
        }
        let Some(piece) = self.pieces.get(&slot) else { return };
        let text = piece.text();
        let (kind, told, ended) = match piece.list {
            List::Text => {
                self.late_annotations(piece, &entry, sink);
                let told = json!({"text": text, "logprobs": []});
                ("response.output_text.done", told, "response.content_part.done")
            }
            List::Refusal => {
                let told = json!({"refusal": text});
                ("response.refusal.done", told, "response.content_part.done")
            }
            List::Reasoning => {
                let told = json!({"text": text});
                ("response.reasoning_text.done", told, "response.content_part.done")
            }
            List::Summary => (
                "response.reasoning_summary_text.done",
                json!({"text": text}),
                "response.reasoning_summary_part.done",
            ),
            List::None => return,
        };
        sink.send(kind, &self.at(piece, told));
        sink.send(ended, &self.at(piece, json!({"part": entry})));
    }

    /// Writes the sources of a text whose places were not known before its end.
    fn late_annotations(&self, piece: &Piece, entry: &Value, sink: &mut Sink<'_>) {
        if exact(self.origin) {
            return;
        }
        let list = entry.get("annotations").and_then(Value::as_array);
        for (index, annotation) in list.into_iter().flatten().enumerate() {
            let fields = json!({"annotation_index": index, "annotation": annotation});
            sink.send("response.output_text.annotation.added", &self.at(piece, fields));
        }
    }

    /// Writes the end of all pieces, and gives the whole item back.
    pub(super) fn finish(mut self, sink: &mut Sink<'_>) -> Option<Value> {
        self.begin(sink);
        let slots: Vec<u32> = self.pieces.keys().copied().collect();
        slots.into_iter().for_each(|slot| self.end(slot, sink));
        let item = self.whole()?;
        if self.kind == Kind::Call
            && let Some(piece) = self.pieces.values().next()
        {
            let fields = json!({"name": item.get("name"), "arguments": item.get("arguments")});
            sink.send("response.function_call_arguments.done", &self.at(piece, fields));
        }
        Some(Value::Object(item))
    }

    /// The item as far as it has come.
    fn whole(&self) -> Option<Map<String, Value>> {
        let parts = self.pieces.values().filter_map(|piece| piece.content().cloned());
        self.write(parts.collect())
    }

    /// A piece as it stands in the item.
    fn entry(&self, slot: u32) -> Value {
        let content = self.pieces.get(&slot).and_then(Piece::content).cloned();
        let item = content.and_then(|content| self.write(vec![content])).unwrap_or_default();
        let lists = ["content", "summary"].into_iter();
        let mut entries = lists.filter_map(|name| item.get(name)?.get(0).cloned());
        entries.next().unwrap_or_default()
    }

    fn write(&self, parts: Vec<Part>) -> Option<Map<String, Value>> {
        let is_new = !exact(self.origin) || parts.first().is_some_and(is_new);
        let mut message = Message::new(Role::Assistant, parts);
        message.origin = self.origin;
        let items = items_from_message(&message, Form::Output(&self.id)).ok()?;
        let Some(Value::Object(mut item)) = items.into_iter().next() else { return None };
        if is_new {
            item.put("id", Some(self.id.as_str()));
        }
        Some(item)
    }

    fn at<T>(&self, piece: &Piece, fields: T) -> At<'_, T> {
        let index = Some(piece.index);
        let (content_index, summary_index) = match piece.list {
            List::None => (None, None),
            List::Summary => (None, index),
            _ => (index, None),
        };
        At { item_id: &self.id, output_index: self.number, content_index, summary_index, fields }
    }
}

impl Piece {
    fn new(number: u32, list: List, index: u32) -> Self {
        Self { number, list, index, part: Accumulator::new(), ended: false }
    }

    fn content(&self) -> Option<&Part> {
        self.part.response().message()?.parts.first()
    }

    fn text(&self) -> &str {
        match self.content() {
            Some(Part::Text(text)) => &text.text,
            Some(Part::Refusal(refusal)) => &refusal.text,
            Some(Part::Reasoning(reasoning)) => &reasoning.text,
            Some(Part::ToolCall(call)) => &call.arguments,
            _ => "",
        }
    }
}

/// Whether a part says nothing of the item that it begins.
fn is_new(part: &Part) -> bool {
    match part {
        Part::Text(Text { extra, .. })
        | Part::Refusal(Refusal { extra, .. })
        | Part::Reasoning(Reasoning { extra, .. }) => !extra.contains_key(ITEM),
        _ => false,
    }
}
