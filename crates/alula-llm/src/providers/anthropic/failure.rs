//! Errors in Anthropic's form, and what they mean.

use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    providers::failure::{Failure, worded},
};

/// How the API says that a prompt is too long, for which it has no code.
const TOO_LONG: [&str; 3] = ["prompt is too long", "context window", "context limit"];
/// How it says that a policy blocked the answer.
const FILTERED: [&str; 1] = ["content filtering policy"];

/// Writes the JSON of an error; see [`Protocol::error_to_json`](crate::model::Protocol::error_to_json).
pub fn error_to_json(error: &Error) -> (u16, Value) {
    let public = error.public_status();
    let (status, kind) = match error.kind() {
        ErrorKind::Overloaded { .. } => (529, "overloaded_error"),
        // Clients try a 429 again.
        ErrorKind::QuotaExceeded if public == 429 => (402, "billing_error"),
        _ => match public {
            400 => (400, "invalid_request_error"),
            401 => (401, "authentication_error"),
            404 => (404, "not_found_error"),
            429 => (429, "rate_limit_error"),
            504 => (504, "timeout_error"),
            status => (status, "api_error"),
        },
    };
    let message = error.public_message();
    let message = match error.kind() {
        ErrorKind::ContextTooLong => worded(message, &TOO_LONG),
        ErrorKind::ContentFiltered => worded(message, &FILTERED),
        _ => message,
    };
    let error_json = json!({"type": kind, "message": message});
    (status, json!({"type": "error", "error": error_json, "request_id": error.request_id()}))
}

/// The kind of an error, if its code settles it.
pub(super) fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    let retry_after = failure.retry_after;
    match failure.code.as_deref()? {
        "overloaded_error" => Some(ErrorKind::Overloaded { retry_after }),
        "rate_limit_error" => Some(ErrorKind::RateLimited { retry_after }),
        "authentication_error" | "permission_error" => Some(ErrorKind::Auth),
        "billing_error" => Some(ErrorKind::QuotaExceeded),
        "not_found_error" => Some(ErrorKind::NotFound),
        "request_too_large" => Some(ErrorKind::ContextTooLong),
        "api_error" | "timeout_error" => Some(ErrorKind::Unavailable),
        "invalid_request_error" => Some(invalid_request_kind(failure)),
        _ => None,
    }
}

/// The API gives one code to many things; its words tell them apart.
fn invalid_request_kind(failure: &Failure) -> ErrorKind {
    if failure.mentions(&["credit balance is too low"]) {
        ErrorKind::QuotaExceeded
    } else if failure.mentions(&TOO_LONG) {
        ErrorKind::ContextTooLong
    } else if failure.mentions(&FILTERED) {
        ErrorKind::ContentFiltered
    } else {
        ErrorKind::InvalidRequest
    }
}
