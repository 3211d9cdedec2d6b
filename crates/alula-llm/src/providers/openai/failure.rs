//! Errors in OpenAI's form, and what they mean.

use serde_json::{Value, json};

use crate::{Error, ErrorKind, providers::failure::Failure};

/// Writes the JSON of an error; see [`Protocol::error_to_json`](crate::model::Protocol::error_to_json).
pub fn error_to_json(error: &Error) -> (u16, Value) {
    let status = error.public_status();
    let (kind, code) = match error.kind() {
        ErrorKind::ContextTooLong => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::ContentFiltered => ("invalid_request_error", Some("content_filter")),
        ErrorKind::NotFound => ("invalid_request_error", Some("model_not_found")),
        ErrorKind::Auth if status == 401 => ("invalid_request_error", Some("invalid_api_key")),
        ErrorKind::QuotaExceeded if status == 429 => {
            ("insufficient_quota", Some("insufficient_quota"))
        }
        ErrorKind::RateLimited { .. } => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Timeout { .. } => ("server_error", Some("timeout")),
        _ if status == 400 => ("invalid_request_error", None),
        _ => ("server_error", None),
    };
    let message = error.public_message();
    let told = told(error);
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let (param, code) = (text("param"), code.or_else(|| text("code")));
    (status, json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}

/// What a provider said of a mistake that is the client's, which reads it in full; of its own
/// trouble nothing.
fn told(error: &Error) -> Value {
    let is_mistake = matches!(
        error.kind(),
        ErrorKind::InvalidRequest
            | ErrorKind::ContextTooLong
            | ErrorKind::ContentFiltered
            | ErrorKind::NotFound
    );
    let body = error.body_excerpt().filter(|_| is_mistake);
    let body = body.and_then(|body| serde_json::from_str::<Value>(body).ok());
    body.and_then(|mut body| body.get_mut("error").map(Value::take)).unwrap_or_default()
}

/// The kind of a failure, where more is known of it than its status.
pub(in crate::providers) fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    failure.code.as_deref().and_then(|code| kind_by_code(code, failure)).or_else(|| {
        match failure.status {
            Some(400) if failure.mentions(&CONTEXT_WORDS) => Some(ErrorKind::ContextTooLong),
            // `OpenRouter` calls it so when the input was moderated away.
            Some(403) if failure.mentions(&["moderation", "was flagged"]) => {
                Some(ErrorKind::ContentFiltered)
            }
            // Groq has no capacity left for this tier.
            Some(498) => Some(ErrorKind::Overloaded { retry_after: failure.retry_after }),
            _ => None,
        }
    })
}

const CONTEXT_WORDS: [&str; 4] =
    ["context length", "maximum context", "context window", "context size"];

fn kind_by_code(code: &str, failure: &Failure) -> Option<ErrorKind> {
    let retry_after = failure.retry_after;
    match code {
        "insufficient_quota" | "billing_hard_limit_reached" => Some(ErrorKind::QuotaExceeded),
        "context_length_exceeded" | "string_above_max_length" | "exceed_context_size_error" => {
            Some(ErrorKind::ContextTooLong)
        }
        "content_filter" | "content_policy_violation" => Some(ErrorKind::ContentFiltered),
        "invalid_api_key" => Some(ErrorKind::Auth),
        "model_not_found" | "model_decommissioned" | "DeploymentNotFound" => {
            Some(ErrorKind::NotFound)
        }
        "rate_limit_exceeded" => Some(ErrorKind::RateLimited { retry_after }),
        "invalid_request_error" if failure.status.is_none_or(|status| status == 200) => {
            Some(ErrorKind::InvalidRequest)
        }
        _ => None,
    }
}
