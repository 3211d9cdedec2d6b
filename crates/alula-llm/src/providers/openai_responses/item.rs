//! The items of the model's turn, and the parts of a message that they are.
//!
//! A message and a reasoning are lists in themselves: each entry is a part of its own. The other
//! fields of the item stand under [`ITEM`] in `extra` of its first part; a part without them goes
//! on with the item before it. A call is one part, and what the model does not name is one too.

use serde_json::{Map, Value};

use super::{
    ITEM,
    content::{INPUT_TEXT, OUTPUT_TEXT, content_from_json, content_to_json},
    exact, own,
};
use crate::{
    Media, Message, Part, Result, Role,
    model::{
        Protocol, Reasoning, RedactedReasoning, Refusal, Source, Text, ToolCall,
        fields::{Fields, object},
    },
};

/// The lists of a reasoning: their names, the type of their entries, and
/// [`Reasoning::field`](crate::model::Reasoning::field).
const REASONING_LISTS: [(&str, &str, Option<&str>); 2] =
    [("summary", "summary_text", None), ("content", "reasoning_text", Some("content"))];

/// What items are written for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// To go on with a conversation.
    Input,
    /// As the answer of this id, whose items have ids too.
    Output(&'a str),
}

/// Reads an item of the model's turn; one of an unknown shape stays as it is.
pub(super) fn parts_from_item(item: Value) -> Vec<Part> {
    let Value::Object(fields) = item else { return vec![Part::Other(item)] };
    let kind = fields.get("type").and_then(Value::as_str);
    match kind {
        Some("message") | None if is_message(&fields) => message_from_json(fields),
        Some("reasoning") if is_reasoning(&fields) => reasoning_from_json(fields),
        Some("function_call") if is_call(&fields) => vec![call_from_json(fields)],
        _ => vec![Part::Other(Value::Object(fields))],
    }
}

/// Whether these are the fields of a message that begins with a text or a refusal.
fn is_message(fields: &Map<String, Value>) -> bool {
    fields.says("role", Role::Assistant.as_str())
        && match fields.get("content") {
            Some(Value::String(_)) => true,
            Some(Value::Array(list)) => {
                list.first().is_some_and(is_said)
                    && list.iter().all(|content| is_said(content) || is_content(content))
            }
            _ => false,
        }
}

/// Whether a content is a text or a refusal.
fn is_said(content: &Value) -> bool {
    let is_text = |name: &str| content.get(name).is_some_and(Value::is_string);
    match content.get("type").and_then(Value::as_str) {
        Some(OUTPUT_TEXT | INPUT_TEXT | "text") => is_text("text"),
        Some("refusal") => is_text("refusal"),
        _ => false,
    }
}

/// Whether something opaque is a content of a message rather than an item.
fn is_content(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("output_")
}

fn message_from_json(mut fields: Map<String, Value>) -> Vec<Part> {
    fields.shift_remove("role");
    let mut parts = match fields.take_string("content") {
        Some(text) => {
            // A note that the content is a bare string.
            fields.insert("content".to_owned(), Value::Null);
            vec![Part::text(text)]
        }
        None => {
            let list = fields.take_array("content").unwrap_or_default();
            list.into_iter().map(|value| content_from_json(value, OUTPUT_TEXT)).collect()
        }
    };
    let first = parts.first_mut();
    if let Some(Part::Text(Text { extra, .. }) | Part::Refusal(Refusal { extra, .. })) = first {
        extra.insert(ITEM.to_owned(), Value::Object(fields));
    }
    parts
}

/// Whether these are the fields of a reasoning whose entries are all known.
fn is_reasoning(fields: &Map<String, Value>) -> bool {
    let mut entries = 0;
    let mut is_known = |(name, kind, _): &(&str, &str, Option<&str>)| {
        let list = fields.get(*name).and_then(Value::as_array).map(Vec::as_slice);
        let list = list.unwrap_or_default();
        entries += list.len();
        list.iter().all(|entry| {
            entry.get("type").and_then(Value::as_str) == Some(kind)
                && entry.get("text").is_some_and(Value::is_string)
        })
    };
    let known = REASONING_LISTS.iter().all(&mut is_known);
    // Without a list to leave empty, a part that stands for no entry would come back as one.
    known && (entries > 0 || fields.get("summary").is_some_and(Value::is_array))
}

fn reasoning_from_json(mut fields: Map<String, Value>) -> Vec<Part> {
    fields.shift_remove("type");
    let mut parts = Vec::new();
    for (name, _, field) in REASONING_LISTS {
        // An empty list stays, as it is not the same as none.
        if fields.get(name).and_then(Value::as_array).is_none_or(Vec::is_empty) {
            continue;
        }
        for entry in fields.take_array(name).unwrap_or_default() {
            let Value::Object(mut extra) = entry else { continue };
            extra.shift_remove("type");
            let text = extra.take_string("text").unwrap_or_default();
            let field = field.map(str::to_owned);
            parts.push(Reasoning { text, signature: None, field, extra });
        }
    }
    if parts.is_empty() {
        parts.push(Reasoning::default());
    }
    if let Some(first) = parts.first_mut() {
        first.signature = fields.take_string("encrypted_content");
        first.extra.insert(ITEM.to_owned(), Value::Object(fields));
    }
    parts.into_iter().map(Part::Reasoning).collect()
}

fn is_call(fields: &Map<String, Value>) -> bool {
    ["call_id", "name", "arguments"].iter().all(|it| fields.get(*it).is_some_and(Value::is_string))
}

fn call_from_json(mut fields: Map<String, Value>) -> Part {
    fields.shift_remove("type");
    Part::ToolCall(ToolCall {
        id: fields.take_string("call_id").unwrap_or_default(),
        name: fields.take_string("name").unwrap_or_default(),
        arguments: fields.take_string("arguments").unwrap_or_default(),
        extra: fields,
    })
}

/// Writes the items of the model's turn.
pub(super) fn items_from_message(message: &Message, form: Form<'_>) -> Result<Vec<Value>> {
    let mut writer =
        Writer { origin: message.origin, form, items: Vec::new(), open: Open::Nothing };
    for part in &message.parts {
        writer.part(part)?;
    }
    writer.close();
    Ok(writer.items)
}

struct Writer<'a> {
    origin: Option<Protocol>,
    form: Form<'a>,
    items: Vec<Value>,
    open: Open,
}

/// The item that the next part may go on with: the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// A message; `made` if it was not one before.
    Message {
        made: bool,
    },
    Reasoning,
}

impl Writer<'_> {
    fn part(&mut self, part: &Part) -> Result<()> {
        match part {
            Part::ToolCall(call) => self.call(call),
            Part::Reasoning(reasoning) => self.reasoning(reasoning),
            Part::RedactedReasoning(redacted) => self.redacted(redacted),
            Part::Other(value) if !is_content(value) => {
                self.close();
                if own(self.origin) {
                    self.items.push(value.clone());
                }
            }
            Part::Image(Media { source: Source::Base64(data), .. })
                if matches!(self.form, Form::Output(_)) && !exact(self.origin) =>
            {
                self.close();
                let mut item = self.new_item("image_generation_call", "ig");
                item.put("result", Some(data.as_str()));
                self.items.push(Value::Object(item));
            }
            part => return self.content(part),
        }
        Ok(())
    }

    fn content(&mut self, part: &Part) -> Result<()> {
        let marker = self.marker(match part {
            Part::Text(text) => Some(&text.extra),
            Part::Refusal(refusal) => Some(&refusal.extra),
            _ => None,
        });
        if let (Some(marker), Part::Text(text)) = (&marker, part)
            && marker.get("content") == Some(&Value::Null)
        {
            self.close();
            let mut item = object([("role", Role::Assistant.as_str().into())]);
            item.insert("content".to_owned(), text.text.as_str().into());
            item.fill(marker);
            self.items.push(Value::Object(item));
            return Ok(());
        }
        let Some(content) = content_to_json(part, OUTPUT_TEXT, self.origin)? else { return Ok(()) };
        if marker.is_some() || !matches!(self.open, Open::Message { .. }) {
            self.open_message(marker);
        }
        self.push("content", content);
        Ok(())
    }

    fn open_message(&mut self, marker: Option<Map<String, Value>>) {
        self.close();
        self.open = Open::Message { made: marker.is_none() };
        let mut item = marker.unwrap_or_else(|| self.new_item("message", "msg"));
        item.insert("role".to_owned(), Role::Assistant.as_str().into());
        item.insert("content".to_owned(), Value::Array(Vec::new()));
        self.items.push(Value::Object(item));
    }

    fn call(&mut self, call: &ToolCall) {
        self.close();
        let arguments =
            if call.arguments.is_empty() && !exact(self.origin) { "{}" } else { &call.arguments };
        let mut item = match exact(self.origin) {
            true => object([("type", "function_call".into())]),
            false => self.new_item("function_call", "fc"),
        };
        item.put("call_id", Some(call.id.as_str()));
        item.put("name", Some(call.name.as_str()));
        item.put("arguments", Some(arguments));
        if own(self.origin) {
            item.fill(&call.extra);
        }
        self.items.push(Value::Object(item));
    }

    fn reasoning(&mut self, reasoning: &Reasoning) {
        let marker = self.marker(Some(&reasoning.extra));
        let empty = reasoning.text.is_empty();
        // Only the provider that sealed it can use it again, but a reader of the answer can.
        let useless = matches!(self.form, Form::Input) || empty;
        if !own(self.origin) && useless {
            return;
        }
        let is_entry = match &marker {
            Some(marker) => !empty || reasoning.field.is_some() || !marker.contains_key("summary"),
            None => !empty || self.open == Open::Reasoning,
        };
        let sealed = reasoning.signature.is_some();
        if marker.is_some() || sealed || self.open != Open::Reasoning {
            self.close();
            self.open = Open::Reasoning;
            let mut item = match marker {
                Some(marker) => {
                    let mut item = object([("type", "reasoning".into())]);
                    item.fill(&marker);
                    item
                }
                None => {
                    let mut item = self.new_item("reasoning", "rs");
                    item.shift_remove("status");
                    item.insert("summary".to_owned(), Value::Array(Vec::new()));
                    item
                }
            };
            let seal = reasoning.signature.as_deref().filter(|_| own(self.origin));
            item.put("encrypted_content", seal);
            self.items.push(Value::Object(item));
        }
        if is_entry {
            let mut lists = REASONING_LISTS.iter().rev();
            let found = lists.find(|it| it.2 == reasoning.field.as_deref() && own(self.origin));
            let (name, kind, _) = found.copied().unwrap_or(REASONING_LISTS[0]);
            let text = reasoning.text.as_str().into();
            let mut entry = object([("type", kind.into()), ("text", text)]);
            if own(self.origin) {
                entry.fill(&reasoning.extra);
                entry.shift_remove(ITEM);
            }
            self.push(name, Value::Object(entry));
        }
    }

    fn redacted(&mut self, redacted: &RedactedReasoning) {
        if own(self.origin) {
            self.close();
            let mut item =
                object([("type", "reasoning".into()), ("summary", Value::Array(Vec::new()))]);
            item.put("encrypted_content", Some(redacted.data.as_str()));
            self.items.push(Value::Object(item));
        }
    }

    /// Adds an entry to a list of the open item.
    fn push(&mut self, list: &str, entry: Value) {
        let item = self.items.last_mut().and_then(Value::as_object_mut);
        let list = item.map(|item| item.entry(list).or_insert_with(|| Value::Array(Vec::new())));
        if let Some(Value::Array(list)) = list {
            list.push(entry);
        }
    }

    /// The other fields of the item that begins with a part.
    fn marker(&self, extra: Option<&Map<String, Value>>) -> Option<Map<String, Value>> {
        extra?.get(ITEM)?.as_object().filter(|_| own(self.origin)).cloned()
    }

    /// An item that was none before; in an answer it has an id.
    fn new_item(&self, kind: &str, prefix: &str) -> Map<String, Value> {
        let mut item = object([("type", kind.into())]);
        if let Form::Output(response) = self.form {
            item.put("id", Some(format!("{prefix}_{response}_{}", self.items.len())));
            item.put("status", Some("completed"));
        }
        item
    }

    /// Ends the open item. A question says a message of one text in the short form.
    fn close(&mut self) {
        let made = self.open == Open::Message { made: true };
        self.open = Open::Nothing;
        let Some(Value::Object(item)) = self.items.last_mut() else { return };
        if !made || !matches!(self.form, Form::Input) {
            return;
        }
        let content = item.get("content").and_then(Value::as_array).map(Vec::as_slice);
        if let Some([Value::Object(part)]) = content
            && part.len() == 3
            && part.get("annotations").is_some_and(|it| it.as_array().is_some_and(Vec::is_empty))
            && let Some(text) = part.get("text").cloned()
        {
            item.shift_remove("type");
            item.insert("content".to_owned(), text);
        }
    }
}
