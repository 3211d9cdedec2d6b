//! What an application says about errors.

use super::App;
use crate::{
    error::{ApiError, CatchError, ErrorContext, ErrorFormat, HttpError},
    output::Output,
};

impl App {
    /// The form of all errors; [`FastApi`](crate::FastApi) by default.
    ///
    /// It is also the form of what the framework answers by itself: 404, 405, 413, 422, 500 and
    /// the others. Only what the server refuses before it knows the request, such as one
    /// connection too many, has FastAPI's form always.
    pub fn error_format(mut self, format: impl ErrorFormat) -> Self {
        self.root = self.root.error_format(format);
        self
    }

    /// Answers errors of one type.
    ///
    /// `E` is the type of an error that came in through `?`, as it was then: what is its
    /// [`source`](std::error::Error::source) is not looked for. It may also be
    /// [`ValidationError`](crate::ValidationError), [`Panic`](crate::Panic), or [`HttpError`],
    /// which is every error.
    ///
    /// What the handler returns is the answer. An [`HttpError`] is answered in the usual
    /// [form](Self::error_format), and the log still reads the cause. Another output has the
    /// status of the error unless it has its own, so that `Html` is a page for the error.
    ///
    /// One handler answers:
    ///
    /// 1. A router's handlers come before those of the routers around it and of the app.
    /// 2. Among those of one router, the type of the error comes before its
    ///    [status](Self::on_status), and both before `HttpError`.
    /// 3. Of two for the same, the one that was added last is asked.
    ///
    /// What it returns, or its own panic, no other handler sees. An error in the middle of a
    /// stream has its handler, too, but an answer that is not an `HttpError` comes too late then.
    ///
    /// ```
    /// use alula::{ValidationError, prelude::*};
    ///
    /// #[get("/answer")]
    /// async fn answer() -> Result<Json<u8>> {
    ///     Ok(Json("forty-two".parse()?))
    /// }
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let app = App::new("Answers", "1.0.0")
    ///     .routes(routes![answer])
    ///     .on_error(|error: &std::num::ParseIntError, _| {
    ///         HttpError::new(502, format!("the oracle is no mathematician: {error}"))
    ///     })
    ///     .on_error(|error: &ValidationError, _| {
    ///         HttpError::bad_request(error.details().len())
    ///     });
    /// let response = app.client().await.get("/answer").await;
    /// assert_eq!(response.status(), 502);
    /// # });
    /// ```
    pub fn on_error<E: CatchError, R: Output>(
        mut self,
        handler: impl Fn(&E, &ErrorContext<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.root = self.root.on_error(handler);
        self
    }

    /// Answers errors of one status, those of the framework included, as
    /// [`on_error`](Self::on_error) does those of one type.
    ///
    /// ```
    /// use alula::{App, Html, HttpError};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let app = App::new("Pages", "1.0.0")
    ///     .on_status(404, |_: &HttpError, _| Html("<h1>Lost?</h1>"));
    /// let response = app.client().await.get("/nowhere").await;
    /// assert_eq!((response.status().as_u16(), response.text()), (404, "<h1>Lost?</h1>"));
    /// # });
    /// ```
    pub fn on_status<R: Output>(
        mut self,
        status: u16,
        handler: impl Fn(&HttpError, &ErrorContext<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.root = self.root.on_status(status, handler);
        self
    }

    /// Documents the statuses of an error on all routes, as [`Route::responses`] does.
    ///
    /// [`Route::responses`]: crate::Route::responses
    pub fn responses<E: ApiError>(mut self) -> Self {
        self.root = self.root.responses::<E>();
        self
    }

    /// Documents a further answer of all routes, as [`Route::response`] does.
    ///
    /// [`Route::response`]: crate::Route::response
    pub fn response<T: Output>(mut self, status: u16, description: &str) -> Self {
        self.root = self.root.response::<T>(status, description);
        self
    }
}
