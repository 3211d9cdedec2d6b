//! Errors that the framework itself finds, as handlers see them.

use std::{any::Any, error::Error as StdError, fmt};

use super::HttpError;
use crate::schema::Detail;

/// All that is wrong with a request, for a handler of
/// [`App::on_error`](crate::App::on_error).
///
/// This is FastAPI's `RequestValidationError`; [`HttpError::validation`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationError {
    details: Vec<Detail>,
}

impl ValidationError {
    pub(super) fn new(details: Vec<Detail>) -> Self {
        Self { details }
    }

    /// What is wrong, in the order of FastAPI: path, query, headers, cookies, body.
    pub fn details(&self) -> &[Detail] {
        &self.details
    }
}

/// One line: where each mistake is, and what it is.
impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, detail) in self.details.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            for (at, step) in detail.loc.iter().enumerate() {
                let dot = if at > 0 { "." } else { "" };
                write!(f, "{dot}{step}")?;
            }
            write!(f, ": {}", detail.msg)?;
        }
        Ok(())
    }
}

/// A panic of an endpoint, a dependency or a middleware, for a handler of
/// [`App::on_error`](crate::App::on_error).
///
/// It is the cause of the 500 that the client is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    message: String,
}

impl Panic {
    /// From what `catch_unwind` caught.
    pub(crate) fn of(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { message: text.unwrap_or("without a message").to_owned() }
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl StdError for Panic {}

/// What [`App::on_error`](crate::App::on_error) can have a handler for: any error that came in
/// through `?`, by its type; [`ValidationError`]; [`Panic`]; and [`HttpError`], which is every
/// error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that a handler can wait for",
    note = "use the type of an error that `?` turns into an `HttpError`, `ValidationError`, `Panic`, or `HttpError` for all"
)]
pub trait CatchError: 'static {
    /// This error in what the client would be answered.
    fn find(error: &HttpError) -> Option<&Self>;

    /// Whether it is every error, so that all others come first.
    #[doc(hidden)]
    const IS_EVERY: bool = false;
}

/// Found where it is the cause of the answer itself, not where it is a source of the cause.
impl<E: StdError + 'static> CatchError for E {
    fn find(error: &HttpError) -> Option<&Self> {
        error.cause()?.downcast_ref()
    }
}

impl CatchError for ValidationError {
    fn find(error: &HttpError) -> Option<&Self> {
        error.invalid()
    }
}

impl CatchError for HttpError {
    fn find(error: &HttpError) -> Option<&Self> {
        Some(error)
    }

    const IS_EVERY: bool = true;
}
