//! Errors in Cohere's form, and what they mean.

use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    providers::failure::{Failure, worded},
};

/// How the API says that a prompt is too long; it names no errors.
const TOO_LONG: [&str; 1] = ["too many tokens"];

/// Writes the JSON of an error; see [`Protocol::error_to_json`](crate::model::Protocol::error_to_json).
pub fn error_to_json(error: &Error) -> (u16, Value) {
    let message = match error.kind() {
        ErrorKind::ContextTooLong => worded(error.public_message(), &TOO_LONG),
        _ => error.public_message(),
    };
    (error.public_status(), json!({"message": message}))
}

/// Cohere names no errors: the status tells most, the words the rest.
pub(super) fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    match failure.status {
        Some(498) => Some(ErrorKind::ContentFiltered),
        Some(429) if failure.mentions(&["/ month", "per month"]) => Some(ErrorKind::QuotaExceeded),
        Some(400 | 413 | 422) | None if failure.mentions(&TOO_LONG) => {
            Some(ErrorKind::ContextTooLong)
        }
        _ => None,
    }
}
