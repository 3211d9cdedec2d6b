//! What routes and routers say about errors and further answers.

use std::sync::Arc;

use super::{Route, Router};
use crate::{
    error::{ApiError, CatchError, ErrorContext, ErrorFormat, HttpError},
    openapi::Operation,
    output::Output,
};

/// Adds to the document of an endpoint.
pub(crate) type Describe = Arc<dyn Fn(&mut Operation<'_>) + Send + Sync>;

pub(crate) fn error_of<E: ApiError>() -> Describe {
    let describe: fn(&mut Operation<'_>) = E::describe;
    Arc::new(describe)
}

pub(crate) fn answer_of<T: Output>(status: u16, description: &str) -> Describe {
    let description = description.to_owned();
    let describe: fn(&mut Operation<'_>, u16) = T::describe;
    Arc::new(move |operation| {
        operation.final_status(status);
        describe(operation, status);
        operation.describe_response(status, &description);
    })
}

impl Route {
    /// The form of its errors; by default its router's, or the app's.
    pub fn error_format(mut self, format: impl ErrorFormat) -> Self {
        self.errors.format = Some(Arc::new(format));
        self
    }

    /// Documents the statuses of an error that the endpoint does not return by its type, such as
    /// one of a middleware.
    pub fn responses<E: ApiError>(mut self) -> Self {
        self.describes.push(error_of::<E>());
        self
    }

    /// Documents a further answer: what FastAPI calls `responses={status: {"model": …}}`.
    ///
    /// ```
    /// use alula::{Json, Status, get};
    ///
    /// async fn item() -> Json<u32> {
    ///     Json(7)
    /// }
    ///
    /// let route = get("/item", item).response::<Json<String>>(404, "There is no such item");
    /// ```
    pub fn response<T: Output>(mut self, status: u16, description: &str) -> Self {
        self.describes.push(answer_of::<T>(status, description));
        self
    }
}

impl Router {
    /// The form of all errors below its prefix, of the framework's own, too.
    pub fn error_format(mut self, format: impl ErrorFormat) -> Self {
        self.error_format = Some(Arc::new(format));
        self
    }

    /// Answers errors of one type, as [`App::on_error`](crate::App::on_error) does, on its own
    /// routes and below its prefix. Its handlers come before those of the routers around it.
    pub fn on_error<E: CatchError, R: Output>(
        mut self,
        handler: impl Fn(&E, &ErrorContext<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.handlers.on_error(handler);
        self
    }

    /// Answers errors of one status, as [`App::on_status`](crate::App::on_status) does.
    pub fn on_status<R: Output>(
        mut self,
        status: u16,
        handler: impl Fn(&HttpError, &ErrorContext<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.handlers.on_status(status, handler);
        self
    }

    /// Documents the statuses of an error on all its routes, as [`Route::responses`] does.
    pub fn responses<E: ApiError>(mut self) -> Self {
        self.describes.push(error_of::<E>());
        self
    }

    /// Documents a further answer of all its routes, as [`Route::response`] does.
    pub fn response<T: Output>(mut self, status: u16, description: &str) -> Self {
        self.describes.push(answer_of::<T>(status, description));
        self
    }
}
