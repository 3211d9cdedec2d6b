//! The Alula application of the differential test; `app.py` is the same in FastAPI.
//!
//! Each module here stands beside its twin of the same name. It serves on a free port and prints
//! the address; `cargo xtask differential` sends both the same requests. With `--strict` it reads
//! JSON strictly everywhere, for `cargo xtask schemathesis`.
#![expect(clippy::print_stdout, reason = "whoever starts it has to know the port")]

mod answers;
mod bodies;
mod dependencies;
mod errors;
mod events;
mod forms;
mod list;
mod media;
mod parameters;
mod routers;
mod security;
mod streams;

use alula::{App, Limits, Result, Router, Server, Shutdown};

/// FastAPI reads JSON as leniently as [`Router::lax`] does.
fn app(strict: bool) -> App {
    let router = Router::new()
        .include(bodies::router())
        .include(parameters::router())
        .include(dependencies::router())
        .include(errors::router())
        .include(answers::router())
        .include(streams::router())
        .include(forms::router())
        .include(media::router())
        .include(security::router())
        .include(events::router())
        .include(routers::router());
    App::new("Differential", "1.0.0")
        .state(events::Events::default())
        .include(if strict { router } else { router.lax() })
        .include(bodies::strict_router())
        .on_error(errors::answer_insolvency)
}

#[tokio::main]
async fn main() -> Result<()> {
    // A task panics because it is asked to.
    std::panic::set_hook(Box::new(|_| ()));
    let strict = std::env::args().any(|argument| argument == "--strict");
    let server = Server::bind("127.0.0.1:0", Limits::default()).await?;
    println!("listening on http://{}", server.local_addr());
    Ok(app(strict).serve_on(server, Shutdown::on_signals()?).await?)
}
