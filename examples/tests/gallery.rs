//! The programs of this folder behind one address, each below its name with its own document; for
//! `cargo xtask schemathesis`.
#![expect(dead_code, reason = "the main functions of the programs serve until they are stopped")]
#![expect(clippy::print_stdout, reason = "whoever starts it has to know the port")]

#[path = "../async_operations.rs"]
mod async_operations;
#[path = "../background_tasks.rs"]
mod background_tasks;
#[path = "../dependencies.rs"]
mod dependencies;
#[path = "../deployment.rs"]
mod deployment;
#[path = "../error_handling.rs"]
mod error_handling;
#[path = "../middleware.rs"]
mod middleware;
#[path = "../models.rs"]
mod models;
#[path = "../parameters.rs"]
mod parameters;
#[path = "../quick_start.rs"]
mod quick_start;
#[path = "../routers/main.rs"]
mod routers;
#[path = "../settings.rs"]
mod settings;
#[path = "../streaming.rs"]
mod streaming;
#[path = "../testing.rs"]
mod testing;
#[path = "../uploads.rs"]
mod uploads;

use alula::{App, Limits, Result, Server, Shutdown};

#[tokio::main]
async fn main() -> Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let app = App::new("Examples", "1.0.0")
        .mount("/async_operations", async_operations::app()?)
        .mount("/background_tasks", background_tasks::app())
        .mount("/dependencies", dependencies::app())
        .mount("/deployment", deployment::app(shutdown.clone()))
        .mount("/error_handling", error_handling::app())
        .mount("/middleware", middleware::app())
        .mount("/models", models::app())
        .mount("/parameters", parameters::app())
        .mount("/quick_start", quick_start::app())
        .mount("/routers", routers::app())
        .mount("/settings", settings::app(settings::loader().load()?))
        .mount("/streaming", streaming::app()?)
        .mount("/testing", testing::app())
        .mount("/uploads", uploads::app());
    let server = Server::bind("127.0.0.1:0", Limits::default()).await?;
    println!("listening on http://{}", server.local_addr());
    app.serve_on(server, shutdown).await?;
    Ok(())
}
