//! Prompts and answers, as OpenTelemetry's conventions write them; only for who asks for it.

use serde_json::{Map, Value, json};

use crate::{
    ChatResponse, Message, Part, StopReason,
    model::{Media, Source},
};

/// The messages of a prompt.
pub(super) fn input(messages: &[Message]) -> String {
    Value::Array(messages.iter().map(|it| Value::Object(message(it))).collect()).to_string()
}

/// The answers.
pub(super) fn output(answer: &ChatResponse) -> String {
    let choices = answer.choices.iter().map(|choice| {
        let mut fields = message(&choice.message);
        let stop = choice.stop.as_ref().map_or("unknown", StopReason::name);
        fields.insert("finish_reason".to_owned(), stop.into());
        Value::Object(fields)
    });
    Value::Array(choices.collect()).to_string()
}

fn message(message: &Message) -> Map<String, Value> {
    let parts = message.parts.iter().map(part).collect();
    Map::from_iter([
        ("role".to_owned(), message.role.as_str().into()),
        ("parts".to_owned(), Value::Array(parts)),
    ])
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "content": text.text}),
        Part::Reasoning(it) => json!({"type": "reasoning", "content": it.text}),
        Part::Refusal(it) => json!({"type": "refusal", "content": it.text}),
        Part::ToolCall(call) => json!({
            "type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments,
        }),
        Part::ToolResult(result) => json!({
            "type": "tool_call_response", "id": result.id,
            "response": result.parts.iter().map(self::part).collect::<Vec<_>>(),
        }),
        Part::Image(image) => media("image", image),
        Part::Audio(audio) => media("audio", audio),
        Part::File(file) => media("document", file),
        Part::RedactedReasoning(_) | Part::Other(_) => json!({"type": "other"}),
    }
}

/// Where something is; what was sent along would be too much.
fn media(modality: &str, media: &Media) -> Value {
    let (kind, place) = match &media.source {
        Source::Url(uri) => ("uri", Some(("uri", uri))),
        Source::File(id) => ("file", Some(("file_id", id))),
        Source::Text(text) => ("text", Some(("content", text))),
        Source::Base64(_) => ("blob", None),
    };
    let mut value = json!({"type": kind, "modality": modality, "mime_type": media.media_type});
    if let (Some((name, place)), Some(fields)) = (place, value.as_object_mut()) {
        fields.insert(name.to_owned(), place.as_str().into());
    }
    value
}
