use serde_json::{Map, Value};

use super::message::{message_from_json, messages_to_json, parts_from_content, system_to_json};
use crate::{
    ChatRequest, Error, ErrorKind, Message, Result, Role, Tool,
    model::{
        FunctionTool, Protocol, ResponseFormat, Thinking, ToolChoice,
        fields::{Fields, object},
    },
    providers::openai::is_carried_out,
};

const PROTOCOL: Protocol = Protocol::AnthropicMessages;

/// Reads the JSON body of a request to `/v1/messages`.
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
    let list = body.take_array("messages").ok_or_else(|| invalid("messages: a list is missing"))?;
    let mut messages: Vec<Message> = take_system(&mut body).into_iter().collect();
    for (index, value) in list.into_iter().enumerate() {
        let message = message_from_json(value)
            .ok_or_else(|| invalid(format!("messages[{index}]: no object with a role")))?;
        messages.push(message);
    }
    let (tool_choice, parallel_tool_calls) = take_tool_choice(&mut body);
    let (reasoning_effort, response_format) = take_output_config(&mut body);
    Ok(ChatRequest {
        model,
        messages,
        tools: take_tools(&mut body),
        tool_choice,
        parallel_tool_calls,
        response_format,
        reasoning_effort,
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("top_p"),
        top_k: body.take_u64("top_k"),
        max_tokens: body.take_u64("max_tokens"),
        stop: take_stop(&mut body),
        thinking: take_thinking(&mut body),
        user: body.take_within("metadata", |inner| inner.take_string("user_id")).flatten(),
        stream: body.take_bool("stream"),
        origin: Some(PROTOCOL),
        extra: body,
        ..ChatRequest::default()
    })
}

/// Writes the JSON body of a request to `/v1/messages`.
///
/// `max_tokens`, which the API demands, is written if the request sets it.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
pub fn request_to_json(request: &ChatRequest, stream: bool) -> Result<Value> {
    request.check_whole(PROTOCOL)?;
    if request.n.is_some_and(|n| n > 1) {
        return Err(invalid(format!("n: {PROTOCOL} gives one answer")));
    }
    let mut body = object([("model", request.model.as_str().into())]);
    let (system, messages) = split_system(&request.messages);
    body.put("system", system_to_json(system));
    body.insert("messages".to_owned(), messages_to_json(messages)?);
    body.put("max_tokens", request.max_tokens);
    body.put("temperature", request.temperature);
    body.put("top_p", request.top_p);
    body.put("top_k", request.top_k);
    body.put("stop_sequences", (!request.stop.is_empty()).then(|| request.stop.clone()));
    body.put("thinking", request.thinking.map(thinking_to_json));
    let user = request.user.as_deref().map(|user| object([("user_id", user.into())]));
    body.put("metadata", user);
    put_output_config(&mut body, request)?;
    put_tools(&mut body, request)?;
    if PROTOCOL.accepts(request.origin) {
        body.fill(&request.extra);
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
    } else {
        body.put("stream", request.stream.map(|_| false));
    }
    report_dropped(request);
    Ok(Value::Object(body))
}

/// The leading instructions, which have a place of their own, and the rest.
fn split_system(messages: &[Message]) -> (&[Message], &[Message]) {
    let leading = messages.iter().take_while(|message| message.role.is_system()).count();
    messages.split_at(leading)
}

fn put_output_config(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let mut config = Map::new();
    config.put("effort", request.reasoning_effort.as_deref());
    let format = match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, extra, .. }) => {
            let mut format = object([("type", "json_schema".into()), ("schema", schema.clone())]);
            if PROTOCOL.accepts(request.origin) {
                format.fill(extra);
            }
            Some(Value::Object(format))
        }
        Some(ResponseFormat::Other(format)) if PROTOCOL.accepts(request.origin) => {
            Some(format.clone())
        }
        Some(ResponseFormat::JsonObject) => {
            let message = "has no json_object: ask for a json_schema";
            return Err(invalid(format!("response_format: {PROTOCOL} {message}")));
        }
        Some(ResponseFormat::Other(format)) => {
            return Err(invalid(format!("response_format: {PROTOCOL} has no {format}")));
        }
        Some(ResponseFormat::Text) | None => None,
    };
    config.put("format", format);
    body.put("output_config", (!config.is_empty()).then_some(config));
    Ok(())
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
    let kind = |kind: &str| object([("type", kind.into())]);
    let choice = match &request.tool_choice {
        Some(ToolChoice::Auto) => Some(kind("auto")),
        Some(ToolChoice::None) => Some(kind("none")),
        Some(ToolChoice::Required) => Some(kind("any")),
        Some(ToolChoice::Function(name)) => {
            let mut choice = kind("tool");
            choice.put("name", Some(name.as_str()));
            Some(choice)
        }
        Some(ToolChoice::Other(Value::Object(choice))) if own => Some(choice.clone()),
        Some(ToolChoice::Other(choice)) => {
            return Err(invalid(format!("tool_choice: {PROTOCOL} has no {choice}")));
        }
        // There must be tools for a rule on how to call them.
        None if request.parallel_tool_calls.is_some() && !request.tools.is_empty() => {
            Some(kind("auto"))
        }
        None => None,
    };
    if let Some(mut choice) = choice {
        choice.put("disable_parallel_tool_use", request.parallel_tool_calls.map(|it| !it));
        body.insert("tool_choice".to_owned(), Value::Object(choice));
    }
    Ok(())
}

fn function_to_json(function: &FunctionTool, own: bool) -> Value {
    let mut tool = object([("name", function.name.as_str().into())]);
    tool.put("description", function.description.as_deref());
    let empty = || Value::Object(object([("type", "object".into())]));
    let schema = function.parameters.clone().unwrap_or_else(empty);
    tool.insert("input_schema".to_owned(), schema);
    tool.put("strict", function.strict);
    if own {
        tool.fill(&function.extra);
    }
    Value::Object(tool)
}

fn thinking_to_json(thinking: Thinking) -> Value {
    Value::Object(match thinking {
        Thinking::Disabled => object([("type", "disabled".into())]),
        Thinking::Adaptive => object([("type", "adaptive".into())]),
        Thinking::Budget(tokens) => {
            object([("type", "enabled".into()), ("budget_tokens", tokens.into())])
        }
    })
}

fn take_system(body: &mut Map<String, Value>) -> Option<Message> {
    let system = body.get("system")?;
    if !system.is_string() && !system.is_array() {
        return None;
    }
    let (parts, plain) = parts_from_content(body.shift_remove("system")?)?;
    let mut message = Message::new(Role::System, parts);
    message.plain = plain;
    message.origin = Some(PROTOCOL);
    Some(message)
}

fn take_tools(body: &mut Map<String, Value>) -> Vec<Tool> {
    // An empty list stays in `extra`, as it is not the same as none.
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    body.take_array("tools").unwrap_or_default().into_iter().map(tool_from_json).collect()
}

fn tool_from_json(tool: Value) -> Tool {
    match tool {
        // Only the caller's own tools have a schema; `type` is absent, or `custom`.
        Value::Object(mut extra)
            if extra.contains_key("input_schema")
                && extra.get("name").is_some_and(Value::is_string) =>
        {
            Tool::Function(FunctionTool {
                name: extra.take_string("name").unwrap_or_default(),
                description: extra.take_string("description"),
                parameters: extra.shift_remove("input_schema"),
                strict: extra.take_bool("strict"),
                extra,
            })
        }
        tool => Tool::Other(tool),
    }
}

fn take_tool_choice(body: &mut Map<String, Value>) -> (Option<ToolChoice>, Option<bool>) {
    let Some(mut choice) = body.take_object("tool_choice") else { return (None, None) };
    let parallel = choice.take_bool("disable_parallel_tool_use").map(|it| !it);
    let kind = choice.get("type").and_then(Value::as_str).unwrap_or_default();
    let name = choice.get("name").and_then(Value::as_str);
    let parsed = match (kind, name, choice.len()) {
        ("auto", None, 1) => ToolChoice::Auto,
        ("none", None, 1) => ToolChoice::None,
        ("any", None, 1) => ToolChoice::Required,
        ("tool", Some(name), 2) => ToolChoice::Function(name.to_owned()),
        _ => ToolChoice::Other(Value::Object(choice)),
    };
    (Some(parsed), parallel)
}

fn take_output_config(body: &mut Map<String, Value>) -> (Option<String>, Option<ResponseFormat>) {
    let taken = body.take_within("output_config", |config| {
        (config.take_string("effort"), config.take_object("format"))
    });
    let (effort, format) = taken.unwrap_or_default();
    let format = format.map(|mut extra| {
        if !extra.says("type", "json_schema") || !extra.contains_key("schema") {
            return ResponseFormat::Other(Value::Object(extra));
        }
        extra.shift_remove("type");
        let schema = extra.shift_remove("schema").unwrap_or_default();
        ResponseFormat::JsonSchema { name: None, schema, strict: None, extra }
    });
    (effort, format)
}

fn take_thinking(body: &mut Map<String, Value>) -> Option<Thinking> {
    let thinking = body.get("thinking")?.as_object()?;
    let kind = thinking.get("type")?.as_str()?;
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    let parsed = match (kind, budget, thinking.len()) {
        ("disabled", None, 1) => Thinking::Disabled,
        ("adaptive", None, 1) => Thinking::Adaptive,
        ("enabled", Some(budget), 2) => Thinking::Budget(budget),
        // With options that the model does not know it stays in `extra` as a whole.
        _ => return None,
    };
    body.shift_remove("thinking");
    Some(parsed)
}

fn take_stop(body: &mut Map<String, Value>) -> Vec<String> {
    let texts = |stop: &Value| {
        let texts = stop.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    };
    match body.get("stop_sequences").and_then(texts) {
        Some(stop) if !stop.is_empty() => {
            body.shift_remove("stop_sequences");
            stop
        }
        _ => Vec::new(),
    }
}

/// Says what a request of another format asked for in vain.
fn report_dropped(request: &ChatRequest) {
    let mut dropped: Vec<&str> = Vec::new();
    if !PROTOCOL.accepts(request.origin) {
        let names = request.extra.keys().map(String::as_str);
        dropped.extend(names.filter(|name| !is_carried_out(name)));
    }
    let fields = [
        ("seed", request.seed.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("logprobs", request.logprobs == Some(true)),
        ("metadata", request.metadata.is_some()),
    ];
    dropped.extend(fields.iter().filter(|(_, set)| *set).map(|(name, _)| *name));
    if !dropped.is_empty() {
        tracing::warn!(?dropped, "fields that {PROTOCOL} does not know were not sent");
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
