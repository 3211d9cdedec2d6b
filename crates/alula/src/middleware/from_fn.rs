//! Middleware that is a function.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    mem,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request};
use futures_util::future::BoxFuture;
use http::Response;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::{ApiError, Noted, RequestHead, Result, answer};

/// Makes a middleware from an async function, as FastAPI's `@app.middleware("http")`.
///
/// The function may change the request, answer it by itself, or pass it on with [`Next::run`] and
/// change the answer. It returns a response, or a `Result` of one whose error is answered and
/// logged as that of an endpoint.
///
/// ```
/// use alula::{
///     Body, HttpError, RequestId, Result,
///     http::{Request, Response},
///     middleware::{Next, from_fn},
///     prelude::*,
/// };
///
/// async fn office_hours(request: Request<Body>, next: Next) -> Result<Response<Body>> {
///     if request.headers().contains_key("x-night") {
///         return Err(HttpError::unavailable("come back in the morning"));
///     }
///     let id = request.extensions().get::<RequestId>().cloned();
///     let response = next.run(request).await;
///     println!("{id:?}: {}", response.status());
///     Ok(response)
/// }
///
/// #[get("/")]
/// async fn hello() -> Json<&'static str> {
///     Json("hello")
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let app = App::new("Shop", "1.0.0").routes(routes![hello]).layer(from_fn(office_hours));
/// let client = app.client().await;
/// assert_eq!(client.get("/").await.status(), 200);
/// assert_eq!(client.get("/").header("x-night", "1").await.status(), 503);
/// # });
/// ```
///
/// What concerns some endpoints, needs inputs or shall be in the document is better a
/// [dependency](crate::Dependency).
pub fn from_fn<F, Fut>(function: F) -> FromFn<F>
where
    F: Fn(Request, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: Answer> + Send + 'static,
{
    FromFn(function)
}

/// A middleware that [`from_fn`] made.
#[derive(Clone, Copy)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct FromFn<F>(F);

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromFn").field(&std::any::type_name::<F>()).finish()
    }
}

/// What is further in: other middleware, and the endpoint.
#[must_use = "without `next.run(request)` the endpoint does not run"]
pub struct Next(Box<dyn FnOnce(Request) -> BoxFuture<'static, Response<Body>> + Send>);

impl Next {
    /// Passes the request on.
    pub async fn run(self, request: Request) -> Response<Body> {
        (self.0)(request).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

/// What a function around requests may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a middleware",
    note = "return a `Response<Body>`, or a `Result` of one"
)]
pub trait Answer {
    /// The response, or the error to answer with instead.
    ///
    /// # Errors
    ///
    /// The error of the function.
    fn answer(self) -> Result<Response<Body>>;
}

impl Answer for Response<Body> {
    fn answer(self) -> Result<Self> {
        Ok(self)
    }
}

impl<E: ApiError> Answer for Result<Response<Body>, E> {
    fn answer(self) -> Result<Response<Body>> {
        self.map_err(ApiError::into_http)
    }
}

impl<F: Clone, S> Layer<S> for FromFn<F> {
    type Service = FromFnService<F, S>;

    fn layer(&self, inner: S) -> Self::Service {
        FromFnService { function: self.0.clone(), inner }
    }
}

/// A service with a function around it.
#[derive(Debug, Clone)]
pub struct FromFnService<F, S> {
    function: F,
    inner: S,
}

impl<F, Fut, S> Service<Request> for FromFnService<F, S>
where
    F: Fn(Request, Next) -> Fut,
    Fut: Future<Output: Answer> + Send + 'static,
    S: Service<Request, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready is the one to call; the clone takes its place.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let next = Next(Box::new(move |request| {
            let response = inner.call(request);
            Box::pin(async move {
                match response.await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            })
        }));
        let noted = Noted::of(RequestHead::of_request(&request));
        let work = (self.function)(request, next);
        Box::pin(async move {
            Ok(work.await.answer().unwrap_or_else(|error| noted.with(|cx| answer(error, cx))))
        })
    }
}
