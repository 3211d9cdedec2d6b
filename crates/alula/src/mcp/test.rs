//! Calls of a test, which go to the engine without any transport where it is not served over HTTP.

use std::sync::Arc;

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{
    context::Outbox,
    engine::{Caller, Engine},
    message::{Incoming, MODERN},
};
use crate::{
    dependency::RequestScope,
    error::{HttpError, Result},
    input::{RequestContext, RequestId},
};

/// The revision that a test speaks.
pub(crate) const VERSION: &str = MODERN;

/// How many messages a call may send before anybody has read one.
const MESSAGES_MAX: usize = 10_000;

/// Where the engine is served over HTTP, if it is.
pub(crate) fn path(engine: &Engine) -> Option<&str> {
    engine.path.as_deref()
}

/// The headers that repeat what a request over HTTP says.
pub(crate) fn headers(
    engine: &Engine,
    method: &str,
    params: &Map<String, Value>,
) -> Vec<(String, String)> {
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    let mut headers = vec![
        ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
        (super::http::headers::VERSION.to_owned(), VERSION.to_owned()),
        ("mcp-method".to_owned(), method.to_owned()),
    ];
    let name = match method {
        "tools/call" | "prompts/get" => text("name"),
        "resources/read" => text("uri"),
        _ => None,
    };
    headers.extend(name.map(|name| ("mcp-name".to_owned(), encoded(name))));
    let tool = name.filter(|_| method == "tools/call");
    let tool = tool.and_then(|name| engine.registry.tools.find(name));
    for parameter in tool.iter().flat_map(|tool| &tool.item.headers) {
        let mut path = parameter.path.iter();
        let Some(arguments) = params.get("arguments") else { break };
        let value = path.try_fold(arguments, |value, name| value.get(name));
        let value = match value {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => encoded(text),
            Some(value) => value.to_string(),
        };
        headers.push((parameter.header.as_str().to_owned(), value));
    }
    headers
}

/// A text as the value of a header.
fn encoded(text: &str) -> String {
    let is_plain = text.trim() == text && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match is_plain && !text.starts_with("=?") {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(text)),
    }
}

/// Sends a message; gives its answer, and what was said before.
pub(crate) async fn send(
    engine: &Arc<Engine>,
    headers: HeaderMap,
    message: &Value,
) -> Result<(Value, Vec<Value>)> {
    let scope = RequestScope::new(engine.shutdown.clone());
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers;
    request.extensions_mut().insert(RequestId::new(&crate::app::unique_text()));
    let mut cx = RequestContext::new(request, engine.limits, scope);
    let access = engine.enter(&mut cx).await?;
    let bytes = Bytes::from(message.to_string());
    let Ok(Incoming::Request(request)) = Incoming::parse(&bytes) else {
        return Err(HttpError::internal("a test sends requests"));
    };
    let (sender, mut messages) = mpsc::channel(MESSAGES_MAX);
    let out = Outbox(Some(sender));
    let caller = Caller { access, session: None, out, is_http: false, cancelled: None };
    let answer = engine.clone().answer(request, cx, caller).await;
    if let Some(error) = answer.refused {
        return Err(error);
    }
    let mut said = Vec::new();
    while let Ok(message) = messages.try_recv() {
        said.push(serde_json::from_slice(&message)?);
    }
    Ok((serde_json::from_slice(&answer.json)?, said))
}
