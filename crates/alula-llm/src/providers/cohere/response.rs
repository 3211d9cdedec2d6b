use serde_json::{Map, Value, json};

use super::message::{message_from_json, message_to_json};
use crate::{
    ChatResponse, Error, ErrorKind, Message, Part, Result, Role, StopReason, Usage,
    model::{
        Choice, Protocol,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::CohereChat;

/// Reads the JSON of an answer. It does not name the model.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when it has no message.
pub fn response_from_json(body: Value) -> Result<ChatResponse> {
    let Value::Object(mut body) = body else {
        return Err(decode("the answer is not a JSON object"));
    };
    let mut message =
        body.take_object("message").ok_or_else(|| decode("the answer has no message"))?;
    if !message.contains_key("role") {
        message.insert("role".to_owned(), Role::Assistant.as_str().into());
    }
    let message = message_from_json(Value::Object(message))
        .ok_or_else(|| decode("the message of the answer has no role"))?;
    let mut choice = Choice::new(0, message);
    choice.stop = body.take_string("finish_reason").map(stop_from_text);
    choice.logprobs = body.take_array("logprobs").map(Value::Array);
    Ok(ChatResponse {
        id: body.take_string("id").unwrap_or_default(),
        model: body.take_string("model").unwrap_or_default(),
        choices: vec![choice],
        usage: body.take_object("usage").map(usage_from_json),
        is_cached: false,
        origin: Some(PROTOCOL),
        extra: body,
    })
}

/// Writes the JSON of an answer: of the first one, as the format knows no others. The model has
/// no place in it.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the answer holds what this format cannot say.
pub fn response_to_json(response: &ChatResponse) -> Result<Value> {
    let own = PROTOCOL.accepts(response.origin);
    let mut body = object([("id", response.id.as_str().into())]);
    if response.origin == Some(PROTOCOL) && !response.model.is_empty() {
        body.put("model", Some(response.model.as_str()));
    }
    // Who has said nothing has sent an empty message: without one it is no answer.
    let nothing = Choice::new(0, Message::new(Role::Assistant, Vec::new()));
    let choice = response.choices.first().unwrap_or(&nothing);
    let parts: Vec<&Part> = choice.message.parts.iter().collect();
    // `plain` says here whether an empty content is left out; another is always a list.
    let has_content = parts.iter().any(|part| is_content(part, own));
    let plain = choice.message.plain && !has_content;
    let mut message = message_to_json(&choice.message, &parts, plain)?;
    let reasoning = choice.message.reasoning();
    if !own && !reasoning.is_empty() {
        let content = message.entry("content").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(content) = content {
            content.insert(0, json!({"type": "thinking", "thinking": reasoning}));
        }
    }
    body.insert("message".to_owned(), Value::Object(message));
    body.put("finish_reason", choice.stop.as_ref().map(stop_to_text));
    if own {
        body.put("logprobs", choice.logprobs.clone());
        body.fill(&choice.extra);
    }
    body.put("usage", response.usage.as_ref().map(|usage| usage_to_json(usage, own)));
    if own {
        body.fill(&response.extra);
    }
    Ok(Value::Object(body))
}

fn is_content(part: &Part, own: bool) -> bool {
    match part {
        Part::Text(_) | Part::Refusal(_) | Part::Image(_) | Part::File(_) => true,
        Part::Reasoning(reasoning) => own && reasoning.field.is_none(),
        Part::Other(_) => own,
        _ => false,
    }
}

pub(super) fn stop_from_text(reason: String) -> StopReason {
    match reason.as_str() {
        "COMPLETE" => StopReason::End,
        "STOP_SEQUENCE" => StopReason::StopSequence,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "TOOL_CALL" => StopReason::ToolCalls,
        "ERROR_TOXIC" => StopReason::ContentFilter,
        _ => StopReason::Other(reason),
    }
}

pub(super) fn stop_to_text(reason: &StopReason) -> &str {
    match reason {
        StopReason::End | StopReason::Pause | StopReason::Refusal => "COMPLETE",
        StopReason::StopSequence => "STOP_SEQUENCE",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::ToolCalls => "TOOL_CALL",
        StopReason::ContentFilter => "ERROR_TOXIC",
        StopReason::Other(reason) => reason,
    }
}

/// Reads usage: `tokens` are those that the model saw, the cached ones among them. What is billed
/// leaves some of them out, and counts only where nothing else is said.
pub(super) fn usage_from_json(mut fields: Map<String, Value>) -> Usage {
    let take = |tokens: &mut Map<String, Value>| {
        (tokens.take_u64("input_tokens"), tokens.take_u64("output_tokens"))
    };
    let seen = fields.take_within("tokens", take);
    let billed = fields.get("billed_units").and_then(Value::as_object).cloned();
    let (input, output) = match seen {
        Some(seen) => seen,
        None => {
            // A `null` notes that there were none, so that none are written either.
            fields.entry("tokens").or_insert(Value::Null);
            billed.map(|mut billed| take(&mut billed)).unwrap_or_default()
        }
    };
    Usage {
        input: input.unwrap_or_default(),
        output: output.unwrap_or_default(),
        cache_read: fields.take_u64("cached_tokens"),
        extra: fields,
        ..Usage::default()
    }
}

pub(super) fn usage_to_json(usage: &Usage, own: bool) -> Value {
    let counts = || {
        Value::Object(object([
            ("input_tokens", usage.input.into()),
            ("output_tokens", usage.output.into()),
        ]))
    };
    let mut fields = Map::new();
    if !own {
        fields.insert("billed_units".to_owned(), counts());
    }
    if !own || !usage.extra.get("tokens").is_some_and(Value::is_null) {
        fields.insert("tokens".to_owned(), counts());
    }
    fields.put("cached_tokens", usage.cache_read);
    if own {
        fields.fill(&usage.extra);
        fields.retain(|name, value| name != "tokens" || !value.is_null());
    }
    Value::Object(fields)
}

fn decode(message: &str) -> Error {
    Error::new(ErrorKind::Decode, message)
}
