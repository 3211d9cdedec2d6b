//! How long an answer took.

use std::{ops::ControlFlow, time::Instant};

use axum::{body::Body, extract::Request};
use http::{HeaderName, HeaderValue, Response};
use tower_layer::Layer;

use super::around::{Around, Heads};

const HEADER: HeaderName = HeaderName::from_static("x-response-time");

/// Tells in `x-response-time` how long an answer took, as in `12.345ms`.
///
/// It counts to the head of the answer, with all layers further in: a stream is not over then.
///
/// ```
/// use alula::{App, middleware::ResponseTime, prelude::*};
///
/// #[get("/")]
/// async fn hello() -> Json<&'static str> {
///     Json("hello")
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let app = App::new("Hello", "1.0.0").routes(routes![hello]).layer(ResponseTime::new());
/// let response = app.client().await.get("/").await;
/// assert!(response.header("x-response-time").ends_with("ms"));
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct ResponseTime(());

impl ResponseTime {
    /// The middleware.
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ResponseTime {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(*self, inner)
    }
}

impl Heads for ResponseTime {
    type Memory = Instant;

    fn request(&self, _: &mut Request) -> ControlFlow<Response<Body>, Instant> {
        ControlFlow::Continue(Instant::now())
    }

    fn response(&self, start: Instant, mut response: Response<Body>) -> Response<Body> {
        let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
        if let Ok(value) = HeaderValue::try_from(format!("{milliseconds:.3}ms")) {
            response.headers_mut().insert(HEADER, value);
        }
        response
    }
}
