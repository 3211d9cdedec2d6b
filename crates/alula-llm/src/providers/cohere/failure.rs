//! Errors in Cohere's form, and what they mean.

use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    providers::failure::{Failure, worded},
};

/// How the API says that a prompt is too long; it names no errors.
const TOO_LONG: [&str; 1] = ["too many tokens"];

/// How it says that nothing is left of a plan.
const USED_UP: [&str; 3] = ["limit of calls per month", "/ month", "per month"];

/// Writes the JSON of an error; see [`Protocol::error_to_json`](crate::model::Protocol::error_to_json).
pub fn error_to_json(error: &Error) -> (u16, Value) {
    let status = error.public_status();
    let message = match error.kind() {
        ErrorKind::ContextTooLong => worded(error.public_message(), &TOO_LONG),
        ErrorKind::QuotaExceeded if status == 429 => worded(error.public_message(), &USED_UP),
        _ => error.public_message(),
    };
    (status, json!({"message": message}))
}

/// Cohere names no errors: the status tells most, the words the rest.
pub(super) fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    match failure.status {
        Some(498) => Some(ErrorKind::ContentFiltered),
        Some(429) if failure.mentions(&USED_UP) => Some(ErrorKind::QuotaExceeded),
        Some(400 | 413 | 422) | None if failure.mentions(&TOO_LONG) => {
            Some(ErrorKind::ContextTooLong)
        }
        _ => None,
    }
}
