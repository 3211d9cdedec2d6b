use serde_json::{Map, Value};

use super::{
    PROTOCOL,
    input::{put_messages, take_messages},
    invalid, own,
    tool::{put_tools, take_tool_choice, take_tools},
};
use crate::{
    ChatRequest, Part, Result,
    model::{
        ResponseFormat, Thinking,
        fields::{Fields, object},
    },
    providers::openai::is_carried_out,
};

/// What `include` holds to ask for the probabilities of the tokens.
const LOGPROBS: &str = "message.output_text.logprobs";

/// Reads the JSON body of a request to `/v1/responses`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when it is no object, or holds
/// an item that is none. What else is wrong stays in `extra`, for the provider to judge.
pub fn request_from_json(body: Value) -> Result<ChatRequest> {
    let Value::Object(mut body) = body else {
        return Err(invalid("the request is not a JSON object"));
    };
    let messages = take_messages(&mut body)?;
    let reasoning_effort =
        body.take_within("reasoning", |inner| inner.take_string("effort")).flatten();
    let asks = |list: &Vec<Value>| list.iter().any(|it| it == LOGPROBS);
    let logprobs = body.get("include").and_then(Value::as_array).is_some_and(asks);
    Ok(ChatRequest {
        // A stored prompt may bring its own model.
        model: body.take_text("model").unwrap_or_default(),
        messages,
        tools: take_tools(&mut body),
        tool_choice: take_tool_choice(&mut body),
        parallel_tool_calls: body.take_bool("parallel_tool_calls"),
        response_format: take_format(&mut body),
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("top_p"),
        top_k: body.take_u64("top_k"),
        max_tokens: body.take_u64("max_output_tokens"),
        presence_penalty: body.take_f64("presence_penalty"),
        frequency_penalty: body.take_f64("frequency_penalty"),
        logprobs: logprobs.then_some(true),
        top_logprobs: body.take_u64("top_logprobs"),
        reasoning_effort,
        user: body.take_string("user"),
        metadata: body.take_object("metadata"),
        stream: body.take_bool("stream"),
        origin: Some(PROTOCOL),
        extra: body,
        ..ChatRequest::default()
    })
}

/// Writes the JSON body of a request to `/v1/responses`.
///
/// Leading instructions of another format become `instructions`, later ones stay where they are.
/// A limit on thinking in tokens becomes an effort: `low` up to 2048 tokens, `medium` up to 8192,
/// else `high`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the format cannot say what
/// the request asks for.
pub fn request_to_json(request: &ChatRequest, stream: bool) -> Result<Value> {
    request.check_whole(PROTOCOL)?;
    if request.n.is_some_and(|n| n > 1) {
        return Err(invalid(format!("n: {PROTOCOL} gives one answer")));
    }
    let mut body = Map::new();
    let model = (!request.model.is_empty()).then_some(request.model.as_str());
    body.put("model", model);
    put_messages(&mut body, &request.messages)?;
    put_options(&mut body, request);
    put_format(&mut body, request)?;
    put_tools(&mut body, request)?;
    if own(request.origin) {
        body.fill(&request.extra);
    }
    put_logprobs(&mut body, request);
    if stream {
        body.insert("stream".to_owned(), true.into());
    } else {
        body.put("stream", request.stream.map(|_| false));
        body.shift_remove("stream_options");
    }
    report_dropped(request);
    Ok(Value::Object(body))
}

fn put_options(body: &mut Map<String, Value>, request: &ChatRequest) {
    body.put("max_output_tokens", request.max_tokens);
    body.put("temperature", request.temperature);
    body.put("top_p", request.top_p);
    body.put("top_logprobs", request.top_logprobs);
    body.put("user", request.user.as_deref());
    body.put("metadata", request.metadata.clone());
    let effort = request.reasoning_effort.as_deref().or(match request.thinking {
        Some(Thinking::Budget(0..=2048)) => Some("low"),
        Some(Thinking::Budget(2049..=8192)) => Some("medium"),
        Some(Thinking::Budget(_)) => Some("high"),
        Some(Thinking::Disabled | Thinking::Adaptive) | None => None,
    });
    body.put("reasoning", effort.map(|effort| object([("effort", effort.into())])));
    if own(request.origin) {
        // OpenAI has none of these and says so; some compatible servers do.
        body.put("top_k", request.top_k);
        body.put("stop", (!request.stop.is_empty()).then(|| request.stop.clone()));
        body.put("seed", request.seed);
        body.put("presence_penalty", request.presence_penalty);
        body.put("frequency_penalty", request.frequency_penalty);
    }
}

/// Asks for the probabilities of the tokens, unless the request does so itself.
fn put_logprobs(body: &mut Map<String, Value>, request: &ChatRequest) {
    if request.logprobs != Some(true) {
        return;
    }
    let include = body.entry("include").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(include) = include
        && !include.iter().any(|it| it == LOGPROBS)
    {
        include.push(LOGPROBS.into());
    }
}

fn take_format(body: &mut Map<String, Value>) -> Option<ResponseFormat> {
    let mut format = body.take_within("text", |text| text.take_object("format")).flatten()?;
    let kind = format.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text" if format.len() == 1 => Some(ResponseFormat::Text),
        "json_object" if format.len() == 1 => Some(ResponseFormat::JsonObject),
        "json_schema" if format.contains_key("schema") => {
            format.shift_remove("type");
            Some(ResponseFormat::JsonSchema {
                name: format.take_string("name"),
                schema: format.shift_remove("schema").unwrap_or_default(),
                strict: format.take_bool("strict"),
                extra: format,
            })
        }
        _ => Some(ResponseFormat::Other(Value::Object(format))),
    }
}

fn put_format(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let kind = |kind: &str| object([("type", kind.into())]);
    let format = match &request.response_format {
        None => return Ok(()),
        Some(ResponseFormat::Text) => Value::Object(kind("text")),
        Some(ResponseFormat::JsonObject) => Value::Object(kind("json_object")),
        Some(ResponseFormat::JsonSchema { name, schema, strict, extra }) => {
            let mut format = kind("json_schema");
            let given = name.as_deref();
            format.put("name", given.or((request.origin != Some(PROTOCOL)).then_some("answer")));
            format.insert("schema".to_owned(), schema.clone());
            format.put("strict", *strict);
            if own(request.origin) {
                format.fill(extra);
            }
            Value::Object(format)
        }
        Some(ResponseFormat::Other(format)) if own(request.origin) => format.clone(),
        Some(ResponseFormat::Other(format)) => {
            return Err(invalid(format!("response_format: {PROTOCOL} has no {format}")));
        }
    };
    body.put("text", Some(object([("format", format)])));
    Ok(())
}

/// Says what was asked for in vain.
fn report_dropped(request: &ChatRequest) {
    let dropped = dropped(request);
    if !dropped.is_empty() {
        tracing::warn!(?dropped, "fields that {PROTOCOL} does not know were not sent");
    }
}

fn dropped(request: &ChatRequest) -> Vec<&str> {
    let mut dropped: Vec<&str> = Vec::new();
    if !own(request.origin) {
        let names = request.extra.keys().map(String::as_str);
        dropped.extend(names.filter(|name| !is_carried_out(name)));
        let fields = [
            ("top_k", request.top_k.is_some()),
            ("stop", !request.stop.is_empty()),
            ("seed", request.seed.is_some()),
            ("presence_penalty", request.presence_penalty.is_some()),
            ("frequency_penalty", request.frequency_penalty.is_some()),
        ];
        dropped.extend(fields.iter().filter(|(_, set)| *set).map(|(name, _)| *name));
    }
    dropped.extend((request.thinking == Some(Thinking::Disabled)).then_some("thinking"));
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let has_error =
        parts.any(|part| matches!(part, Part::ToolResult(it) if it.is_error == Some(true)));
    dropped.extend(has_error.then_some("is_error"));
    dropped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Message, model::Protocol};

    #[test]
    fn what_the_format_does_not_know_is_named() {
        let body = json!({"model": "m", "max_tokens": 9, "seed": 1, "stop": "a", "store": true,
            "messages": [{"role": "user", "content": "q"}]});
        let mut request = Protocol::OpenAiChat.request_from_json(body).unwrap();
        assert_eq!(dropped(&request), ["store", "stop", "seed"]);
        request.origin = None;
        assert!(dropped(&request).is_empty());
        request.thinking = Some(Thinking::Disabled);
        let mut failed = Message::tool_result("1", "no");
        if let Some(Part::ToolResult(result)) = failed.parts.first_mut() {
            result.is_error = Some(true);
        }
        request.messages.push(failed);
        assert_eq!(dropped(&request), ["thinking", "is_error"]);
    }
}
