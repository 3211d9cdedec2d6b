use serde_json::{Map, Value, json};

use super::{
    message::{content_to_json, message_from_json},
    part::{MADE_ID, Origin},
    usage::{usage_from_json, usage_to_json},
};
use crate::{
    ChatResponse, Error, ErrorKind, Message, Part, Result, Role, StopReason,
    model::{
        Choice, Citation, Extra, Protocol,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::GeminiGenerate;

/// Fields of which every answer has one.
pub(super) const MARKS: [&str; 3] = ["candidates", "promptFeedback", "usageMetadata"];

/// Reads the JSON of an answer.
///
/// A prompt that was blocked is an answer without a word that ended by
/// [`StopReason::ContentFilter`]; `promptFeedback` says why.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when it is no such answer.
pub fn response_from_json(body: Value) -> Result<ChatResponse> {
    let Value::Object(mut body) = body else {
        return Err(decode("the answer is not a JSON object"));
    };
    if !MARKS.iter().any(|name| body.contains_key(*name)) {
        return Err(decode("the answer has neither candidates nor a report on the prompt"));
    }
    let id = body.take_text("responseId").unwrap_or_default();
    let has_candidates = body.get("candidates").is_some_and(|it| it.get(0).is_some());
    let list = has_candidates.then(|| body.take_array("candidates")).flatten().unwrap_or_default();
    let mut choices = Vec::with_capacity(list.len());
    for (position, candidate) in list.into_iter().enumerate() {
        let Value::Object(candidate) = candidate else {
            return Err(decode("a candidate of the answer is not a JSON object"));
        };
        choices.push(choice_from_json(candidate, position, &id));
    }
    if choices.is_empty() && block_reason(&body).is_some() {
        choices.push(blocked());
    }
    Ok(ChatResponse {
        id,
        model: body.take_text("modelVersion").unwrap_or_default(),
        choices,
        usage: body.take_object("usageMetadata").map(usage_from_json),
        is_cached: false,
        origin: Some(PROTOCOL),
        extra: body,
    })
}

fn choice_from_json(mut fields: Map<String, Value>, position: usize, id: &str) -> Choice {
    let index = fields.get("index").and_then(Value::as_u64);
    let index = index.and_then(|it| it.try_into().ok()).or_else(|| position.try_into().ok());
    let index = index.unwrap_or_default();
    // An empty content stays in `extra`, as it is not the same as none.
    let has_content =
        fields.get("content").and_then(Value::as_object).is_some_and(|it| !it.is_empty());
    let content = has_content.then(|| fields.take_object("content")).flatten().unwrap_or_default();
    let mut message = message_from_json(content, Role::Assistant);
    let mut calls = 0;
    for part in &mut message.parts {
        if let Part::ToolCall(call) = part {
            if call.id.is_empty() {
                call.id = made_id(id, index, calls);
            }
            calls += 1;
        }
    }
    let citations = citations(&fields);
    if let Some(Part::Text(text)) =
        message.parts.iter_mut().rfind(|part| matches!(part, Part::Text(_)))
    {
        text.citations = citations;
    }
    let mut choice = Choice::new(index, message);
    choice.logprobs = fields.take_object("logprobsResult").map(Value::Object);
    choice.stop = take_stop(&mut fields, calls > 0);
    choice.extra = fields;
    choice
}

/// An id for a call that came without one: the same whenever the answer is read, and another one
/// in every answer. The API allows letters that other providers do not.
pub(super) fn made_id(answer: &str, choice: u32, call: u32) -> String {
    const CHARS_MAX: usize = 24;
    let answer: String =
        answer.chars().filter(char::is_ascii_alphanumeric).take(CHARS_MAX).collect();
    format!("{MADE_ID}{answer}_{choice}_{call}")
}

/// An answer of which there is nothing, as the prompt was blocked.
fn blocked() -> Choice {
    let mut message = Message::new(Role::Assistant, Vec::new());
    message.origin = Some(PROTOCOL);
    let mut choice = Choice::new(0, message);
    choice.stop = Some(StopReason::ContentFilter);
    choice
}

/// Why the prompt was blocked, if it was.
pub(super) fn block_reason(body: &Map<String, Value>) -> Option<&str> {
    body.get("promptFeedback")?.get("blockReason")?.as_str()
}

/// Takes the reason, or leaves it where the model has no word of its own for it.
pub(super) fn take_stop(fields: &mut Map<String, Value>, has_calls: bool) -> Option<StopReason> {
    let reason = fields.get("finishReason")?.as_str()?;
    let stop = stop_from_text(reason, has_calls);
    // One of a filter says which, and tells a candidate from a blocked prompt.
    if stop_to_text(&stop) == reason && stop != StopReason::ContentFilter {
        fields.shift_remove("finishReason");
    }
    Some(stop)
}

fn stop_from_text(reason: &str, has_calls: bool) -> StopReason {
    match reason {
        "STOP" if has_calls => StopReason::ToolCalls,
        "STOP" => StopReason::End,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => StopReason::ContentFilter,
        _ => StopReason::Other(reason.to_owned()),
    }
}

fn stop_to_text(stop: &StopReason) -> &str {
    match stop {
        StopReason::End | StopReason::StopSequence | StopReason::ToolCalls => "STOP",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::ContentFilter | StopReason::Refusal => "SAFETY",
        StopReason::Pause => "OTHER",
        StopReason::Other(reason) => reason,
    }
}

/// The sources that an answer names: of its quotations, and of the search that it rests on.
///
/// They are written where they came from.
pub(super) fn citations(fields: &Map<String, Value>) -> Vec<Citation> {
    let list = |field: &str, name: &str| {
        fields.get(field).and_then(|it| it.get(name)?.as_array()).map(Vec::as_slice)
    };
    let quoted = ["citationSources", "citations"].map(|name| list("citationMetadata", name));
    let found = list("groundingMetadata", "groundingChunks");
    let mut citations: Vec<Citation> = Vec::new();
    for value in quoted.into_iter().chain([found]).flatten().flatten() {
        if !citations.iter().any(|known| known.0 == *value) {
            citations.push(Citation(value.clone()));
        }
    }
    citations
}

/// Writes the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the answer holds what this format cannot say.
pub fn response_to_json(response: &ChatResponse) -> Result<Value> {
    let origin = Origin::of(response.origin);
    let mut body = Map::new();
    if !is_blocked(response) && !response.choices.is_empty() {
        let candidates = response.choices.iter().map(|choice| choice_to_json(choice, origin));
        body.insert("candidates".to_owned(), candidates.collect::<Result<Vec<_>>>()?.into());
    }
    let usage = response.usage.as_ref().map(|usage| usage_to_json(usage, origin));
    body.put("usageMetadata", usage);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    body.put("modelVersion", text(&response.model));
    body.put("responseId", text(&response.id));
    if origin.is_own() {
        body.fill(&response.extra);
    }
    Ok(Value::Object(body))
}

/// Whether the only answer is the one that stands for a blocked prompt.
fn is_blocked(response: &ChatResponse) -> bool {
    let is_own = response.origin == Some(PROTOCOL) && block_reason(&response.extra).is_some();
    match &*response.choices {
        [Choice { message, stop: Some(StopReason::ContentFilter), extra, .. }] if is_own => {
            message.parts.is_empty() && message.extra.is_empty() && extra.is_empty()
        }
        _ => false,
    }
}

fn choice_to_json(choice: &Choice, origin: Origin) -> Result<Value> {
    let mut fields = Map::new();
    let mut content = content_to_json(&choice.message)?;
    let reasoning = choice.message.reasoning();
    if !origin.is_own() && !reasoning.is_empty() {
        // It is for the reader of the answer; without a seal it is not used again.
        content.entry("role").or_insert_with(|| "model".into());
        let parts = content.entry("parts").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(parts) = parts {
            parts.insert(0, json!({"text": reasoning, "thought": true}));
        }
    }
    if !content.is_empty() {
        fields.insert("content".to_owned(), content.into());
    }
    let has_calls = choice.message.tool_calls().next().is_some();
    let extra = origin.is_own().then_some(&choice.extra);
    fields.put("finishReason", choice.stop.as_ref().map(|it| finish_reason(it, extra, has_calls)));
    if origin != Origin::Here {
        // What came without a number has none; one that came is in `extra`.
        fields.put("index", Some(choice.index));
        fields.put("citationMetadata", sources_to_json(choice.message.citations()));
    }
    if origin.is_own() {
        fields.put("logprobsResult", choice.logprobs.clone());
        fields.fill(&choice.extra);
    }
    Ok(Value::Object(fields))
}

/// The reason to stop; the words that the answer has for it in its own unknown fields are kept.
pub(super) fn finish_reason<'a>(
    stop: &'a StopReason,
    extra: Option<&'a Extra>,
    has_calls: bool,
) -> &'a str {
    let spelled = extra.and_then(|extra| extra.get("finishReason")?.as_str());
    let spelled = spelled.filter(|reason| stop_from_text(reason, has_calls) == *stop);
    spelled.unwrap_or_else(|| stop_to_text(stop))
}

/// The sources that another provider named, as far as they have an address.
pub(super) fn sources_to_json<'a>(citations: impl Iterator<Item = &'a Citation>) -> Option<Value> {
    let sources: Vec<Value> = citations
        .filter_map(|citation| {
            let mut source = object([("uri", citation.url()?.into())]);
            source.put("title", citation.title());
            Some(Value::Object(source))
        })
        .collect();
    (!sources.is_empty()).then(|| object([("citationSources", sources.into())]).into())
}

fn decode(message: &str) -> Error {
    Error::new(ErrorKind::Decode, message)
}
