//! The pieces of a message's content.

use serde_json::{Map, Value};

use super::{ITEM, exact, invalid, own};
use crate::{
    Media, Part, Result,
    model::{
        Citation, Protocol, Refusal, Source, Text,
        fields::{Fields, object},
    },
    providers::openai::{audio_to_json, take_audio},
};

/// The type of a text that the model wrote.
pub(super) const OUTPUT_TEXT: &str = "output_text";
/// The type of a text that the model is given.
pub(super) const INPUT_TEXT: &str = "input_text";

/// Reads a piece of a content, in which a text is usually of the type `text_type`.
pub(super) fn content_from_json(value: Value, text_type: &str) -> Part {
    let kind = value.get("type").and_then(Value::as_str).map(str::to_owned);
    match (kind.as_deref(), value) {
        (Some(kind), Value::Object(fields)) => known_content(kind, fields, text_type),
        (_, value) => Part::Other(value),
    }
}

/// Reads a piece of a known type; one that has not the known shape stays as it is.
fn known_content(kind: &str, mut fields: Map<String, Value>, text_type: &str) -> Part {
    let known = match kind {
        INPUT_TEXT | OUTPUT_TEXT | "text" => fields.take_string("text").map(|text| {
            let citations = take_annotations(&mut fields);
            Part::Text(Text { text, citations, ..Text::default() })
        }),
        "refusal" => fields
            .take_string("refusal")
            .map(|text| Part::Refusal(Refusal { text, extra: Map::new() })),
        "input_image" => take_image(&mut fields).map(Part::Image),
        "input_file" => take_file(&mut fields).map(Part::File),
        "input_audio" => take_audio(&mut fields).map(Part::Audio),
        _ => None,
    };
    let Some(mut part) = known else { return Part::Other(Value::Object(fields)) };
    let usual = !matches!(part, Part::Text(_)) || kind == text_type;
    if usual {
        fields.shift_remove("type");
    }
    match &mut part {
        Part::Text(text) => text.extra = fields,
        Part::Refusal(refusal) => refusal.extra = fields,
        Part::Image(media) | Part::Audio(media) | Part::File(media) => media.extra = fields,
        _ => {}
    }
    part
}

/// Takes the sources of a text; an empty list of them stays.
fn take_annotations(fields: &mut Map<String, Value>) -> Vec<Citation> {
    let list = fields.get("annotations").and_then(Value::as_array);
    if list.is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let list = fields.take_array("annotations").unwrap_or_default();
    list.into_iter().map(Citation).collect()
}

fn take_image(fields: &mut Map<String, Value>) -> Option<Media> {
    let text = |name: &str| fields.get(name).is_some_and(Value::is_string);
    match (text("image_url"), text("file_id")) {
        (true, false) => Some(Media::from_url(fields.take_string("image_url")?)),
        (false, true) => Some(Media::file(fields.take_string("file_id")?)),
        _ => None,
    }
}

fn take_file(fields: &mut Map<String, Value>) -> Option<Media> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let media = match (text("file_url"), text("file_id"), text("file_data")) {
        (Some(url), None, None) if is_address(url) => Media::url(url),
        (None, Some(id), None) => Media::file(id),
        // Data without a name would get one on its way out.
        (None, None, Some(data)) if text("filename").is_some() => {
            let media = Media::from_url(data.to_owned());
            matches!(media.source, Source::Base64(_)).then_some(media)?
        }
        _ => return None,
    };
    for name in ["file_url", "file_id", "file_data"] {
        if fields.get(name).is_some_and(Value::is_string) {
            fields.shift_remove(name);
        }
    }
    Some(Media { name: fields.take_string("filename"), ..media })
}

fn is_address(url: &str) -> bool {
    !url.starts_with("data:")
}

/// Writes a piece of a content; `None` for a part that only another provider can use.
pub(super) fn content_to_json(
    part: &Part,
    text_type: &str,
    origin: Option<Protocol>,
) -> Result<Option<Value>> {
    let (mut fields, extra) = match part {
        Part::Text(text) => (text_to_json(text, text_type, origin), &text.extra),
        Part::Refusal(refusal) if text_type == OUTPUT_TEXT => {
            let text = refusal.text.as_str().into();
            (object([("type", "refusal".into()), ("refusal", text)]), &refusal.extra)
        }
        Part::Refusal(refusal) => {
            let text = refusal.text.as_str().into();
            (object([("type", text_type.into()), ("text", text)]), &refusal.extra)
        }
        Part::Other(value) if own(origin) => return Ok(Some(value.clone())),
        Part::Other(_) | Part::Reasoning(_) | Part::RedactedReasoning(_) => return Ok(None),
        Part::Image(_) | Part::Audio(_) | Part::File(_)
            if text_type == OUTPUT_TEXT && !exact(origin) =>
        {
            return Err(invalid("what the model said can only be sent back as text"));
        }
        Part::Image(image) => (image_to_json(image), &image.extra),
        Part::File(file) => (file_to_json(file), &file.extra),
        Part::Audio(audio) => {
            let sound = audio_to_json(audio)?;
            (object([("type", "input_audio".into()), ("input_audio", sound)]), &audio.extra)
        }
        Part::ToolCall(_) | Part::ToolResult(_) => {
            return Err(invalid("a message can only hold text, images, sound and files"));
        }
    };
    if own(origin) {
        fields.fill(extra);
        fields.shift_remove(ITEM);
    }
    Ok(Some(Value::Object(fields)))
}

fn text_to_json(text: &Text, text_type: &str, origin: Option<Protocol>) -> Map<String, Value> {
    let kept = text.extra.get("type").and_then(Value::as_str).filter(|_| own(origin));
    let kind = kept.unwrap_or(text_type);
    let mut fields = object([("type", kind.into()), ("text", text.text.as_str().into())]);
    // The API demands the list, even if it is empty.
    let demanded = kind == OUTPUT_TEXT && !exact(origin);
    if kind == OUTPUT_TEXT && (demanded || !text.citations.is_empty()) {
        let end = text.text.chars().count();
        let list = text.citations.iter().map(|citation| citation_to_json(citation, end)).collect();
        fields.insert("annotations".to_owned(), Value::Array(list));
    }
    fields
}

/// A source as this format writes it: flat, and with its place in the text, which is the whole
/// text for providers that give none.
fn citation_to_json(citation: &Citation, end: usize) -> Value {
    const KINDS: [&str; 4] =
        ["url_citation", "file_citation", "container_file_citation", "file_path"];
    let nested = citation.0.get("url_citation");
    let kind = citation.0.get("type").and_then(Value::as_str).unwrap_or_default();
    if citation.url().is_none() || (nested.is_none() && KINDS.contains(&kind)) {
        return citation.0.clone();
    }
    let place = |name: &str| nested.and_then(|it| it.get(name)).and_then(Value::as_u64);
    let mut fields = object([
        ("type", "url_citation".into()),
        ("start_index", place("start_index").unwrap_or_default().into()),
        ("end_index", place("end_index").unwrap_or(end as u64).into()),
    ]);
    fields.put("url", citation.url());
    fields.put("title", Some(citation.title().unwrap_or_default()));
    Value::Object(fields)
}

fn image_to_json(image: &Media) -> Map<String, Value> {
    let mut fields = object([("type", "input_image".into())]);
    match (&image.source, image.to_url()) {
        (Source::File(id), _) => fields.put("file_id", Some(id.as_str())),
        (_, url) => fields.put("image_url", url),
    }
    fields
}

fn file_to_json(file: &Media) -> Map<String, Value> {
    let mut fields = object([("type", "input_file".into())]);
    match &file.source {
        Source::File(id) => fields.put("file_id", Some(id.as_str())),
        Source::Url(url) => fields.put("file_url", Some(url.as_str())),
        Source::Base64(_) | Source::Text(_) => {
            fields.put("file_data", file.to_url());
            fields.put("filename", Some("document"));
        }
    }
    fields.put("filename", file.name.as_deref());
    fields
}
