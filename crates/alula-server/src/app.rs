//! The application: all routers over the services.

use alula::{App, Router};
use alula_llm::Llm;

use crate::routers::{chat, health};

/// Builds the application over its services.
pub(crate) fn app(llm: Llm) -> App {
    App::new("Alula", env!("CARGO_PKG_VERSION"))
        .description(
            "One API in front of language models. Ask with `/chat`, stream with `/chat/stream`, \
             ask many at once with `/batch`.",
        )
        .describe_tag("Chat", "Ask a model.")
        .describe_tag("Health", "Whether the server works.")
        .state(llm)
        .include(Router::new().tag("Health").routes(health::routes()))
        // As lenient as FastAPI, whose clients call these endpoints unchanged.
        .include(Router::new().tag("Chat").lax().routes(chat::routes()))
}
