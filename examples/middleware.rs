//! Middleware: CORS, a log line with the duration and the request id, and a function of your own.

use std::time::Instant;

use alula::{
    Body,
    http::{HeaderValue, Request, Response},
    middleware::{Cors, Next, ResponseTime, SecurityHeaders, from_fn},
    prelude::*,
};

/// Logs each request with its duration and its id, and says which version answered.
async fn log(request: Request<Body>, next: Next) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let id = request.extensions().get::<RequestId>().map(ToString::to_string);
    let started = Instant::now();
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    tracing::info!(%method, path, status, request_id = id, took = ?started.elapsed());
    response.headers_mut().insert("x-api-version", HeaderValue::from_static("1"));
    response
}

/// The id of this request: the client's own, or a new one.
#[get("/id")]
async fn id(id: RequestId) -> Json<String> {
    Json(id.to_string())
}

/// The last layer is the outermost: it sees a request first and its answer last.
pub(crate) fn app() -> App {
    App::new("Middleware", "1.0.0")
        .routes(routes![id])
        .access_log(false) // the one above takes its place
        .layer(from_fn(log))
        .layer(SecurityHeaders::new())
        .layer(Cors::new().origin("https://app.example.com").any_method().any_header())
        .layer(ResponseTime::new())
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}
