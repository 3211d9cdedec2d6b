//! Messages and their blocks, which requests and answers share.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::request::invalid;
use crate::{
    Media, Message, Part, Result, Role,
    model::{
        Citation, Protocol, Reasoning, RedactedReasoning, Source, Text, ToolCall, ToolResult,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::AnthropicMessages;

/// The seal of reasoning that another provider wrote. Clients send it back like any other, but
/// the API would refuse it.
pub(super) const UNSEALED: &str = "";

/// Reads a message; `None` if it is not an object with a role.
pub(super) fn message_from_json(value: Value) -> Option<Message> {
    let Value::Object(mut fields) = value else { return None };
    let role = Role::from(fields.take_string("role")?);
    let is_content = fields.get("content").is_some_and(|it| it.is_string() || it.is_array());
    let (parts, plain) = is_content
        .then(|| fields.shift_remove("content"))
        .flatten()
        .and_then(parts_from_content)
        .unwrap_or_default();
    Some(Message { role, parts, plain, origin: Some(PROTOCOL), extra: fields })
}

/// Reads a content: its parts, and whether it is a bare string.
pub(super) fn parts_from_content(content: Value) -> Option<(Vec<Part>, bool)> {
    match content {
        Value::String(text) => Some((vec![Part::text(text)], true)),
        Value::Array(blocks) => Some((blocks.into_iter().map(part_from_json).collect(), false)),
        _ => None,
    }
}

/// Writes leading instructions: a string if they are one plain text, else blocks.
pub(super) fn system_to_json(messages: &[Message]) -> Option<Value> {
    if let [message] = messages
        && let [Part::Text(text)] = &*message.parts
        && (message.plain && text.extra.is_empty() || !PROTOCOL.accepts(message.origin))
    {
        return Some(text.text.as_str().into());
    }
    let blocks = messages.iter().flat_map(|message| {
        let own = PROTOCOL.accepts(message.origin);
        message.parts.iter().filter_map(move |part| part_to_json(part, own).ok().flatten())
    });
    (!messages.is_empty()).then(|| Value::Array(blocks.collect()))
}

/// Writes the messages after the leading instructions.
///
/// The results of several tool calls, which OpenAI gives one message each, become one message,
/// since all must follow the calls at once.
pub(super) fn messages_to_json(messages: &[Message]) -> Result<Value> {
    let mut list: Vec<Value> = Vec::with_capacity(messages.len());
    let mut after_results = false;
    for message in messages {
        let is_results = message.role == Role::Tool;
        let mut written = message_to_json(message)?;
        if is_results
            && after_results
            && let Some(Value::Object(last)) = list.last_mut()
            && let Some(Value::Array(blocks)) = last.get_mut("content")
        {
            blocks.extend(written.take_array("content").unwrap_or_default());
        } else {
            list.push(Value::Object(written));
        }
        after_results = is_results;
    }
    Ok(Value::Array(list))
}

fn message_to_json(message: &Message) -> Result<Map<String, Value>> {
    let own = PROTOCOL.accepts(message.origin);
    let role = match &message.role {
        Role::Tool => Role::User.as_str(),
        Role::Developer => Role::System.as_str(),
        role => role.as_str(),
    };
    let mut fields = object([("role", role.into())]);
    let parts = sealed(&message.parts);
    if let Some(content) = content_to_json(&parts, message.plain, own)? {
        fields.insert("content".to_owned(), content);
    }
    if own {
        fields.fill(&message.extra);
    }
    Ok(fields)
}

/// The parts without reasoning that has no seal.
fn sealed(parts: &[Part]) -> Cow<'_, [Part]> {
    let is_unsealed = |part: &Part| matches!(part, Part::Reasoning(it) if it.signature.as_deref() == Some(UNSEALED));
    if !parts.iter().any(is_unsealed) {
        return Cow::Borrowed(parts);
    }
    parts.iter().filter(|part| !is_unsealed(part)).cloned().collect()
}

/// Writes a content; `None` for one that was not there.
fn content_to_json(parts: &[Part], plain: bool, own: bool) -> Result<Option<Value>> {
    match parts {
        [] if plain => Ok(None),
        [Part::Text(text)] if plain && text.extra.is_empty() || !own => {
            Ok(Some(text.text.as_str().into()))
        }
        parts => Ok(Some(Value::Array(blocks_to_json(parts, own)?))),
    }
}

/// Writes blocks.
pub(super) fn blocks_to_json(parts: &[Part], own: bool) -> Result<Vec<Value>> {
    parts.iter().filter_map(|part| part_to_json(part, own).transpose()).collect()
}

/// Writes a block; `None` for a part that only another provider can use.
pub(super) fn part_to_json(part: &Part, own: bool) -> Result<Option<Value>> {
    let (mut fields, extra) = match part {
        Part::Text(text) => (text_to_json(text, own), &text.extra),
        Part::Refusal(refusal) => (
            object([("type", "text".into()), ("text", refusal.text.as_str().into())]),
            &refusal.extra,
        ),
        Part::Image(image) => (media_to_json("image", image)?, &image.extra),
        Part::File(file) => (media_to_json("document", file)?, &file.extra),
        Part::Audio(_) => return Err(invalid(format!("{PROTOCOL} takes no sound"))),
        Part::ToolCall(call) => (call_to_json(call)?, &call.extra),
        Part::ToolResult(result) => (result_to_json(result, own)?, &result.extra),
        Part::Reasoning(reasoning) if own => {
            let mut fields =
                object([("type", "thinking".into()), ("thinking", reasoning.text.as_str().into())]);
            fields.put("signature", reasoning.signature.as_deref());
            (fields, &reasoning.extra)
        }
        Part::RedactedReasoning(redacted) if own => {
            let data = redacted.data.as_str().into();
            (object([("type", "redacted_thinking".into()), ("data", data)]), &redacted.extra)
        }
        Part::Other(value) if own => return Ok(Some(value.clone())),
        Part::Reasoning(_) | Part::RedactedReasoning(_) | Part::Other(_) => return Ok(None),
    };
    if own {
        fields.fill(extra);
    }
    Ok(Some(Value::Object(fields)))
}

fn text_to_json(text: &Text, own: bool) -> Map<String, Value> {
    let mut fields = object([("type", "text".into()), ("text", text.text.as_str().into())]);
    if own && !text.citations.is_empty() {
        let citations = text.citations.iter().map(|citation| citation.0.clone()).collect();
        fields.insert("citations".to_owned(), Value::Array(citations));
    }
    fields
}

fn media_to_json(kind: &str, media: &Media) -> Result<Map<String, Value>> {
    let default = if kind == "image" { "image/png" } else { "application/pdf" };
    let media_type = media.media_type.as_deref().unwrap_or(default);
    let source = match &media.source {
        Source::Url(url) => object([("type", "url".into()), ("url", url.as_str().into())]),
        Source::File(id) => object([("type", "file".into()), ("file_id", id.as_str().into())]),
        Source::Base64(data) => object([
            ("type", "base64".into()),
            ("media_type", media_type.into()),
            ("data", data.as_str().into()),
        ]),
        Source::Text(_) if kind == "image" => return Err(invalid("an image cannot be text")),
        Source::Text(text) => object([
            ("type", "text".into()),
            ("media_type", "text/plain".into()),
            ("data", text.as_str().into()),
        ]),
    };
    let mut fields = object([("type", kind.into()), ("source", Value::Object(source))]);
    if kind == "document" {
        fields.put("title", media.name.as_deref());
    }
    Ok(fields)
}

fn call_to_json(call: &ToolCall) -> Result<Map<String, Value>> {
    let input = call.arguments_json().map_err(|error| {
        invalid(format!("the arguments of tool call {:?} are not JSON: {error}", call.id))
    })?;
    Ok(object([
        ("type", "tool_use".into()),
        ("id", call.id.as_str().into()),
        ("name", call.name.as_str().into()),
        ("input", input),
    ]))
}

fn result_to_json(result: &ToolResult, own: bool) -> Result<Map<String, Value>> {
    let mut fields =
        object([("type", "tool_result".into()), ("tool_use_id", result.id.as_str().into())]);
    fields.put("content", content_to_json(&result.parts, result.plain, own)?);
    fields.put("is_error", result.is_error);
    Ok(fields)
}

fn part_from_json(value: Value) -> Part {
    let kind = value.get("type").and_then(Value::as_str).map(str::to_owned);
    match (kind.as_deref(), value) {
        (Some(kind), Value::Object(fields)) => known_part(kind, fields),
        (_, value) => Part::Other(value),
    }
}

/// Reads a block of a known type; one that has not the known shape stays as it is.
fn known_part(kind: &str, mut fields: Map<String, Value>) -> Part {
    let text = |name: &str| fields.get(name).is_some_and(Value::is_string);
    let known = match kind {
        "text" => text("text"),
        "thinking" => text("thinking"),
        "redacted_thinking" => text("data"),
        "image" | "document" => media_type_of(&fields).is_some(),
        "tool_use" => text("id") && text("name") && fields.contains_key("input"),
        "tool_result" => text("tool_use_id"),
        _ => false,
    };
    if !known {
        return Part::Other(Value::Object(fields));
    }
    fields.shift_remove("type");
    match kind {
        "text" => Part::Text(text_from_json(fields)),
        "thinking" => Part::Reasoning(Reasoning {
            text: fields.take_string("thinking").unwrap_or_default(),
            signature: fields.take_string("signature"),
            field: None,
            extra: fields,
        }),
        "redacted_thinking" => Part::RedactedReasoning(RedactedReasoning {
            data: fields.take_string("data").unwrap_or_default(),
            extra: fields,
        }),
        "image" => Part::Image(media_from_json(fields)),
        "document" => Part::File(media_from_json(fields)),
        "tool_use" => Part::ToolCall(call_from_json(fields)),
        _ => Part::ToolResult(result_from_json(fields)),
    }
}

/// Reads a text block without its type.
pub(super) fn text_from_json(mut fields: Map<String, Value>) -> Text {
    let text = fields.take_string("text").unwrap_or_default();
    let is_list =
        fields.get("citations").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let list = is_list.then(|| fields.take_array("citations")).flatten().unwrap_or_default();
    Text { text, citations: list.into_iter().map(Citation).collect(), extra: fields }
}

/// Reads a tool call without its type.
pub(super) fn call_from_json(mut fields: Map<String, Value>) -> ToolCall {
    ToolCall {
        id: fields.take_string("id").unwrap_or_default(),
        name: fields.take_string("name").unwrap_or_default(),
        arguments: fields.shift_remove("input").unwrap_or_default().to_string(),
        extra: fields,
    }
}

fn result_from_json(mut fields: Map<String, Value>) -> ToolResult {
    let is_content = fields.get("content").is_some_and(|it| it.is_string() || it.is_array());
    let content = is_content.then(|| fields.shift_remove("content")).flatten();
    // Without a content it is written without one: no parts, and plain.
    let (parts, plain) = content.and_then(parts_from_content).unwrap_or((Vec::new(), true));
    ToolResult {
        id: fields.take_string("tool_use_id").unwrap_or_default(),
        parts,
        plain,
        is_error: fields.take_bool("is_error"),
        extra: fields,
    }
}

/// The type of a source whose fields are all known.
fn media_type_of(fields: &Map<String, Value>) -> Option<&str> {
    let source = fields.get("source")?.as_object()?;
    let kind = source.get("type")?.as_str()?;
    let text = |name: &str| source.get(name).and_then(Value::as_str);
    let known = match kind {
        "url" => text("url").is_some(),
        "file" => text("file_id").is_some(),
        "base64" => text("data").is_some() && text("media_type").is_some(),
        "text" => text("data").is_some() && text("media_type") == Some("text/plain"),
        _ => false,
    };
    known.then_some(kind)
}

fn media_from_json(mut fields: Map<String, Value>) -> Media {
    let kind = media_type_of(&fields).map(str::to_owned);
    let media = fields.take_within("source", |inner| {
        inner.shift_remove("type");
        let mut take = |name: &str| inner.take_string(name).unwrap_or_default();
        match kind.as_deref() {
            Some("url") => Media::url(take("url")),
            Some("file") => Media::file(take("file_id")),
            Some("text") => {
                take("media_type");
                Media::text(take("data"))
            }
            _ => {
                let mut media = Media::from(Source::Base64(take("data")));
                media.media_type = Some(take("media_type"));
                media
            }
        }
    });
    let mut media = media.unwrap_or_else(|| Media::url(""));
    media.name = fields.take_string("title");
    media.extra = fields;
    media
}
