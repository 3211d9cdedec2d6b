//! What an answer says, or why it says nothing.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::time::timeout;

use super::{Answer, Http};
use crate::{Error, ErrorKind, Result, providers::failure::Failure};

/// Error bodies are read up to this size, and no longer than this for each piece.
const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Passes an answer of success on, in the form that was asked for, and turns others into errors.
pub(in crate::providers) async fn accept(
    response: Answer,
    stream: bool,
    kind: fn(&Failure) -> Option<ErrorKind>,
) -> Result<Answer> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_stream = content_type.is_none_or(|value| {
        value.to_str().is_ok_and(|value| value.starts_with("text/event-stream"))
    });
    if status.is_success() && (is_stream || !stream) {
        return Ok(response);
    }
    let headers = response.headers().clone();
    let body = read_excerpt(response).await;
    let failure = Failure::of_answer(status.as_u16(), &headers, &body);
    if status.is_success() && failure.code.is_none() && failure.message.is_none() {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let message = format!(
            "asked for a stream of events, got {}",
            content_type.unwrap_or("something else")
        );
        return Err(Error::new(ErrorKind::Decode, message).with_status(status.as_u16()));
    }
    let known = kind(&failure);
    Err(failure.into_error(known))
}

/// The whole body as JSON.
pub(in crate::providers) async fn read_json(http: &Http, response: Answer) -> Result<Value> {
    let status = response.status().as_u16();
    let body = http.read(response).await?;
    serde_json::from_slice(&body).map_err(|error| not_json(&error, status, &body))
}

/// The error of an answer that is something else.
pub(in crate::providers) fn not_json(error: &serde_json::Error, status: u16, body: &[u8]) -> Error {
    Error::new(ErrorKind::Decode, format!("the answer is not JSON: {error}"))
        .with_status(status)
        .with_body(&String::from_utf8_lossy(body))
}

/// The beginning of an error body. That it breaks off is no news.
async fn read_excerpt(response: Answer) -> Vec<u8> {
    let mut pieces = response.into_pieces();
    let mut body = Vec::new();
    while body.len() < ERROR_BODY_BYTES_MAX
        && let Ok(Some(Ok(chunk))) = timeout(ERROR_BODY_TIMEOUT, pieces.next()).await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(ERROR_BODY_BYTES_MAX);
    body
}
