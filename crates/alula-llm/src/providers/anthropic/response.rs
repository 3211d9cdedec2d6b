use serde_json::{Map, Value, json};

use super::message::{UNSEALED, blocks_to_json, parts_from_content};
use crate::{
    ChatResponse, Error, ErrorKind, Message, Result, Role, StopReason, Usage,
    model::{
        Choice, Protocol,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::AnthropicMessages;

/// Reads the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when it has no list of content blocks.
pub fn response_from_json(body: Value) -> Result<ChatResponse> {
    let Value::Object(mut body) = body else {
        return Err(decode("the answer is not a JSON object"));
    };
    let content =
        body.take_array("content").ok_or_else(|| decode("the answer has no list of content"))?;
    let (parts, plain) = parts_from_content(Value::Array(content)).unwrap_or_default();
    let role = body.take_string("role").map_or(Role::Assistant, Role::from);
    let mut message = Message::new(role, parts);
    message.plain = plain;
    message.origin = Some(PROTOCOL);
    let mut choice = Choice::new(0, message);
    choice.stop = body.take_string("stop_reason").map(stop_from_text);
    choice.stop_sequence = body.take_string("stop_sequence");
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

/// Writes the JSON of an answer: of the first one, as the format knows no others.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the answer holds what this format cannot say.
pub fn response_to_json(response: &ChatResponse) -> Result<Value> {
    let own = PROTOCOL.accepts(response.origin);
    let mut body = object([("id", response.id.as_str().into())]);
    if response.origin != Some(PROTOCOL) {
        body.put("type", Some("message"));
    }
    body.put("model", Some(response.model.as_str()));
    // Who has said nothing has sent an empty message: without one it is no answer.
    let nothing = Choice::new(0, Message::new(Role::Assistant, Vec::new()));
    let choice = response.choices.first().unwrap_or(&nothing);
    body.put("role", Some(choice.message.role.as_str()));
    let mut content = blocks_to_json(&choice.message.parts, own)?;
    let reasoning = choice.message.reasoning();
    if !own && !reasoning.is_empty() {
        // It is for the reader of the answer; without a seal nobody takes it back.
        let thinking = json!({"type": "thinking", "thinking": reasoning, "signature": UNSEALED});
        content.insert(0, thinking);
    }
    body.insert("content".to_owned(), Value::Array(content));
    body.put("stop_reason", choice.stop.as_ref().map(stop_to_text));
    body.put("stop_sequence", choice.stop_sequence.as_deref());
    if own {
        body.fill(&choice.extra);
    } else {
        body.entry("stop_sequence").or_insert(Value::Null);
    }
    body.put("usage", response.usage.as_ref().map(|usage| usage_to_json(usage, own)));
    if own {
        body.fill(&response.extra);
    }
    Ok(Value::Object(body))
}

pub(super) fn stop_from_text(reason: String) -> StopReason {
    match reason.as_str() {
        "end_turn" => StopReason::End,
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolCalls,
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Pause,
        _ => StopReason::Other(reason),
    }
}

pub(super) fn stop_to_text(reason: &StopReason) -> &str {
    match reason {
        StopReason::End => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolCalls => "tool_use",
        StopReason::Refusal | StopReason::ContentFilter => "refusal",
        StopReason::Pause => "pause_turn",
        StopReason::Other(reason) => reason,
    }
}

/// Reads usage. The API counts the cache beside the input, the model counts it in.
pub(super) fn usage_from_json(mut fields: Map<String, Value>) -> Usage {
    let cache_read = fields.take_u64("cache_read_input_tokens");
    let cache_write = fields.take_u64("cache_creation_input_tokens");
    let fresh = fields.take_u64("input_tokens").unwrap_or_default();
    let reasoning =
        fields.take_within("output_tokens_details", |inner| inner.take_u64("thinking_tokens"));
    let within = |object: &str, name: &str| fields.get(object)?.get(name)?.as_u64();
    let cache_write_hour = within("cache_creation", "ephemeral_1h_input_tokens");
    let searches = within("server_tool_use", "web_search_requests");
    Usage {
        input: [cache_read, cache_write].into_iter().flatten().fold(fresh, u64::saturating_add),
        output: fields.take_u64("output_tokens").unwrap_or_default(),
        cache_read,
        cache_write,
        cache_write_hour,
        reasoning: reasoning.flatten(),
        searches,
        extra: fields,
        ..Usage::default()
    }
}

pub(super) fn usage_to_json(usage: &Usage, own: bool) -> Value {
    let cached =
        usage.cache_read.unwrap_or_default().saturating_add(usage.cache_write.unwrap_or_default());
    let mut fields = object([
        ("input_tokens", usage.input.saturating_sub(cached).into()),
        ("output_tokens", usage.output.into()),
    ]);
    fields.put("cache_read_input_tokens", usage.cache_read);
    fields.put("cache_creation_input_tokens", usage.cache_write);
    let reasoning = usage.reasoning.map(|tokens| object([("thinking_tokens", tokens.into())]));
    fields.put("output_tokens_details", reasoning);
    if own {
        fields.fill(&usage.extra);
    }
    Value::Object(fields)
}

fn decode(message: &str) -> Error {
    Error::new(ErrorKind::Decode, message)
}
