//! Functions that answer errors by their type.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use axum::body::Body;
use http::{Response, StatusCode};

use super::{CatchError, ErrorContext, HttpError, Panic, Result};
use crate::output::{Output, ResponseContext};

/// What a handler made of an error; nothing if the error is not its own.
type Answer = Option<Result<Response<Body>>>;

type Run = dyn Fn(&HttpError, &ErrorContext<'_>, &ResponseContext<'_>) -> Answer + Send + Sync;

/// The handlers of one application or router.
#[derive(Default)]
pub(crate) struct ErrorHandlers(Vec<Handler>);

struct Handler {
    precision: Precision,
    run: Box<Run>,
}

/// The most precise handler is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Type,
    Status,
    Every,
}

impl ErrorHandlers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a handler of a type of errors.
    pub(crate) fn on_error<E: CatchError, R: Output>(
        &mut self,
        handler: impl Fn(&E, &ErrorContext<'_>) -> R + Send + Sync + 'static,
    ) {
        let precision = if E::IS_EVERY { Precision::Every } else { Precision::Type };
        self.add(precision, move |error, cx, response| {
            let output = handler(E::find(error)?, cx);
            Some(output.respond(response))
        });
    }

    /// Adds a handler of a status.
    pub(crate) fn on_status<R: Output>(
        &mut self,
        status: u16,
        handler: impl Fn(&HttpError, &ErrorContext<'_>) -> R + Send + Sync + 'static,
    ) {
        self.add(Precision::Status, move |error, cx, response| {
            let is_its_own = error.status().as_u16() == status;
            is_its_own.then(|| handler(error, cx).respond(response))
        });
    }

    /// The last one added is the first that is asked, so that it takes the place of another.
    fn add(
        &mut self,
        precision: Precision,
        run: impl Fn(&HttpError, &ErrorContext<'_>, &ResponseContext<'_>) -> Answer
        + Send
        + Sync
        + 'static,
    ) {
        let at = self.0.partition_point(|known| known.precision < precision);
        self.0.insert(at, Handler { precision, run: Box::new(run) });
    }

    /// Has the first handler answer whose error it is.
    pub(super) fn run(
        &self,
        error: &HttpError,
        cx: &ErrorContext<'_>,
        response: &ResponseContext<'_>,
    ) -> Answer {
        let answer = || self.0.iter().find_map(|handler| (handler.run)(error, cx, response));
        catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|panic| {
            let error = HttpError::internal(Panic::of(&*panic));
            Some(Err(error))
        })
    }
}

impl fmt::Debug for ErrorHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|handler| handler.precision)).finish()
    }
}

/// An error after the handlers have had it.
#[derive(Debug)]
pub(crate) struct Handled {
    /// What the log reads, and the client too unless there is a response.
    pub(crate) error: HttpError,
    /// What a handler answers instead.
    pub(crate) response: Option<Response<Body>>,
}

impl Handled {
    pub(super) fn new(error: HttpError, answer: Answer) -> Self {
        match answer {
            None => Self { error, response: None },
            Some(Ok(response)) => Self { error, response: Some(response) },
            // The log still reads what it was.
            Some(Err(other)) => Self { error: other.because_of(&error), response: None },
        }
    }

    /// The status that the client is answered.
    pub(crate) fn status(&self) -> StatusCode {
        self.response.as_ref().map_or(self.error.status(), Response::status)
    }

    /// Logs what the client is not told.
    pub(crate) fn log(&self, cx: &ErrorContext<'_>) {
        log(&self.error, self.status(), cx);
    }
}

/// Logs what the client is not told. An error that is the client's own is its own business.
pub(super) fn log(error: &HttpError, status: StatusCode, cx: &ErrorContext<'_>) {
    let (request_id, method, path) = (cx.request_id(), cx.method(), cx.uri().path());
    if status.is_server_error() {
        let message = error.log_message();
        tracing::error!(request_id, %method, path, status = status.as_u16(), "{message}");
    } else if error.cause().is_some() {
        let message = error.log_message();
        tracing::warn!(request_id, %method, path, status = status.as_u16(), "{message}");
    }
}
