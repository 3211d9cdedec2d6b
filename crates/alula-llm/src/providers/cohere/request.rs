use serde_json::{Map, Value};

use super::message::{message_from_json, messages_to_json};
use crate::{
    ChatRequest, Error, ErrorKind, Part, Result, Tool,
    model::{
        FunctionTool, Protocol, ResponseFormat, Thinking, ToolChoice,
        fields::{Fields, object},
    },
    providers::openai::{self, is_carried_out},
};

const PROTOCOL: Protocol = Protocol::CohereChat;

/// The two names of the schema of an answer; Cohere's own documentation uses both.
const SCHEMA_NAMES: [&str; 2] = ["json_schema", "schema"];

/// Reads the JSON body of a request to `/v2/chat`.
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
        response_format: take_response_format(&mut body),
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("p"),
        top_k: body.take_u64("k"),
        max_tokens: body.take_u64("max_tokens"),
        stop: take_stop(&mut body),
        seed: body.take_i64("seed"),
        presence_penalty: body.take_f64("presence_penalty"),
        frequency_penalty: body.take_f64("frequency_penalty"),
        logprobs: body.take_bool("logprobs"),
        thinking: take_thinking(&mut body),
        stream: body.take_bool("stream"),
        origin: Some(PROTOCOL),
        extra: body,
        ..ChatRequest::default()
    })
}

/// Writes the JSON body of a request to `/v2/chat`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
pub fn request_to_json(request: &ChatRequest, stream: bool) -> Result<Value> {
    request.check_whole(PROTOCOL)?;
    if request.n.is_some_and(|n| n > 1) {
        return Err(invalid(format!("n: {PROTOCOL} gives one answer")));
    }
    let own = PROTOCOL.accepts(request.origin);
    let mut body = object([("model", request.model.as_str().into())]);
    let (messages, documents) = messages_to_json(&request.messages)?;
    body.insert("messages".to_owned(), Value::Array(messages));
    put_documents(&mut body, request, documents);
    body.put("max_tokens", request.max_tokens);
    body.put("temperature", request.temperature);
    body.put("p", request.top_p);
    body.put("k", request.top_k);
    body.put("stop_sequences", (!request.stop.is_empty()).then(|| request.stop.clone()));
    body.put("seed", request.seed);
    body.put("presence_penalty", request.presence_penalty);
    body.put("frequency_penalty", request.frequency_penalty);
    body.put("logprobs", request.logprobs);
    body.put("thinking", thinking(request).map(thinking_to_json));
    put_tools(&mut body, request)?;
    let format = request.response_format.as_ref();
    body.put("response_format", format.map(|it| format_to_json(it, own)).transpose()?);
    if own {
        body.fill(&request.extra);
    }
    if stream {
        body.insert("stream".to_owned(), true.into());
    } else {
        body.put("stream", request.stream.map(|_| false));
    }
    let dropped = dropped(request);
    if !dropped.is_empty() {
        tracing::warn!(?dropped, "fields that {PROTOCOL} does not know were not sent");
    }
    Ok(Value::Object(body))
}

/// The documents of the request, and those among the parts of its messages.
fn put_documents(body: &mut Map<String, Value>, request: &ChatRequest, more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    let own = PROTOCOL.accepts(request.origin);
    let known = own.then(|| request.extra.get("documents").and_then(Value::as_array)).flatten();
    let list = known.into_iter().flatten().cloned().chain(more).collect();
    body.insert("documents".to_owned(), Value::Array(list));
}

fn put_tools(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let own = PROTOCOL.accepts(request.origin);
    // The format cannot name a function, but it can offer no other.
    let only = match &request.tool_choice {
        Some(ToolChoice::Function(name)) => Some(name.as_str()),
        _ => None,
    };
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        match tool {
            Tool::Function(function) if only.is_some_and(|name| name != function.name) => {}
            Tool::Function(function) => {
                let mut function = function.clone();
                function.strict = None;
                tools.push(openai::function_to_json(&function, own));
            }
            Tool::Other(tool) if own => tools.push(tool.clone()),
            Tool::Other(tool) => {
                return Err(invalid(format!("tools: {PROTOCOL} has no tool like {tool}")));
            }
        }
    }
    if let Some(name) = only
        && tools.is_empty()
    {
        return Err(invalid(format!("tool_choice: there is no function {name:?}")));
    }
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    body.put("strict_tools", all_strict(request));
    let choice = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE".into()),
        Some(ToolChoice::Required | ToolChoice::Function(_)) => Some("REQUIRED".into()),
        Some(ToolChoice::Other(choice)) if own => Some(choice.clone()),
        Some(ToolChoice::Other(choice)) => {
            return Err(invalid(format!("tool_choice: {PROTOCOL} has no {choice}")));
        }
    };
    body.put("tool_choice", choice);
    Ok(())
}

fn functions(request: &ChatRequest) -> impl Iterator<Item = &FunctionTool> {
    request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => Some(function),
        _ => None,
    })
}

/// Whether the arguments of all functions are held to their schemas, if all say the same.
fn all_strict(request: &ChatRequest) -> Option<bool> {
    let first = functions(request).next()?.strict?;
    functions(request).all(|function| function.strict == Some(first)).then_some(first)
}

fn take_tools(body: &mut Map<String, Value>) -> Vec<Tool> {
    let mut tools = openai::take_tools(body);
    let any = tools.iter().any(|tool| matches!(tool, Tool::Function(_)));
    let strict = any.then(|| body.take_bool("strict_tools")).flatten();
    for tool in &mut tools {
        let Tool::Function(function) = tool else { continue };
        // Here all tools are strict or none, so that the field of one alone is unknown.
        if let Some(alone) = function.strict {
            let inner = object([("strict", alone.into())]);
            function.extra.entry("function").or_insert_with(|| Map::new().into());
            function.extra.fill(&object([("function", Value::Object(inner))]));
        }
        function.strict = strict;
    }
    tools
}

fn take_tool_choice(body: &mut Map<String, Value>) -> Option<ToolChoice> {
    let choice = body.get("tool_choice").filter(|choice| !choice.is_null())?;
    let parsed = match choice.as_str() {
        Some("NONE") => ToolChoice::None,
        Some("REQUIRED") => ToolChoice::Required,
        _ => ToolChoice::Other(choice.clone()),
    };
    body.shift_remove("tool_choice");
    Some(parsed)
}

fn take_response_format(body: &mut Map<String, Value>) -> Option<ResponseFormat> {
    let mut format = body.take_object("response_format")?;
    let kind = format.get("type").and_then(Value::as_str).unwrap_or_default();
    let name =
        SCHEMA_NAMES.into_iter().find(|name| format.get(*name).is_some_and(Value::is_object));
    match (kind, name) {
        ("text", None) if format.len() == 1 => Some(ResponseFormat::Text),
        ("json_object", None) if format.len() == 1 => Some(ResponseFormat::JsonObject),
        ("json_object", Some(schema_name)) => {
            format.shift_remove("type");
            let schema = format.shift_remove(schema_name).unwrap_or_default();
            if schema_name != SCHEMA_NAMES[0] {
                // Remembers which name was used.
                format.insert(schema_name.to_owned(), Value::Null);
            }
            Some(ResponseFormat::JsonSchema { name: None, schema, strict: None, extra: format })
        }
        _ => Some(ResponseFormat::Other(Value::Object(format))),
    }
}

fn format_to_json(format: &ResponseFormat, own: bool) -> Result<Value> {
    let kind = |kind: &str| object([("type", kind.into())]);
    match format {
        ResponseFormat::Text => Ok(Value::Object(kind("text"))),
        ResponseFormat::JsonObject => Ok(Value::Object(kind("json_object"))),
        ResponseFormat::JsonSchema { schema, extra, .. } => {
            let [usual, other] = SCHEMA_NAMES;
            let name = if own && extra.contains_key(other) { other } else { usual };
            let mut format = kind("json_object");
            format.insert(name.to_owned(), schema.clone());
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

/// How long to think; an effort can only switch it on or off.
fn thinking(request: &ChatRequest) -> Option<Thinking> {
    let by_effort = || match request.reasoning_effort.as_deref()? {
        "none" => Some(Thinking::Disabled),
        _ => Some(Thinking::Adaptive),
    };
    request.thinking.or_else(by_effort)
}

fn thinking_to_json(thinking: Thinking) -> Value {
    Value::Object(match thinking {
        Thinking::Disabled => object([("type", "disabled".into())]),
        Thinking::Adaptive => object([("type", "enabled".into())]),
        Thinking::Budget(tokens) => {
            object([("type", "enabled".into()), ("token_budget", tokens.into())])
        }
    })
}

fn take_thinking(body: &mut Map<String, Value>) -> Option<Thinking> {
    let thinking = body.get("thinking")?.as_object()?;
    let kind = thinking.get("type")?.as_str()?;
    let budget = thinking.get("token_budget").and_then(Value::as_u64);
    let parsed = match (kind, budget, thinking.len()) {
        ("disabled", None, 1) => Thinking::Disabled,
        ("enabled", None, 1) => Thinking::Adaptive,
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

/// What was asked for in vain.
fn dropped(request: &ChatRequest) -> Vec<&str> {
    let mut dropped: Vec<&str> = Vec::new();
    if !PROTOCOL.accepts(request.origin) {
        let names = request.extra.keys().map(String::as_str);
        dropped.extend(names.filter(|name| !is_carried_out(name)));
    }
    let some_strict = functions(request).any(|function| function.strict == Some(true));
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let failed =
        parts.any(|part| matches!(part, Part::ToolResult(it) if it.is_error == Some(true)));
    let fields = [
        ("parallel_tool_calls", request.parallel_tool_calls == Some(false)),
        ("top_logprobs", request.top_logprobs.is_some()),
        ("user", request.user.is_some()),
        ("metadata", request.metadata.is_some()),
        ("strict", some_strict && all_strict(request).is_none()),
        ("is_error", failed),
    ];
    dropped.extend(fields.iter().filter(|(_, set)| *set).map(|(name, _)| *name));
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
        let tool = |strict: bool| {
            json!({"type": "function",
            "function": {"name": "f", "parameters": {}, "strict": strict}})
        };
        let body = json!({"model": "m", "messages": [], "parallel_tool_calls": false,
            "tools": [tool(true), tool(false)], "top_logprobs": 2, "logprobs": true,
            "max_completion_tokens": 5, "store": true});
        let request = Protocol::OpenAiChat.request_from_json(body).unwrap();
        assert_eq!(dropped(&request), ["store", "parallel_tool_calls", "top_logprobs", "strict"]);
    }
}
