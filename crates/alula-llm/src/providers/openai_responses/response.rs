use serde_json::{Map, Value};

use super::{
    PROTOCOL,
    content::OUTPUT_TEXT,
    exact,
    item::{Form, items_from_message, parts_from_item},
    own,
};
use crate::{
    ChatResponse, Error, ErrorKind, Message, Part, Result, Role, StopReason, Usage,
    model::{
        Choice,
        fields::{Fields, object},
    },
    providers::logprobs::to_openai,
};

/// Reads the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when it has no list of output.
pub fn response_from_json(body: Value) -> Result<ChatResponse> {
    let Value::Object(mut body) = body else {
        return Err(decode("the answer is not a JSON object"));
    };
    let output =
        body.take_array("output").ok_or_else(|| decode("the answer has no list of output"))?;
    let mut waiting = Waiting::default();
    output.iter().for_each(|item| waiting.see(item));
    let mut parts: Vec<Part> = output.into_iter().flat_map(parts_from_item).collect();
    let logprobs = take_logprobs(&mut parts);
    let mut message = Message::new(Role::Assistant, parts);
    message.origin = Some(PROTOCOL);
    let mut choice = Choice::new(0, message);
    choice.logprobs = logprobs;
    choice.stop = waiting.stop(&body);
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
/// An answer that came from another protocol has no `created_at`; the caller knows the time. Its
/// items get ids that are made of the answer's.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the answer holds what this format cannot say.
pub fn response_to_json(response: &ChatResponse) -> Result<Value> {
    let mut body = object([("id", response.id.as_str().into())]);
    if !exact(response.origin) {
        body.put("object", Some("response"));
    }
    body.put("model", Some(response.model.as_str()));
    let mut output = Vec::new();
    if let Some(choice) = response.choices.first() {
        output = items_from_message(&choice.message, Form::Output(&response.id))?;
        let logprobs = choice.logprobs.as_ref().and_then(to_openai);
        if let Some(list) = logprobs.as_ref().and_then(|it| it.get("content")) {
            put_logprobs(&mut output, list);
        }
        if !exact(response.origin) {
            put_status(&mut body, choice.stop.as_ref());
        }
        if own(response.origin) {
            body.fill(&choice.extra);
        }
    }
    body.insert("output".to_owned(), Value::Array(output));
    body.put("usage", response.usage.as_ref().map(|usage| usage_to_json(usage, response)));
    if own(response.origin) {
        body.fill(&response.extra);
    }
    if !exact(response.origin) {
        // What clients expect of every answer.
        body.entry("error").or_insert(Value::Null);
        body.entry("metadata").or_insert_with(|| Map::new().into());
        body.entry("parallel_tool_calls").or_insert(Value::Bool(true));
        body.entry("tool_choice").or_insert_with(|| "auto".into());
        body.entry("tools").or_insert_with(|| Value::Array(Vec::new()));
    }
    Ok(Value::Object(body))
}

fn put_status(body: &mut Map<String, Value>, stop: Option<&StopReason>) {
    let cut = match stop {
        Some(StopReason::MaxTokens) => Some("max_output_tokens"),
        Some(StopReason::ContentFilter | StopReason::Refusal) => Some("content_filter"),
        _ => None,
    };
    body.put("status", Some(if cut.is_some() { "incomplete" } else { "completed" }));
    let details = cut.map(|reason| Value::Object(object([("reason", reason.into())])));
    body.insert("incomplete_details".to_owned(), details.unwrap_or_default());
}

/// The probabilities of the first text, which are those of the answer; further ones stay with
/// their text.
fn take_logprobs(parts: &mut [Part]) -> Option<Value> {
    let text = parts.iter_mut().find_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    })?;
    let is_list =
        text.extra.get("logprobs").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    let list = is_list.then(|| text.extra.take_array("logprobs")).flatten()?;
    Some(logprobs_of(list))
}

/// Probabilities as chat completions have them: the tokens are written the same.
pub(super) fn logprobs_of(list: Vec<Value>) -> Value {
    Value::Object(object([("content", Value::Array(list))]))
}

/// Puts the probabilities of the answer where they belong: to its first text.
pub(super) fn put_logprobs(output: &mut [Value], logprobs: &Value) {
    let contents = output.iter_mut().filter_map(|item| item.get_mut("content")?.as_array_mut());
    let text = contents
        .flatten()
        .filter_map(Value::as_object_mut)
        .find(|content| content.says("type", OUTPUT_TEXT));
    if let Some(text) = text {
        text.entry("logprobs").or_insert_with(|| logprobs.clone());
    }
}

/// The calls that have no result yet. Tools that run at the provider give their calls none to
/// refer to.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: Vec<String>,
}

impl Waiting {
    /// Notes an item of the answer.
    pub(super) fn see(&mut self, item: &Value) {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let (Some(kind), Some(id)) = (text("type"), text("call_id")) else { return };
        if kind.ends_with("_call") {
            self.calls.push(id.to_owned());
        } else if kind.ends_with("_call_output") {
            self.calls.retain(|call| call != id);
        }
    }

    /// Why an answer with these fields has ended; `None` while it has not.
    pub(super) fn stop(&self, body: &Map<String, Value>) -> Option<StopReason> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        match text(body.get("status")).as_deref() {
            Some("queued" | "in_progress") => None,
            Some("completed") | None if self.calls.is_empty() => Some(StopReason::End),
            Some("completed") | None => Some(StopReason::ToolCalls),
            Some("incomplete") => {
                let details = body.get("incomplete_details");
                let reason = text(details.and_then(|it| it.get("reason")));
                Some(match reason.as_deref() {
                    Some("max_output_tokens") => StopReason::MaxTokens,
                    Some("content_filter") => StopReason::ContentFilter,
                    _ => StopReason::Other(reason.unwrap_or_else(|| "incomplete".to_owned())),
                })
            }
            Some(status) => Some(StopReason::Other(status.to_owned())),
        }
    }
}

pub(super) fn usage_from_json(mut fields: Map<String, Value>) -> Usage {
    let input = fields.take_within("input_tokens_details", |details| {
        let cached = details.take_u64("cached_tokens");
        (cached, details.take_u64("cache_write_tokens"), details.take_u64("audio_tokens"))
    });
    let output = fields.take_within("output_tokens_details", |details| {
        (details.take_u64("reasoning_tokens"), details.take_u64("audio_tokens"))
    });
    let (cache_read, cache_write, audio_input) = input.unwrap_or_default();
    let (reasoning, audio_output) = output.unwrap_or_default();
    Usage {
        input: fields.take_u64("input_tokens").unwrap_or_default(),
        output: fields.take_u64("output_tokens").unwrap_or_default(),
        total: fields.take_u64("total_tokens"),
        cache_read,
        cache_write,
        reasoning,
        audio_input,
        audio_output,
        extra: fields,
        ..Usage::default()
    }
}

fn usage_to_json(usage: &Usage, response: &ChatResponse) -> Value {
    // Clients expect the details of every answer, and here 0 stands for what is not known.
    let demanded = |count: Option<u64>| count.or((!exact(response.origin)).then_some(0));
    let mut input = Map::new();
    input.put("cached_tokens", demanded(usage.cache_read));
    input.put("cache_write_tokens", usage.cache_write);
    input.put("audio_tokens", usage.audio_input);
    let mut output = Map::new();
    output.put("reasoning_tokens", demanded(usage.reasoning));
    output.put("audio_tokens", usage.audio_output);
    let mut fields = object([("input_tokens", usage.input.into())]);
    fields.put("input_tokens_details", (!input.is_empty()).then_some(input));
    fields.put("output_tokens", Some(usage.output));
    fields.put("output_tokens_details", (!output.is_empty()).then_some(output));
    fields.put("total_tokens", usage.total.or((!exact(response.origin)).then(|| usage.total())));
    if own(response.origin) {
        fields.fill(&usage.extra);
    }
    Value::Object(fields)
}

fn decode(message: &str) -> Error {
    Error::new(ErrorKind::Decode, message)
}
