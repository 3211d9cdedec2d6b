//! Calls of a test, which go to the engine without any transport.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::Value;
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
