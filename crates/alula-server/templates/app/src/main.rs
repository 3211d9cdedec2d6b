//! Reads the settings and serves the application.

use std::{io::IsTerminal as _, net::SocketAddr};

use alula::Result;
use tracing_subscriber::EnvFilter;

use my_app::{app, config::Settings};

#[tokio::main]
async fn main() -> Result<()> {
    // All mistakes in the settings are printed, and end the program.
    let settings = Settings::loader().load_or_exit::<Settings>();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&settings.log))
        .with_ansi(std::io::stdout().is_terminal())
        .init();
    let address = SocketAddr::new(settings.host, settings.port);
    app(settings).serve(&address.to_string()).await
}
