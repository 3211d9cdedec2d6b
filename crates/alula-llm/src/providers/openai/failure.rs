//! Errors in OpenAI's form.

use serde_json::{Value, json};

use crate::{Error, ErrorKind};

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
    (status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}
