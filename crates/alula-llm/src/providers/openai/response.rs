use std::borrow::Cow;

use serde_json::{Map, Value};

use super::message::{REASONING_FIELD, annotations, message_from_json, message_to_json};
use crate::{
    ChatResponse, Error, ErrorKind, Message, Part, Result, Role, StopReason, Usage,
    model::{
        Choice, Protocol, Text,
        fields::{Fields, object},
    },
    providers::logprobs::to_openai,
};

const PROTOCOL: Protocol = Protocol::OpenAiChat;

/// Reads the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when it has no list of choices.
pub fn response_from_json(body: Value) -> Result<ChatResponse> {
    let Value::Object(mut body) = body else {
        return Err(decode("the answer is not a JSON object"));
    };
    let choices =
        body.take_array("choices").ok_or_else(|| decode("the answer has no list of choices"))?;
    let choices = choices.into_iter().map(|choice| {
        choice_from_json(choice).ok_or_else(|| decode("a choice of the answer has no message"))
    });
    Ok(ChatResponse {
        choices: choices.collect::<Result<_>>()?,
        id: body.take_string("id").unwrap_or_default(),
        model: body.take_string("model").unwrap_or_default(),
        usage: body.take_object("usage").map(usage_from_json),
        is_cached: false,
        origin: Some(PROTOCOL),
        extra: body,
    })
}

/// Writes the JSON of an answer.
///
/// An answer that came from another protocol has no `created`; the caller knows the time.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the answer holds what this format cannot say.
pub fn response_to_json(response: &ChatResponse) -> Result<Value> {
    let own = PROTOCOL.accepts(response.origin);
    let mut body =
        object([("id", response.id.as_str().into()), ("model", response.model.as_str().into())]);
    if response.origin != Some(PROTOCOL) {
        body.put("object", Some("chat.completion"));
    }
    // Mistral's content may be a list, everyone else's is one string.
    let keeps_list = response.origin == Some(PROTOCOL);
    let choices = response.choices.iter().map(|choice| choice_to_json(choice, own, keeps_list));
    body.insert("choices".to_owned(), Value::Array(choices.collect::<Result<_>>()?));
    body.put("usage", response.usage.as_ref().map(|usage| usage_to_json(usage, response.origin)));
    if own {
        body.fill(&response.extra);
    }
    Ok(Value::Object(body))
}

/// The error in a body that came with a status of success: in its place, in the place of the
/// answer, or in one of the answers.
pub(super) fn error_in(body: &Value) -> Option<&Value> {
    let of = |value: &'_ Value| value.get("error").is_some_and(|error| !error.is_null());
    if of(body) || body.get("object").and_then(Value::as_str) == Some("error") {
        return Some(body);
    }
    body.get("choices")?.as_array()?.iter().find(|choice| of(choice))
}

fn choice_from_json(choice: Value) -> Option<Choice> {
    let Value::Object(mut fields) = choice else { return None };
    let Value::Object(mut message) = fields.shift_remove("message")? else { return None };
    if !message.contains_key("role") {
        message.insert("role".to_owned(), Role::Assistant.as_str().into());
    }
    let index = fields.take_u64("index").and_then(|index| index.try_into().ok());
    Some(Choice {
        index: index.unwrap_or_default(),
        message: message_from_json(Value::Object(message))?,
        stop: fields.take_string("finish_reason").map(stop_from_text),
        stop_sequence: None,
        logprobs: fields.take_object("logprobs").map(Value::Object),
        extra: fields,
    })
}

fn choice_to_json(choice: &Choice, own: bool, keeps_list: bool) -> Result<Value> {
    let message = match keeps_list {
        true => Cow::Borrowed(&choice.message),
        false => Cow::Owned(joined(&choice.message)),
    };
    let parts: Vec<&Part> = message.parts.iter().collect();
    let mut written = message_to_json(&message, &parts, own)?;
    if !keeps_list {
        // Joined, the texts no longer tell which of them a source is about.
        let parts: Vec<&Part> = choice.message.parts.iter().collect();
        let annotations = annotations(&parts, own);
        written.put("annotations", (!annotations.is_empty()).then_some(annotations));
    }
    if !own {
        written.entry("content").or_insert(Value::Null);
        // It is for the reader of the answer; nobody takes it back.
        let reasoning = message.reasoning();
        written.put(REASONING_FIELD, (!reasoning.is_empty()).then_some(reasoning));
    }
    let mut fields = object([("index", choice.index.into()), ("message", Value::Object(written))]);
    fields.put("finish_reason", choice.stop.as_ref().map(stop_to_text));
    let logprobs = choice.logprobs.as_ref();
    let logprobs = if own { logprobs.map(Cow::Borrowed) } else { logprobs.and_then(to_openai) };
    fields.put("logprobs", logprobs.map(Cow::into_owned));
    if own {
        fields.fill(&choice.extra);
    }
    Ok(Value::Object(fields))
}

/// The message with all its text in one part: the content of an answer is one string.
fn joined(message: &Message) -> Message {
    let texts = message.parts.iter().filter(|part| matches!(part, Part::Text(_))).count();
    let mut message = message.clone();
    if texts < 2 {
        return message;
    }
    let mut whole = Text::default();
    message.parts.retain(|part| match part {
        Part::Text(text) => {
            whole.text.push_str(&text.text);
            whole.citations.extend(text.citations.iter().cloned());
            false
        }
        _ => true,
    });
    message.plain = true;
    message.parts.insert(0, Part::Text(whole));
    message
}

pub(super) fn stop_from_text(reason: String) -> StopReason {
    match reason.as_str() {
        "stop" => StopReason::End,
        "length" => StopReason::MaxTokens,
        "tool_calls" => StopReason::ToolCalls,
        "content_filter" => StopReason::ContentFilter,
        _ => StopReason::Other(reason),
    }
}

pub(super) fn stop_to_text(reason: &StopReason) -> &str {
    match reason {
        StopReason::End | StopReason::StopSequence | StopReason::Pause => "stop",
        StopReason::MaxTokens => "length",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter | StopReason::Refusal => "content_filter",
        StopReason::Other(reason) => reason,
    }
}

/// Other names of the cached tokens: Mistral's, `DeepSeek`'s, and Moonshot's.
const CACHED_NAMES: [&str; 3] = ["num_cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"];

pub(super) fn usage_from_json(mut fields: Map<String, Value>) -> Usage {
    let input = fields.take_within("prompt_tokens_details", |details| {
        let cached = details.take_u64("cached_tokens");
        (cached, details.take_u64("cache_write_tokens"), details.take_u64("audio_tokens"))
    });
    let output = fields.take_within("completion_tokens_details", |details| {
        (details.take_u64("reasoning_tokens"), details.take_u64("audio_tokens"))
    });
    let (cached, cache_write, audio_input) = input.unwrap_or_default();
    let (reasoning, audio_output) = output.unwrap_or_default();
    let cache_read = cached.or_else(|| take_cached(&mut fields));
    let input = fields.take_u64("prompt_tokens").unwrap_or_default();
    let total = fields.take_u64("total_tokens");
    let mut output = fields.take_u64("completion_tokens").unwrap_or_default();
    // xAI counts the reasoning beside the rest, which shows in the sum.
    let with_reasoning = output.saturating_add(reasoning.unwrap_or_default());
    if with_reasoning > output && total == Some(input.saturating_add(with_reasoning)) {
        fields.insert("completion_tokens".to_owned(), output.into());
        output = with_reasoning;
    }
    let images = |details: &str| fields.get(details)?.get("image_tokens")?.as_u64();
    Usage {
        input,
        output,
        total,
        cache_read,
        cache_write,
        reasoning,
        audio_input,
        audio_output,
        image_input: images("prompt_tokens_details"),
        image_output: images("completion_tokens_details"),
        extra: fields,
        ..Usage::default()
    }
}

/// Takes the cached tokens under one of their other names, and leaves a `null` to note which.
fn take_cached(fields: &mut Map<String, Value>) -> Option<u64> {
    CACHED_NAMES.into_iter().find_map(|name| {
        let slot = fields.get_mut(name)?;
        let tokens = slot.as_u64()?;
        *slot = Value::Null;
        Some(tokens)
    })
}

pub(super) fn usage_to_json(usage: &Usage, origin: Option<Protocol>) -> Value {
    let own = PROTOCOL.accepts(origin);
    let apart = usage.extra.get("completion_tokens").and_then(Value::as_u64).filter(|_| own);
    let completion = apart.unwrap_or(usage.output);
    let mut fields =
        object([("prompt_tokens", usage.input.into()), ("completion_tokens", completion.into())]);
    let total = usage.total.or((origin != Some(PROTOCOL)).then(|| usage.total()));
    fields.put("total_tokens", total);
    let is_noted = |name: &&str| own && usage.extra.get(*name).is_some_and(Value::is_null);
    let cached_name = CACHED_NAMES.into_iter().find(is_noted);
    let mut input = Map::new();
    match cached_name {
        Some(name) => fields.put(name, usage.cache_read),
        None => input.put("cached_tokens", usage.cache_read),
    }
    input.put("cache_write_tokens", usage.cache_write);
    input.put("audio_tokens", usage.audio_input);
    let mut output = Map::new();
    output.put("reasoning_tokens", usage.reasoning);
    output.put("audio_tokens", usage.audio_output);
    for (name, details) in [("prompt_tokens_details", input), ("completion_tokens_details", output)]
    {
        fields.put(name, (!details.is_empty()).then_some(details));
    }
    if own {
        fields.fill(&usage.extra);
    }
    Value::Object(fields)
}

fn decode(message: &str) -> Error {
    Error::new(ErrorKind::Decode, message)
}
