//! Parts of a content, which requests and answers share.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::request::invalid;
use crate::{
    Media, Part, Result,
    model::{
        Protocol, Reasoning, Source, Text, ToolCall, ToolResult,
        fields::{Fields, object},
    },
};

/// How the ids begin that stand for those that the API did not give; they are never sent.
pub(super) const MADE_ID: &str = "gemini_";

/// Where files are that were uploaded to the API.
const FILES: [&str; 2] = ["https://generativelanguage.googleapis.com/", "gs://"];

/// Fields that say what a part is, of which a part has one.
const KINDS: [&str; 5] = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];

/// Where what is written comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was read in this format, and is written as it was.
    Here,
    /// It was made by hand.
    Hand,
    /// It was read in another format.
    Elsewhere,
}

/// What to call a medium whose type nobody gave.
#[derive(Clone, Copy)]
enum Kind {
    Image,
    Audio,
    File,
}

impl Origin {
    pub(super) fn of(origin: Option<Protocol>) -> Self {
        match origin {
            Some(Protocol::GeminiGenerate) => Self::Here,
            None => Self::Hand,
            Some(_) => Self::Elsewhere,
        }
    }

    /// Whether extra fields are those of this format.
    pub(super) fn is_own(self) -> bool {
        self != Self::Elsewhere
    }
}

/// Reads a part; one that has not a known shape stays as it is.
pub(super) fn part_from_json(value: Value) -> Part {
    let Value::Object(fields) = value else { return Part::Other(value) };
    let is_thought = fields.get("thought") == Some(&Value::Bool(true));
    let inner = |kind: &str, name: &str| fields.get(kind)?.get(name);
    let text = |kind: &str, name: &str| inner(kind, name).is_some_and(Value::is_string);
    let kind = KINDS.into_iter().find(|kind| fields.contains_key(*kind)).unwrap_or_default();
    match kind {
        "text" if fields.get("text").is_some_and(Value::is_string) => {
            if is_thought {
                thought(fields)
            } else {
                Part::Text(plain_text(fields))
            }
        }
        // A picture that is a thought is not part of the answer.
        "inlineData" if !is_thought && text(kind, "data") && text(kind, "mimeType") => {
            medium(fields, kind, "data")
        }
        "fileData" if text(kind, "fileUri") => medium(fields, kind, "fileUri"),
        "functionCall"
            if text(kind, "name") && inner(kind, "args").is_none_or(Value::is_object) =>
        {
            Part::ToolCall(call(fields))
        }
        "functionResponse"
            if text(kind, "name") && inner(kind, "response").is_some_and(Value::is_object) =>
        {
            Part::ToolResult(result(fields))
        }
        _ => Part::Other(Value::Object(fields)),
    }
}

fn thought(mut fields: Map<String, Value>) -> Part {
    fields.shift_remove("thought");
    Part::Reasoning(Reasoning {
        text: fields.take_string("text").unwrap_or_default(),
        signature: fields.take_string("thoughtSignature"),
        field: None,
        extra: fields,
    })
}

fn plain_text(mut fields: Map<String, Value>) -> Text {
    let text = fields.take_string("text").unwrap_or_default();
    Text { text, citations: Vec::new(), extra: fields }
}

fn medium(mut fields: Map<String, Value>, kind: &str, source: &str) -> Part {
    let taken = fields.take_within(kind, |inner| {
        let name = inner.get("displayName").and_then(Value::as_str).map(str::to_owned);
        (inner.take_string(source), inner.take_string("mimeType"), name)
    });
    let (text, media_type, name) = taken.unwrap_or_default();
    let text = text.unwrap_or_default();
    let source = match kind {
        "inlineData" => Source::Base64(text),
        _ if FILES.iter().any(|files| text.starts_with(files)) => Source::File(text),
        _ => Source::Url(text),
    };
    let kind = media_type.as_deref().and_then(|it| it.split('/').next()).unwrap_or_default();
    let of_kind = match kind {
        "image" => Part::Image,
        "audio" => Part::Audio,
        _ => Part::File,
    };
    of_kind(Media { source, media_type, name, extra: fields })
}

fn call(mut fields: Map<String, Value>) -> ToolCall {
    let taken = fields.take_within("functionCall", |inner| {
        (inner.take_text("id"), inner.take_string("name"), inner.take_object("args"))
    });
    let (id, name, args) = taken.unwrap_or_default();
    ToolCall {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        arguments: args.map(|args| Value::Object(args).to_string()).unwrap_or_default(),
        extra: fields,
    }
}

/// Reads a result. Its name stays in `extra`, as other formats go by the id alone.
fn result(mut fields: Map<String, Value>) -> ToolResult {
    let taken = fields.take_within("functionResponse", |inner| {
        (inner.take_text("id"), inner.take_object("response"), take_media(inner))
    });
    let (id, response, media) = taken.unwrap_or_default();
    let mut result =
        ToolResult { id: id.unwrap_or_default(), plain: true, ..ToolResult::default() };
    let response = response.unwrap_or_default();
    let (text, is_error) = short_response(&response).map_or_else(
        || (Value::Object(response.clone()).to_string(), None),
        |(text, is_error)| (text.to_owned(), is_error),
    );
    result.parts.push(Part::text(text));
    result.is_error = is_error;
    result.parts.extend(media.unwrap_or_default());
    result.extra = fields;
    result
}

/// The pictures and documents of a result; a list of anything else, or of nothing, stays.
fn take_media(inner: &mut Map<String, Value>) -> Option<Vec<Part>> {
    let list = inner.get("parts")?.as_array().filter(|list| !list.is_empty())?;
    let parts = list.iter().cloned().map(part_from_json).collect::<Vec<_>>();
    let is_media = |part: &Part| matches!(part, Part::Image(_) | Part::Audio(_) | Part::File(_));
    if !parts.iter().all(is_media) {
        return None;
    }
    inner.shift_remove("parts");
    Some(parts)
}

/// The text of a response that is nothing else, and whether it is that of an error.
fn short_response(response: &Map<String, Value>) -> Option<(&str, Option<bool>)> {
    let (name, text) = response.iter().next().filter(|_| response.len() == 1)?;
    let is_error = match name.as_str() {
        "output" => None,
        "error" => Some(true),
        _ => return None,
    };
    let text = text.as_str()?;
    (response_of(text, is_error) == *response).then_some((text, is_error))
}

/// The response that a text stands for: an object where it spells one out.
pub(super) fn response_of(text: &str, is_error: Option<bool>) -> Map<String, Value> {
    if is_error == Some(true) {
        return object([("error", text.into())]);
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(response)) => response,
        _ => object([("output", text.into())]),
    }
}

/// Writes a part; `None` for one that has no place here. Results of tools are written elsewhere.
pub(super) fn part_to_json(part: &Part, origin: Origin) -> Result<Option<Value>> {
    let text = |text: &str| object([("text", text.into())]);
    let (mut fields, extra) = match part {
        Part::Text(it) => (text(&it.text), &it.extra),
        Part::Refusal(it) => (text(&it.text), &it.extra),
        Part::Image(it) => (media_to_json(it, Kind::Image, origin), &it.extra),
        Part::Audio(it) => (media_to_json(it, Kind::Audio, origin), &it.extra),
        Part::File(it) => (media_to_json(it, Kind::File, origin), &it.extra),
        Part::ToolCall(it) => (call_to_json(it, origin)?, &it.extra),
        Part::Reasoning(it) if origin.is_own() => {
            let mut fields = text(&it.text);
            fields.put("thought", Some(true));
            fields.put("thoughtSignature", it.signature.as_deref());
            (fields, &it.extra)
        }
        Part::Other(value) if origin.is_own() => return Ok(Some(value.clone())),
        _ => return Ok(None),
    };
    if origin.is_own() {
        fields.fill(extra);
    }
    Ok(Some(Value::Object(fields)))
}

fn media_to_json(media: &Media, kind: Kind, origin: Origin) -> Map<String, Value> {
    let (default, known) = match kind {
        Kind::Image => ("image/png", "image/"),
        Kind::Audio => ("audio/wav", "audio/"),
        Kind::File => ("application/pdf", ""),
    };
    let media_type = media.media_type.as_deref();
    let inline = |media_type: &str, data: Value| {
        let inner = object([("mimeType", media_type.into()), ("data", data)]);
        object([("inlineData", inner.into())])
    };
    match &media.source {
        Source::Base64(data) => inline(media_type.unwrap_or(default), data.as_str().into()),
        Source::Text(text) => {
            inline(media_type.unwrap_or("text/plain"), STANDARD.encode(text).into())
        }
        Source::Url(uri) | Source::File(uri) => {
            let mut inner = object([("fileUri", uri.as_str().into())]);
            let guess = || type_by_name(uri).filter(|guess| guess.starts_with(known));
            let media_type =
                if origin == Origin::Here { media_type } else { media_type.or_else(guess) };
            inner.put("mimeType", media_type);
            object([("fileData", inner.into())])
        }
    }
}

/// The type of a file by the end of its name, of those that the API takes.
fn type_by_name(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "gif" => "image/gif",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "webm" => "video/webm",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "html" => "text/html",
        "csv" => "text/csv",
        "json" => "application/json",
        _ => return None,
    })
}

fn call_to_json(call: &ToolCall, origin: Origin) -> Result<Map<String, Value>> {
    let args = match call.arguments_json() {
        Ok(_) if origin == Origin::Here && call.arguments.is_empty() => None,
        Ok(Value::Object(args)) => Some(args),
        Ok(_) => {
            let message = format!("the arguments of tool call {:?} are no JSON object", call.id);
            return Err(invalid(message));
        }
        Err(error) => {
            let message = format!("the arguments of tool call {:?} are not JSON: {error}", call.id);
            return Err(invalid(message));
        }
    };
    let mut inner = Map::new();
    inner.put("id", sent_id(&call.id));
    inner.put("name", Some(call.name.as_str()));
    inner.put("args", args);
    Ok(object([("functionCall", inner.into())]))
}

/// The id, unless it is one that the API never gave.
pub(super) fn sent_id(id: &str) -> Option<&str> {
    (!id.is_empty() && !id.starts_with(MADE_ID)).then_some(id)
}
