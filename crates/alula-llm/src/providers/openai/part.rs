//! The parts of a content.

use serde_json::{Map, Value};

use super::{
    media,
    mistral::{self, DOCUMENT, THINKING},
    request::invalid,
};
use crate::{
    Media, Part, Result,
    model::{
        Refusal, Source, Text,
        fields::{Fields, object},
    },
};

/// Reads a part of a content.
pub(in crate::providers) fn part_from_json(value: Value) -> Part {
    let kind = value.get("type").and_then(Value::as_str).map(str::to_owned);
    match (kind.as_deref(), value) {
        (Some(kind), Value::Object(fields)) => known_part(kind, fields),
        (_, value) => Part::Other(value),
    }
}

/// Writes a part of a content.
pub(in crate::providers) fn part_to_json(part: &Part, own: bool) -> Result<Value> {
    if let Part::Audio(media) | Part::File(media) = part
        && let Some(fetched) = media::fetched_to_json(media)
    {
        return Ok(fetched);
    }
    let (kind, value, extra) = match part {
        Part::Text(text) => ("text", text.text.as_str().into(), &text.extra),
        Part::Refusal(refusal) => ("refusal", refusal.text.as_str().into(), &refusal.extra),
        Part::Image(image) => {
            let url = image.to_url().ok_or_else(|| invalid("an image needs a URL or bytes"))?;
            ("image_url", Value::Object(object([("url", url.into())])), &image.extra)
        }
        Part::Audio(audio) => ("input_audio", audio_to_json(audio)?, &audio.extra),
        Part::File(file) => {
            if let Some(mut document) = mistral::document_to_json(file) {
                if own {
                    document.fill(&file.extra);
                }
                return Ok(Value::Object(document));
            }
            ("file", file_to_json(file)?, &file.extra)
        }
        Part::Reasoning(reasoning) if own && reasoning.field.as_deref() == Some(THINKING) => {
            let mut fields = mistral::thinking_to_json(reasoning);
            fields.fill(&reasoning.extra);
            return Ok(Value::Object(fields));
        }
        Part::Other(value) => return Ok(value.clone()),
        Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Reasoning(_)
        | Part::RedactedReasoning(_) => {
            return Err(invalid("a tool's result can only hold text, images and files"));
        }
    };
    let mut fields = object([("type", kind.into()), (kind, value)]);
    if own {
        fields.fill(extra);
    }
    Ok(Value::Object(fields))
}

pub(in crate::providers) fn audio_to_json(audio: &Media) -> Result<Value> {
    let Source::Base64(data) = &audio.source else {
        return Err(invalid("sound must be sent as bytes"));
    };
    let media_type = audio.media_type.as_deref().unwrap_or("audio/wav");
    let format = match media_type.strip_prefix("audio/").unwrap_or(media_type) {
        "mpeg" => "mp3",
        "x-wav" | "wave" => "wav",
        format => format,
    };
    Ok(Value::Object(object([("data", data.as_str().into()), ("format", format.into())])))
}

fn file_to_json(file: &Media) -> Result<Value> {
    let mut fields = Map::new();
    match &file.source {
        Source::File(id) => fields.put("file_id", Some(id.as_str())),
        Source::Url(_) => {
            return Err(invalid("a document must be sent as bytes or as an uploaded file"));
        }
        Source::Base64(_) | Source::Text(_) => fields.put("file_data", file.to_url()),
    }
    let given = matches!(file.source, Source::File(_));
    let name = file.name.as_deref().or((!given).then_some("document"));
    fields.put("filename", name);
    Ok(Value::Object(fields))
}

/// Reads a part of a known type; one that has not the known shape stays as it is.
fn known_part(kind: &str, original: Map<String, Value>) -> Part {
    let mut fields = original;
    let known = match kind {
        "text" => {
            fields.take_string("text").map(|text| Part::Text(Text { text, ..Text::default() }))
        }
        "refusal" => fields
            .take_string("refusal")
            .map(|text| Part::Refusal(Refusal { text, extra: Map::new() })),
        "image_url" => fields
            .take_within("image_url", |inner| inner.take_string("url"))
            .flatten()
            .map(|url| Part::Image(Media::from_url(url))),
        "input_audio" => take_audio(&mut fields).map(Part::Audio),
        "file" => take_file(&mut fields).map(Part::File),
        THINKING => mistral::thinking_from_json(&mut fields).map(Part::Reasoning),
        DOCUMENT => mistral::document_from_json(&mut fields).map(Part::File),
        _ => None,
    };
    let Some(mut part) = known else { return Part::Other(Value::Object(fields)) };
    fields.shift_remove("type");
    match &mut part {
        Part::Text(text) => text.extra = fields,
        Part::Refusal(refusal) => refusal.extra = fields,
        Part::Reasoning(reasoning) => reasoning.extra = fields,
        Part::Image(media) | Part::Audio(media) | Part::File(media) => media.extra = fields,
        _ => {}
    }
    part
}

pub(in crate::providers) fn take_audio(fields: &mut Map<String, Value>) -> Option<Media> {
    let inner = fields.get("input_audio")?;
    if !inner.get("data")?.is_string() || !inner.get("format")?.is_string() {
        return None;
    }
    fields.take_within("input_audio", |inner| {
        let format = inner.take_string("format")?;
        let mut media = Media::from(Source::Base64(inner.take_string("data")?));
        media.media_type = Some(format!("audio/{format}"));
        Some(media)
    })?
}

fn take_file(fields: &mut Map<String, Value>) -> Option<Media> {
    let inner = fields.get("file")?;
    let has_data = inner
        .get("file_data")
        .and_then(Value::as_str)
        .is_some_and(|data| matches!(Media::from_url(data.to_owned()).source, Source::Base64(_)));
    let has_id = inner.get("file_id").is_some_and(Value::is_string);
    let has_name = inner.get("filename").is_some_and(Value::is_string);
    // With both or neither there is nothing to choose from, and data without a name would get
    // one on its way out.
    if has_data == has_id || (has_data && !has_name) {
        return None;
    }
    fields.take_within("file", |inner| {
        let mut media = match inner.take_string("file_id") {
            Some(id) => Media::file(id),
            None => Media::from_url(inner.take_string("file_data")?),
        };
        media.name = inner.take_string("filename");
        Some(media)
    })?
}
