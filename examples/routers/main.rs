//! Routers: an API in several files, each with its prefix, tag and dependencies.

mod documents;
mod users;

use alula::prelude::*;

/// Whoever calls this API needs a key.
#[dependency]
async fn key(key: ApiKey) -> Result<()> {
    match key.as_str() {
        "secret" => Ok(()),
        _ => Err(HttpError::forbidden("Unknown API key")),
    }
}

/// Whether the API runs; no key needed.
#[get("/health")]
async fn health() -> Json<&'static str> {
    Json("healthy")
}

pub(crate) fn app() -> App {
    let v1 = Router::new()
        .prefix("/v1")
        .depends::<key>()
        .include(documents::router())
        .include(users::router());
    App::new("Routers", "1.0.0")
        .describe_tag("Documents", "What the model may read.")
        .describe_tag("Users", "Who may ask.")
        .routes(routes![health])
        .include(v1)
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}
