//! Errors in Google's form, and what they mean.

use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    model::fields::{Fields, object},
    providers::failure::{Failure, worded},
};

/// How the API says that a prompt is too long, for which it has no code.
const TOO_LONG: [&str; 3] = ["token count", "payload size exceeds", "context window"];

/// How it says that nothing is left on an account, for which it has no code of its own.
const DEPLETED: [&str; 1] = ["credits are depleted"];

/// Writes the JSON of an error; see [`Protocol::error_to_json`](crate::model::Protocol::error_to_json).
pub fn error_to_json(error: &Error) -> (u16, Value) {
    let status = error.public_status();
    let name = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let message = match error.kind() {
        ErrorKind::ContextTooLong => worded(error.public_message(), &TOO_LONG),
        ErrorKind::QuotaExceeded if status == 429 => worded(error.public_message(), &DEPLETED),
        _ => error.public_message(),
    };
    let details = error.retry_after().map(|wait| {
        json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", wait.as_secs_f64())}])
    });
    let mut body =
        object([("code", status.into()), ("message", message.into()), ("status", name.into())]);
    body.put("details", details);
    (status, json!({"error": body}))
}

/// The kind of an error, if its code settles it.
pub(super) fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    let retry_after = failure.retry_after;
    match failure.code.as_deref()? {
        // A quota of a day, which no waiting of seconds brings back.
        "RESOURCE_EXHAUSTED" if failure.body.contains("PerDay") => Some(ErrorKind::QuotaExceeded),
        "RESOURCE_EXHAUSTED" if failure.status == Some(402) || failure.mentions(&DEPLETED) => {
            Some(ErrorKind::QuotaExceeded)
        }
        "RESOURCE_EXHAUSTED" => Some(ErrorKind::RateLimited { retry_after }),
        "UNAVAILABLE" => Some(ErrorKind::Overloaded { retry_after }),
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Some(ErrorKind::Auth),
        "NOT_FOUND" => Some(ErrorKind::NotFound),
        "INTERNAL" | "UNKNOWN" | "ABORTED" | "CANCELLED" | "DEADLINE_EXCEEDED" => {
            Some(ErrorKind::Unavailable)
        }
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => {
            Some(invalid_argument_kind(failure))
        }
        _ => None,
    }
}

/// The API gives one status to many things; its words tell them apart.
fn invalid_argument_kind(failure: &Failure) -> ErrorKind {
    let is_key = failure.body.contains("API_KEY_") || failure.mentions(&["api key not valid"]);
    if is_key || failure.mentions(&["user location is not supported"]) {
        ErrorKind::Auth
    } else if failure.mentions(&["billing"]) {
        ErrorKind::QuotaExceeded
    } else if failure.mentions(&TOO_LONG) {
        ErrorKind::ContextTooLong
    } else {
        ErrorKind::InvalidRequest
    }
}
