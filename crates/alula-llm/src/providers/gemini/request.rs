use serde_json::{Map, Value};

use super::{
    config::{config_to_json, take_config},
    message::{message_from_json, messages_from_json, messages_to_json},
    tool::{put_tool_choice, put_tools, take_tool_choice, take_tools},
};
use crate::{
    ChatRequest, Error, ErrorKind, Message, Result, Role, Tool,
    model::{
        Protocol,
        fields::{Fields, object},
    },
    providers::openai::is_carried_out,
};

const PROTOCOL: Protocol = Protocol::GeminiGenerate;

/// Reads the JSON body of a request to `generateContent` or `streamGenerateContent`.
///
/// The model, which has its place in the address, is read from the body if it is there.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when there is no list of contents. What else is wrong stays in
/// `extra`, for the provider to judge.
pub fn request_from_json(body: Value) -> Result<ChatRequest> {
    let Value::Object(mut body) = body else {
        return Err(invalid("the request is not a JSON object"));
    };
    let list = body.take_array("contents").ok_or_else(|| invalid("contents: a list is missing"))?;
    let mut messages: Vec<Message> = take_system(&mut body).into_iter().collect();
    messages.append(&mut messages_from_json(list)?);
    let mut request = ChatRequest {
        // It stays in `extra` too, for who has put it there.
        model: body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
        messages,
        tools: take_tools(&mut body),
        tool_choice: take_tool_choice(&mut body),
        origin: Some(PROTOCOL),
        ..ChatRequest::default()
    };
    take_config(&mut body, &mut request);
    request.extra = body;
    Ok(request)
}

/// Writes the JSON body of a request to `generateContent` or `streamGenerateContent`, which is the
/// same for both. The model is not part of it, but of the address.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
pub fn request_to_json(request: &ChatRequest, stream: bool) -> Result<Value> {
    request.check_whole(PROTOCOL)?;
    let _ = stream;
    let mut body = Map::new();
    let (system, contents) = messages_to_json(&request.messages, &request.model)?;
    body.insert("contents".to_owned(), Value::Array(contents));
    body.put("systemInstruction", system);
    put_tool_choice(&mut body, request)?;
    let config = config_to_json(request)?;
    body.put("generationConfig", (!config.is_empty()).then_some(config));
    if PROTOCOL.accepts(request.origin) {
        body.fill(&request.extra);
    }
    put_tools(&mut body, request)?;
    report_dropped(request);
    Ok(Value::Object(body))
}

/// Where a request to `countTokens` holds more than contents.
const COUNTED: &str = "generateContentRequest";

/// Reads the JSON body of a request to `countTokens`, which holds contents or a whole request.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] as [`request_from_json`].
pub fn count_request_from_json(mut body: Value) -> Result<ChatRequest> {
    match body.get_mut(COUNTED) {
        Some(whole) => request_from_json(whole.take()),
        None => request_from_json(body),
    }
}

/// Writes the JSON body of a request to `countTokens`: a whole request if it names its model in
/// the body, or contents.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] as [`request_to_json`].
pub fn count_request_to_json(request: &ChatRequest) -> Result<Value> {
    let body = request_to_json(request, false)?;
    Ok(if body.get("model").is_some() { counted(body) } else { body })
}

/// A request to count the tokens of a whole request.
pub(super) fn counted(request: Value) -> Value {
    Value::Object(object([(COUNTED, request)]))
}

fn take_system(body: &mut Map<String, Value>) -> Option<Message> {
    let system = body.take_object("systemInstruction")?;
    Some(message_from_json(system, Role::System))
}

/// Says what the request asked for in vain.
fn report_dropped(request: &ChatRequest) {
    let mut dropped: Vec<&str> = Vec::new();
    if !PROTOCOL.accepts(request.origin) {
        let names = request.extra.keys().map(String::as_str);
        dropped.extend(names.filter(|name| !is_carried_out(name)));
    }
    let is_strict =
        |tool: &Tool| matches!(tool, Tool::Function(function) if function.strict == Some(true));
    let fields = [
        ("parallel_tool_calls", request.parallel_tool_calls == Some(false)),
        ("strict", request.tools.iter().any(is_strict)),
        ("user", request.user.is_some()),
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
