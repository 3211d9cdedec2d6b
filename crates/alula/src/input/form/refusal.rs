//! The answers to forms that are not read to their end.

use std::fmt::Display;

use super::parser::Malformed;
use crate::{error::HttpError, input::reader::refuse};

/// FastAPI's words.
pub(super) fn too_many(what: &str, max: usize) -> HttpError {
    refuse(400, format!("Too many {what}. Maximum number of {what} is {max}."))
}

pub(super) fn too_large(what: impl Display, bytes_max: impl Display) -> HttpError {
    refuse(413, format!("{what} is larger than {bytes_max} bytes"))
}

pub(super) fn malformed(malformed: Malformed) -> HttpError {
    refuse(400, malformed.to_string())
}

/// FastAPI's words.
pub(super) fn nameless() -> HttpError {
    refuse(400, "The Content-Disposition header field \"name\" must be provided.")
}

pub(super) fn no_multipart() -> HttpError {
    HttpError::new(415, "Unsupported Media Type: send the form as multipart/form-data")
}

pub(super) fn unsupported() -> HttpError {
    HttpError::new(
        415,
        "Unsupported Media Type: send the form as application/x-www-form-urlencoded or \
         multipart/form-data",
    )
}
