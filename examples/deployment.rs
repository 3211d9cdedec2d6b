//! Deployment: limits, readiness, a shutdown that loses nothing.

use std::{sync::Arc, time::Duration};

use alula::{
    Limits, Server, Shutdown,
    middleware::{ConcurrencyLimit, TrustedHosts, TrustedProxies},
    prelude::*,
};

/// Whether the process lives; a draining server does.
#[get("/health/live", tag = "Health")]
async fn live() -> Json<&'static str> {
    Json("alive")
}

/// Whether requests should be sent here. Not any more once the shutdown has begun.
#[get("/health/ready", tag = "Health")]
async fn ready(shutdown: State<Shutdown>) -> Result<Json<&'static str>> {
    match shutdown.is_stopping() {
        true => Err(HttpError::unavailable("Draining").retry_after(5)),
        false => Ok(Json("ready")),
    }
}

/// What the server is for.
#[post("/chat", tag = "Chat", timeout_seconds = 60)]
async fn chat(Json(message): Json<String>) -> Json<String> {
    Json(message)
}

pub(crate) fn app(shutdown: Shutdown) -> App {
    let api = Router::new()
        .routes(routes![chat])
        .layer(ConcurrencyLimit::new(200).queue(400).wait(Duration::from_secs(5)));
    App::new("Deployment", "1.0.0")
        .shared_state(Arc::new(shutdown))
        .routes(routes![live, ready])
        .include(api)
        .max_body(256 * 1024)
        .access_log_skip(["/health/live", "/health/ready"])
        .layer(TrustedHosts::new(["api.example.com", "localhost", "127.0.0.1"]))
        .layer(TrustedProxies::new(["10.0.0.0/8"]))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().json().init();
    let shutdown = Shutdown::on_signals()?;
    let limits = Limits::default().drain_delay(Duration::from_secs(5));
    let server = Server::bind("0.0.0.0:8000", limits).await?;
    app(shutdown.clone()).serve_on(server, shutdown).await?;
    Ok(())
}
