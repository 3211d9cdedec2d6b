//! Messages, which requests and answers share.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::request::invalid;
use crate::{
    Media, Message, Part, Result, Role,
    model::{
        Citation, Protocol, Reasoning, Source, Text, ToolResult,
        fields::{Fields, object},
    },
    providers::openai,
};

const PROTOCOL: Protocol = Protocol::CohereChat;

/// What the model plans before it calls tools.
pub(super) const PLAN: &str = "tool_plan";

/// Reads a message; `None` if it is not an object with a role.
pub(super) fn message_from_json(value: Value) -> Option<Message> {
    let Value::Object(mut fields) = value else { return None };
    let role = Role::from(fields.take_string("role")?);
    let plain = !fields.get("content").is_some_and(Value::is_array);
    let mut parts = take_content(&mut fields);
    if role == Role::Tool {
        let id = fields.take_string("tool_call_id").unwrap_or_default();
        let result = ToolResult { id, parts, plain, ..ToolResult::default() };
        parts = vec![Part::ToolResult(result)];
    } else if role == Role::Assistant {
        take_citations(&mut fields, &mut parts);
        parts.extend(fields.take_text(PLAN).map(|text| {
            Part::Reasoning(Reasoning {
                text,
                field: Some(PLAN.to_owned()),
                ..Reasoning::default()
            })
        }));
        parts.extend(openai::take_tool_calls(&mut fields));
    }
    Some(Message { role, parts, plain, origin: Some(PROTOCOL), extra: fields })
}

/// Writes the messages of a request, and the documents that were among their parts.
pub(super) fn messages_to_json(messages: &[Message]) -> Result<(Vec<Value>, Vec<Value>)> {
    let mut list = Vec::with_capacity(messages.len());
    let mut documents = Vec::new();
    for message in messages {
        let mut rest: Vec<&Part> = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            match part {
                // Each result is a message of its own, before what else the user says.
                Part::ToolResult(result) => list.push(tool_result_to_json(message, result)?),
                Part::File(file) => {
                    documents.push(Value::Object(object([("data", document_data(file)?)])));
                }
                part => rest.push(part),
            }
        }
        let only_results = message.parts.iter().all(|part| matches!(part, Part::ToolResult(_)));
        if !only_results || message.parts.is_empty() {
            let mut fields = message_to_json(message, &rest, message.plain)?;
            if message.role == Role::User && rest.is_empty() && !message.parts.is_empty() {
                fields.insert("content".to_owned(), "".into());
            }
            list.push(Value::Object(fields));
        }
    }
    Ok((list, documents))
}

/// Writes a message of these parts, none of them a tool's result; with `plain` a content of one
/// text is a bare string, and an empty content is left out.
pub(super) fn message_to_json(
    message: &Message,
    parts: &[&Part],
    plain: bool,
) -> Result<Map<String, Value>> {
    let own = PROTOCOL.accepts(message.origin);
    let role = match &message.role {
        Role::Developer => Role::System.as_str(),
        role => role.as_str(),
    };
    let mut fields = object([("role", role.into())]);
    let mut content = Vec::with_capacity(parts.len());
    let mut calls = Vec::new();
    for part in parts {
        match part {
            Part::ToolCall(call) => calls.push(openai::call_to_json(call, own)),
            Part::Reasoning(plan) if own && plan.field.as_deref() == Some(PLAN) => {
                fields.put(PLAN, Some(plan.text.as_str()));
            }
            // Another provider's reasoning and tools: this one could not use them.
            Part::Reasoning(_) | Part::Other(_) if !own => {}
            Part::RedactedReasoning(_) => {}
            part => content.push(*part),
        }
    }
    put_content(&mut fields, &content, plain, own)?;
    if !calls.is_empty() {
        fields.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if own {
        put_citations(&mut fields, message);
        fields.fill(&message.extra);
    }
    Ok(fields)
}

fn tool_result_to_json(message: &Message, result: &ToolResult) -> Result<Value> {
    let own = PROTOCOL.accepts(message.origin);
    let mut fields = object([("role", "tool".into()), ("tool_call_id", result.id.as_str().into())]);
    let is_ours = |part: &&Part| own || !matches!(part, Part::Other(_));
    let parts: Vec<&Part> = result.parts.iter().filter(is_ours).collect();
    put_content(&mut fields, &parts, result.plain, own)?;
    if message.role == Role::Tool && own {
        fields.fill(&message.extra);
    } else if !fields.contains_key("content") {
        fields.insert("content".to_owned(), "".into());
    }
    Ok(Value::Object(fields))
}

fn put_content(
    fields: &mut Map<String, Value>,
    parts: &[&Part],
    plain: bool,
    own: bool,
) -> Result<()> {
    match parts {
        [] if plain || !own => {}
        [Part::Text(text)] if plain && (text.extra.is_empty() || !own) => {
            fields.insert("content".to_owned(), text.text.as_str().into());
        }
        parts => {
            let list = parts.iter().map(|part| part_to_json(part, own)).collect::<Result<_>>()?;
            fields.insert("content".to_owned(), Value::Array(list));
        }
    }
    Ok(())
}

fn part_to_json(part: &Part, own: bool) -> Result<Value> {
    let (mut fields, extra) = match part {
        Part::Text(text) if own && is_document(text) => (Map::new(), &text.extra),
        Part::Text(_) | Part::Image(_) => return openai::part_to_json(part, own),
        Part::Reasoning(reasoning) => {
            let thinking = reasoning.text.as_str().into();
            (object([("type", "thinking".into()), ("thinking", thinking)]), &reasoning.extra)
        }
        Part::Refusal(refusal) => (
            object([("type", "text".into()), ("text", refusal.text.as_str().into())]),
            &refusal.extra,
        ),
        // Only tools' results have them here; those of the user stand beside the messages.
        Part::File(file) => {
            let document = object([("data", document_data(file)?)]);
            let document = Value::Object(document);
            (object([("type", "document".into()), ("document", document)]), &file.extra)
        }
        Part::Other(value) => return Ok(value.clone()),
        Part::Audio(_) => return Err(invalid(format!("{PROTOCOL} takes no sound"))),
        Part::ToolCall(_) | Part::ToolResult(_) | Part::RedactedReasoning(_) => {
            return Err(invalid("a tool's result can only hold text and documents"));
        }
    };
    if own {
        fields.fill(extra);
    }
    Ok(Value::Object(fields))
}

/// What a document says: its text, and its title if it has a name.
fn document_data(file: &Media) -> Result<Value> {
    let media_type = file.media_type.as_deref().unwrap_or_default();
    let decoded = match &file.source {
        Source::Text(text) => Some(text.clone()),
        Source::Base64(data)
            if media_type.starts_with("text/") || media_type == "application/json" =>
        {
            STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        }
        _ => None,
    };
    let text = decoded.ok_or_else(|| {
        invalid(format!("{PROTOCOL} takes documents of text only, sent as text or as bytes"))
    })?;
    let mut data = object([("text", text.into())]);
    data.put("title", file.name.as_deref());
    Ok(Value::Object(data))
}

fn take_content(fields: &mut Map<String, Value>) -> Vec<Part> {
    if let Some(text) = fields.take_string("content") {
        return vec![Part::text(text)];
    }
    let parts = fields.take_array("content").unwrap_or_default();
    parts.into_iter().map(part_from_json).collect()
}

fn part_from_json(value: Value) -> Part {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    match (kind, &value) {
        ("text" | "image_url", _) => openai::part_from_json(value),
        ("thinking", Value::Object(fields)) if is_text(fields, "thinking") => {
            let mut extra = fields.clone();
            extra.shift_remove("type");
            let text = extra.take_string("thinking").unwrap_or_default();
            Part::Reasoning(Reasoning { text, extra, ..Reasoning::default() })
        }
        ("document", Value::Object(fields)) => document_from_json(fields.clone()),
        _ => Part::Other(value),
    }
}

/// A document in a tool's result is text for everyone else. As it was, it stays in `extra`.
fn document_from_json(extra: Map<String, Value>) -> Part {
    let text = match extra.get("document").and_then(|document| document.get("data")) {
        Some(Value::String(text)) => text.clone(),
        Some(data) => data.to_string(),
        None => return Part::Other(Value::Object(extra)),
    };
    Part::Text(Text { text, extra, ..Text::default() })
}

fn is_document(text: &Text) -> bool {
    text.extra.says("type", "document")
}

fn is_text(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).is_some_and(Value::is_string)
}

/// Gives each source to the text that it is about; without a text they stay where they are.
fn take_citations(fields: &mut Map<String, Value>, parts: &mut [Part]) {
    let Some(first) = parts.iter().position(|part| matches!(part, Part::Text(_))) else { return };
    let is_list =
        fields.get("citations").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let list = is_list.then(|| fields.take_array("citations")).flatten().unwrap_or_default();
    let place = |citation: &Value| content_index(citation).filter(|at| is_text_at(parts, *at));
    let places: Vec<usize> = list.iter().map(|it| place(it).unwrap_or(first)).collect();
    // They are written back in the order of the texts.
    let in_order = places.is_sorted();
    for (citation, place) in list.into_iter().zip(places) {
        let place = if in_order { place } else { first };
        if let Some(Part::Text(text)) = parts.get_mut(place) {
            text.citations.push(Citation(citation));
        }
    }
}

/// The number of the content that a source is about.
pub(super) fn content_index(citation: &Value) -> Option<usize> {
    citation.get("content_index")?.as_u64()?.try_into().ok()
}

fn is_text_at(parts: &[Part], index: usize) -> bool {
    matches!(parts.get(index), Some(Part::Text(_)))
}

/// Those that came before any text are among the unknown fields.
fn put_citations(fields: &mut Map<String, Value>, message: &Message) {
    let early = message.extra.get("citations").and_then(Value::as_array);
    let texts = message.citations().map(|citation| &citation.0);
    let list: Vec<Value> = early.into_iter().flatten().chain(texts).cloned().collect();
    if !list.is_empty() {
        fields.insert("citations".to_owned(), Value::Array(list));
    }
}
