use serde_json::{Map, Value};

use super::{
    dialect::{Dialect, PLAIN, ThinkingForm},
    message::{message_from_json, messages_to_json},
    mistral::THINKING,
};
use crate::{
    ChatRequest, Error, ErrorKind, Part, Result, Tool,
    model::{
        FunctionTool, Protocol, ResponseFormat, Thinking, ToolChoice,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::OpenAiChat;

/// What the limit of the answer is called: now, and before there were reasoning models.
pub(super) const MAX_TOKENS_NAMES: [&str; 2] = ["max_completion_tokens", "max_tokens"];

/// Reads the JSON body of a request to `/v1/chat/completions`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when there is no model or no list of messages. What else is
/// wrong stays in `extra`, for the provider to judge.
pub fn request_from_json(body: Value) -> Result<ChatRequest> {
    let Value::Object(mut body) = body else {
        return Err(invalid("the request is not a JSON object"));
    };
    let model = body.take_string("model").ok_or_else(|| invalid("model: a name is missing"))?;
    let messages =
        body.take_array("messages").ok_or_else(|| invalid("messages: a list is missing"))?;
    let messages = messages.into_iter().enumerate().map(|(index, value)| {
        message_from_json(value)
            .ok_or_else(|| invalid(format!("messages[{index}]: no object with a role")))
    });
    Ok(ChatRequest {
        model,
        messages: messages.collect::<Result<_>>()?,
        tools: take_tools(&mut body),
        tool_choice: take_tool_choice(&mut body),
        parallel_tool_calls: body.take_bool("parallel_tool_calls"),
        response_format: take_response_format(&mut body),
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("top_p"),
        top_k: body.take_u64("top_k"),
        max_tokens: max_tokens(&body),
        stop: take_stop(&mut body),
        seed: body.take_i64("seed"),
        n: body.take_u64("n"),
        presence_penalty: body.take_f64("presence_penalty"),
        frequency_penalty: body.take_f64("frequency_penalty"),
        logprobs: body.take_bool("logprobs"),
        top_logprobs: body.take_u64("top_logprobs"),
        reasoning_effort: body.take_string("reasoning_effort"),
        thinking: None,
        user: body.take_string("user"),
        metadata: body.take_object("metadata"),
        stream: body.take_bool("stream"),
        origin: Some(PROTOCOL),
        extra: body,
    })
}

/// Writes the JSON body of a request to `/v1/chat/completions`.
///
/// A stream is asked to report its usage.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
pub fn request_to_json(request: &ChatRequest, stream: bool) -> Result<Value> {
    write(request, stream, &PLAIN).map(Value::Object)
}

/// Writes a request for a server of this dialect, where that has fields of its own.
pub(super) fn write(
    request: &ChatRequest,
    stream: bool,
    dialect: &Dialect,
) -> Result<Map<String, Value>> {
    request.check_whole(PROTOCOL)?;
    let own = PROTOCOL.accepts(request.origin);
    let mut body = object([("model", request.model.as_str().into())]);
    body.insert("messages".to_owned(), messages_to_json(&request.messages)?);
    put_sampling(&mut body, request, dialect);
    put_thinking(&mut body, request, dialect);
    put_tools(&mut body, request)?;
    let format = request.response_format.as_ref();
    body.put("response_format", format.map(|it| format_to_json(it, own)).transpose()?);
    if own {
        body.fill(&request.extra);
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
        let usage = Value::Object(object([("include_usage", true.into())]));
        if let Some(Value::Object(options)) = body.get_mut("stream_options") {
            options.insert("include_usage".to_owned(), true.into());
        } else {
            body.insert("stream_options".to_owned(), usage);
        }
    } else {
        body.put("stream", request.stream.map(|_| false));
        body.shift_remove("stream_options");
    }
    report_dropped(request, dialect);
    Ok(body)
}

fn put_sampling(body: &mut Map<String, Value>, request: &ChatRequest, dialect: &Dialect) {
    body.put("temperature", request.temperature);
    body.put("top_p", request.top_p);
    if dialect.top_k || PROTOCOL.accepts(request.origin) {
        body.put("top_k", request.top_k);
    }
    // The one of the two names that the caller used.
    let renamed =
        PROTOCOL.accepts(request.origin) && request.extra.contains_key("max_completion_tokens");
    let name = if renamed { "max_completion_tokens" } else { "max_tokens" };
    body.put(name, request.max_tokens);
    let stop = (!request.stop.is_empty()).then(|| request.stop.clone());
    body.put("stop", stop);
    body.put("seed", request.seed);
    body.put("n", request.n);
    body.put("presence_penalty", request.presence_penalty);
    body.put("frequency_penalty", request.frequency_penalty);
    body.put("logprobs", request.logprobs);
    body.put("top_logprobs", request.top_logprobs);
    body.put("reasoning_effort", request.reasoning_effort.as_deref());
    body.put("user", request.user.as_deref());
    body.put("metadata", request.metadata.clone());
}

/// Whether and how long to think, where that is not only an effort.
fn put_thinking(body: &mut Map<String, Value>, request: &ChatRequest, dialect: &Dialect) {
    let thinking = request.thinking;
    match dialect.thinking {
        ThinkingForm::Effort => {}
        ThinkingForm::Switch => {
            let kind = thinking.map(|it| match it {
                Thinking::Disabled => "disabled",
                Thinking::Adaptive | Thinking::Budget(_) => "enabled",
            });
            body.put(THINKING, kind.map(|kind| object([("type", kind.into())])));
        }
        ThinkingForm::Object => {
            let mut fields = match thinking {
                Some(Thinking::Budget(tokens)) => object([("max_tokens", tokens.into())]),
                Some(thinking) => object([("enabled", (thinking != Thinking::Disabled).into())]),
                None => return,
            };
            // The two limits exclude each other.
            let effort = body.shift_remove("reasoning_effort");
            fields.put("effort", effort.filter(|_| thinking == Some(Thinking::Adaptive)));
            body.insert("reasoning".to_owned(), Value::Object(fields));
        }
    }
}

fn put_tools(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let own = PROTOCOL.accepts(request.origin);
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| match tool {
            Tool::Function(function) => Ok(function_to_json(function, own)),
            Tool::Other(tool) if own => Ok(tool.clone()),
            Tool::Other(tool) => Err(invalid(format!("tools: {PROTOCOL} has no tool like {tool}"))),
        });
        body.insert("tools".to_owned(), Value::Array(tools.collect::<Result<_>>()?));
    }
    let choice = match &request.tool_choice {
        None => None,
        Some(ToolChoice::Auto) => Some("auto".into()),
        Some(ToolChoice::None) => Some("none".into()),
        Some(ToolChoice::Required) => Some("required".into()),
        Some(ToolChoice::Function(name)) => Some(Value::Object(object([
            ("type", "function".into()),
            ("function", Value::Object(object([("name", name.as_str().into())]))),
        ]))),
        Some(ToolChoice::Other(choice)) if own => Some(choice.clone()),
        Some(ToolChoice::Other(choice)) => {
            return Err(invalid(format!("tool_choice: {PROTOCOL} has no {choice}")));
        }
    };
    body.put("tool_choice", choice);
    body.put("parallel_tool_calls", request.parallel_tool_calls);
    Ok(())
}

/// Writes a function that the model may call.
pub(in crate::providers) fn function_to_json(function: &FunctionTool, own: bool) -> Value {
    let mut inner = object([("name", function.name.as_str().into())]);
    inner.put("description", function.description.as_deref());
    inner.put("parameters", function.parameters.clone());
    inner.put("strict", function.strict);
    let mut tool = object([("type", "function".into()), ("function", Value::Object(inner))]);
    if own {
        tool.fill(&function.extra);
    }
    Value::Object(tool)
}

/// Takes the tools that the model may call.
pub(in crate::providers) fn take_tools(body: &mut Map<String, Value>) -> Vec<Tool> {
    // An empty list stays in `extra`, as it is not the same as none.
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    body.take_array("tools").unwrap_or_default().into_iter().map(tool_from_json).collect()
}

fn tool_from_json(tool: Value) -> Tool {
    let named = tool.get("function").and_then(|function| function.get("name"));
    match tool {
        Value::Object(mut extra)
            if extra.says("type", "function") && named.is_some_and(Value::is_string) =>
        {
            extra.shift_remove("type");
            let function = extra.take_within("function", |inner| FunctionTool {
                name: inner.take_string("name").unwrap_or_default(),
                description: inner.take_string("description"),
                parameters: inner.shift_remove("parameters"),
                strict: inner.take_bool("strict"),
                extra: Map::new(),
            });
            match function {
                Some(function) => Tool::Function(FunctionTool { extra, ..function }),
                None => Tool::Other(Value::Object(extra)),
            }
        }
        tool => Tool::Other(tool),
    }
}

fn take_tool_choice(body: &mut Map<String, Value>) -> Option<ToolChoice> {
    let choice = body.get("tool_choice").filter(|choice| !choice.is_null())?;
    let function = choice.get("function").and_then(|function| function.get("name"));
    let parsed = match (choice.as_str(), function.and_then(Value::as_str)) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("none"), _) => ToolChoice::None,
        (Some("required"), _) => ToolChoice::Required,
        (None, Some(name)) => ToolChoice::Function(name.to_owned()),
        _ => ToolChoice::Other(choice.clone()),
    };
    body.shift_remove("tool_choice");
    Some(parsed)
}

fn take_response_format(body: &mut Map<String, Value>) -> Option<ResponseFormat> {
    let mut format = body.take_object("response_format")?;
    let kind = format.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text" if format.len() == 1 => Some(ResponseFormat::Text),
        "json_object" if format.len() == 1 => Some(ResponseFormat::JsonObject),
        "json_schema" if format.get("json_schema").is_some_and(|it| it.get("schema").is_some()) => {
            format.shift_remove("type");
            let (name, schema, strict) = format.take_within("json_schema", |inner| {
                (
                    inner.take_string("name"),
                    inner.shift_remove("schema").unwrap_or_default(),
                    inner.take_bool("strict"),
                )
            })?;
            Some(ResponseFormat::JsonSchema { name, schema, strict, extra: format })
        }
        _ => Some(ResponseFormat::Other(Value::Object(format))),
    }
}

fn format_to_json(format: &ResponseFormat, own: bool) -> Result<Value> {
    let kind = |kind: &str| object([("type", kind.into())]);
    match format {
        ResponseFormat::Text => Ok(Value::Object(kind("text"))),
        ResponseFormat::JsonObject => Ok(Value::Object(kind("json_object"))),
        ResponseFormat::JsonSchema { name, schema, strict, extra } => {
            let name = name.as_deref().unwrap_or("answer");
            let mut inner = object([("name", name.into()), ("schema", schema.clone())]);
            inner.put("strict", *strict);
            let mut format = kind("json_schema");
            format.insert("json_schema".to_owned(), Value::Object(inner));
            if own {
                format.fill(extra);
            }
            Ok(Value::Object(format))
        }
        ResponseFormat::Other(format) if own => Ok(format.clone()),
        ResponseFormat::Other(format) => {
            Err(invalid(format!("response_format: {PROTOCOL} has no {format}")))
        }
    }
}

/// Reads the newer of the two names, else the older one, and leaves it in `extra` to remember
/// that it was used.
fn max_tokens(body: &Map<String, Value>) -> Option<u64> {
    MAX_TOKENS_NAMES.iter().find_map(|name| body.get(*name)?.as_u64())
}

/// Whether the caller wrote the older name of the limit into the JSON.
pub(super) fn spells_max_tokens(request: &ChatRequest) -> bool {
    PROTOCOL.accepts(request.origin) && request.extra.contains_key("max_tokens")
}

fn take_stop(body: &mut Map<String, Value>) -> Vec<String> {
    if let Some(stop) = body.take_string("stop") {
        return vec![stop];
    }
    let texts = |stop: &Value| {
        let texts = stop.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    };
    match body.get("stop").and_then(texts) {
        Some(stop) if !stop.is_empty() => {
            body.shift_remove("stop");
            stop
        }
        _ => Vec::new(),
    }
}

/// Whether a field that no other format has is heeded all the same: the limit has another name
/// there, and the usage of a stream is told by whoever translates it.
pub(in crate::providers) fn is_carried_out(name: &str) -> bool {
    name == "stream_options" || MAX_TOKENS_NAMES.contains(&name)
}

/// Says what was asked for in vain.
fn report_dropped(request: &ChatRequest, dialect: &Dialect) {
    let dropped = dropped(request, dialect);
    if !dropped.is_empty() {
        tracing::warn!(?dropped, "fields that {PROTOCOL} does not know were not sent");
    }
}

fn dropped<'a>(request: &'a ChatRequest, dialect: &Dialect) -> Vec<&'a str> {
    let mut dropped = Vec::new();
    if !PROTOCOL.accepts(request.origin) {
        dropped.extend(request.extra.keys().map(String::as_str));
        dropped.extend(request.top_k.filter(|_| !dialect.top_k).map(|_| "top_k"));
    }
    let no_thinking = dialect.thinking == ThinkingForm::Effort;
    dropped.extend(request.thinking.filter(|_| no_thinking).map(|_| "thinking"));
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let has_error =
        parts.any(|part| matches!(part, Part::ToolResult(it) if it.is_error == Some(true)));
    dropped.extend(has_error.then_some("is_error"));
    dropped
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_format_does_not_know_is_named() {
        let result = json!({"type": "tool_result", "tool_use_id": "1", "content": "no"});
        let mut failed = result.clone();
        failed["is_error"] = true.into();
        let body = |result| {
            let messages = json!([{"role": "user", "content": [result]}]);
            json!({"model": "m", "messages": messages, "top_k": 5, "container": "c"})
        };
        let read = |result| Protocol::AnthropicMessages.request_from_json(body(result)).unwrap();
        assert_eq!(dropped(&read(result), &PLAIN), ["container", "top_k"]);
        let mut request = read(failed);
        assert_eq!(dropped(&request, &PLAIN), ["container", "top_k", "is_error"]);
        request.origin = None;
        assert_eq!(dropped(&request, &PLAIN), ["is_error"]);
    }
}
