//! Messages, which requests and answers share.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{
    mistral::THINKING,
    part::{part_from_json, part_to_json},
};
use crate::{
    Message, Part, Result, Role,
    model::{
        Citation, Protocol, Reasoning, Refusal, ToolCall, ToolResult,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::OpenAiChat;

/// The usual name of the reasoning, which `DeepSeek` gave it.
pub(super) const REASONING_FIELD: &str = "reasoning_content";
/// All its names; the first that is there is taken.
pub(super) const REASONING_FIELDS: [&str; 2] = [REASONING_FIELD, "reasoning"];

/// What a tool says whose result is no text.
const ATTACHED: &str = "The result is in the next message.";

/// Reads a message; `None` if it is not an object with a role.
pub(super) fn message_from_json(value: Value) -> Option<Message> {
    let Value::Object(mut fields) = value else { return None };
    let role = Role::from(fields.take_string("role")?);
    let mut parts = Vec::new();
    if role == Role::Assistant {
        parts.extend(take_reasoning(&mut fields));
    }
    let plain = !fields.get("content").is_some_and(Value::is_array);
    let content = take_content(&mut fields);
    if role == Role::Tool {
        let result = ToolResult {
            id: fields.take_string("tool_call_id").unwrap_or_default(),
            parts: content,
            plain,
            ..ToolResult::default()
        };
        parts.push(Part::ToolResult(result));
    } else {
        parts.extend(content);
    }
    if role == Role::Assistant {
        take_annotations(&mut fields, &mut parts);
        if let Some(text) = fields.take_text("refusal") {
            parts.push(Part::Refusal(Refusal { text, extra: Map::new() }));
        }
        parts.extend(take_tool_calls(&mut fields));
    }
    Some(Message { role, parts, plain, origin: Some(PROTOCOL), extra: fields })
}

/// Writes the messages of a request.
pub(super) fn messages_to_json(messages: &[Message]) -> Result<Value> {
    let mut list = Vec::with_capacity(messages.len());
    // The pictures and files of tools' results, until these end.
    let mut attached: Vec<&Part> = Vec::new();
    for message in messages {
        let own = PROTOCOL.accepts(message.origin);
        let mut rest: Vec<&Part> = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            match part {
                // Each result is a message of its own, before what else the user says.
                Part::ToolResult(result) => {
                    list.push(tool_result_to_json(message, result, &mut attached)?);
                }
                part => rest.push(part),
            }
        }
        if !rest.is_empty() || message.parts.is_empty() {
            list.extend(attached_to_json(&mut attached)?);
            list.push(Value::Object(message_to_json(message, &rest, own)?));
        }
    }
    list.extend(attached_to_json(&mut attached)?);
    Ok(Value::Array(list))
}

/// Writes a tool's result. It can only be text: what else there is goes to `attached`, unless it
/// was written for a server that takes it.
fn tool_result_to_json<'a>(
    message: &Message,
    result: &'a ToolResult,
    attached: &mut Vec<&'a Part>,
) -> Result<Value> {
    let own = PROTOCOL.accepts(message.origin);
    let mut fields = object([("role", "tool".into()), ("tool_call_id", result.id.as_str().into())]);
    let goes = |part: &&Part| {
        message.origin != Some(PROTOCOL)
            && matches!(part, Part::Image(_) | Part::Audio(_) | Part::File(_))
    };
    let is_ours = |part: &&Part| own || !matches!(part, Part::Other(_));
    let (more, parts): (Vec<&Part>, Vec<&Part>) =
        result.parts.iter().filter(is_ours).partition(goes);
    if parts.is_empty() && !more.is_empty() {
        fields.insert("content".to_owned(), ATTACHED.into());
    } else {
        put_content(&mut fields, &parts, result.plain, own)?;
    }
    attached.extend(more);
    if message.role == Role::Tool && own {
        fields.fill(&message.extra);
    } else if !fields.contains_key("content") {
        fields.insert("content".to_owned(), "".into());
    }
    Ok(Value::Object(fields))
}

/// Writes what was attached to results as the user's words.
fn attached_to_json(attached: &mut Vec<&Part>) -> Result<Option<Value>> {
    if attached.is_empty() {
        return Ok(None);
    }
    let mut fields = object([("role", Role::User.as_str().into())]);
    put_content(&mut fields, attached, false, false)?;
    attached.clear();
    Ok(Some(Value::Object(fields)))
}

/// Writes a message of these parts, none of them a tool's result.
pub(super) fn message_to_json(
    message: &Message,
    parts: &[&Part],
    own: bool,
) -> Result<Map<String, Value>> {
    let mut fields = object([("role", message.role.as_str().into())]);
    let mut content = Vec::with_capacity(parts.len());
    let mut calls = Vec::new();
    for part in parts {
        match part {
            Part::ToolCall(call) => calls.push(call_to_json(call, own)),
            Part::Other(value) if own && is_custom_call(value) => calls.push(value.clone()),
            Part::Reasoning(reasoning) if own && reasoning.field.as_deref() != Some(THINKING) => {
                let name = reasoning.field.as_deref().unwrap_or(REASONING_FIELD);
                fields.put(name, Some(reasoning.text.as_str()));
            }
            Part::Refusal(refusal) if message.plain => {
                fields.put("refusal", Some(refusal.text.as_str()));
            }
            // Another provider's reasoning and tools: this one could not use them.
            Part::Reasoning(_) if !own => {}
            Part::RedactedReasoning(_) => {}
            Part::Other(_) if !own => {}
            part => content.push(*part),
        }
    }
    put_content(&mut fields, &content, message.plain, own)?;
    let annotations = annotations(&content, own);
    if !annotations.is_empty() {
        fields.insert("annotations".to_owned(), Value::Array(annotations));
    }
    if !calls.is_empty() {
        fields.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if own {
        fields.fill(&message.extra);
    }
    Ok(fields)
}

fn put_content(
    fields: &mut Map<String, Value>,
    parts: &[&Part],
    plain: bool,
    own: bool,
) -> Result<()> {
    match parts {
        [] if plain || !own => {}
        [Part::Text(text)] if plain && text.extra.is_empty() || !own => {
            fields.insert("content".to_owned(), text.text.as_str().into());
        }
        parts => {
            let list = parts.iter().map(|part| part_to_json(part, own)).collect::<Result<_>>()?;
            fields.insert("content".to_owned(), Value::Array(list));
        }
    }
    Ok(())
}

/// Writes a call to a function.
pub(in crate::providers) fn call_to_json(call: &ToolCall, own: bool) -> Value {
    let arguments = if call.arguments.is_empty() && !own { "{}" } else { &call.arguments };
    let function = object([("name", call.name.as_str().into()), ("arguments", arguments.into())]);
    let mut fields = object([
        ("id", call.id.as_str().into()),
        ("type", "function".into()),
        ("function", Value::Object(function)),
    ]);
    if own {
        fields.fill(&call.extra);
        if call.extra.get("type").is_some_and(Value::is_null) {
            fields.shift_remove("type");
        }
    }
    Value::Object(fields)
}

/// A call to a tool that takes text instead of JSON.
pub(super) fn is_custom_call(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("custom")
}

/// The sources of all texts.
pub(super) fn annotations(parts: &[&Part], own: bool) -> Vec<Value> {
    let mut list = Vec::new();
    let mut start = 0;
    for part in parts {
        let Part::Text(text) = part else { continue };
        let end = start + text.text.chars().count();
        let citations = text.citations.iter();
        list.extend(citations.filter_map(|it| annotation_to_json(it, own, start..end)));
        start = end;
    }
    list
}

/// Writes a source of the text that is at this place, in characters. One of another provider gets
/// a place, which is all of the text if it says no more.
pub(super) fn annotation_to_json(
    citation: &Citation,
    own: bool,
    text: Range<usize>,
) -> Option<Value> {
    let is_ours = citation.0.get("url_citation").is_some();
    if is_ours || citation.url().is_none() {
        return (is_ours || own).then(|| citation.0.clone());
    }
    // Cohere says which words of the text rest on the source, Anthropic cuts the text.
    let place = |names: [&str; 2]| {
        let place = names.iter().find_map(|name| citation.0.get(*name)?.as_u64())?;
        Some(text.start.saturating_add(usize::try_from(place).ok()?))
    };
    let from = place(["start_index", "start"]).unwrap_or(text.start);
    let to = place(["end_index", "end"]).unwrap_or(text.end);
    let mut inner = object([("start_index", from.into()), ("end_index", to.into())]);
    inner.put("url", citation.url());
    inner.put("title", citation.title());
    let outer = object([("type", "url_citation".into()), ("url_citation", Value::Object(inner))]);
    Some(Value::Object(outer))
}

fn take_reasoning(fields: &mut Map<String, Value>) -> Option<Part> {
    let name = REASONING_FIELDS.into_iter().find(|name| {
        fields.get(*name).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    })?;
    let text = fields.take_text(name)?;
    let field = (name != REASONING_FIELD).then(|| name.to_owned());
    Some(Part::Reasoning(Reasoning { text, field, ..Reasoning::default() }))
}

fn take_content(fields: &mut Map<String, Value>) -> Vec<Part> {
    if let Some(text) = fields.take_string("content") {
        return vec![Part::text(text)];
    }
    let parts = fields.take_array("content").unwrap_or_default();
    parts.into_iter().map(part_from_json).collect()
}

/// Gives the annotations to the text; without one they stay where they are.
fn take_annotations(fields: &mut Map<String, Value>, parts: &mut [Part]) {
    let is_list =
        fields.get("annotations").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let text = parts.iter_mut().find_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    if let Some(text) = text
        && is_list
        && let Some(list) = fields.take_array("annotations")
    {
        text.citations = list.into_iter().map(Citation).collect();
    }
}

/// Takes the calls if all of them have a known shape.
pub(in crate::providers) fn take_tool_calls(fields: &mut Map<String, Value>) -> Vec<Part> {
    let known = |call: &Value| is_custom_call(call) || is_function_call(call);
    let calls = fields.get("tool_calls").and_then(Value::as_array);
    if !calls.is_some_and(|calls| !calls.is_empty() && calls.iter().all(known)) {
        return Vec::new();
    }
    let calls = fields.take_array("tool_calls").unwrap_or_default();
    calls.into_iter().map(call_from_json).collect()
}

fn is_function_call(call: &Value) -> bool {
    let function = call.get("function");
    let text =
        |name| function.and_then(|function| function.get(name)).is_some_and(Value::is_string);
    call.get("id").is_some_and(Value::is_string)
        && call.get("type").is_none_or(|kind| kind == "function")
        && text("name")
        && text("arguments")
}

fn call_from_json(call: Value) -> Part {
    match call {
        call if is_custom_call(&call) => Part::Other(call),
        Value::Object(mut extra) => {
            // Mistral sends no type; a `null` notes that, so that none is written either.
            if extra.shift_remove("type").is_none() {
                extra.insert("type".to_owned(), Value::Null);
            }
            let id = extra.take_string("id").unwrap_or_default();
            let (name, arguments) = extra
                .take_within("function", |inner| {
                    (inner.take_string("name"), inner.take_string("arguments"))
                })
                .unwrap_or_default();
            Part::ToolCall(ToolCall {
                id,
                name: name.unwrap_or_default(),
                arguments: arguments.unwrap_or_default(),
                extra,
            })
        }
        call => Part::Other(call),
    }
}
