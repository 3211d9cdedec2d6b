//! The `alula` binary: one server between applications and language models.

mod app;
mod cli;
mod config;
mod db;
mod dependencies;
mod dev;
mod doctor;
mod error;
mod logging;
mod mcp;
mod new;
mod private;
mod replay;
mod routers;
mod services;
mod time;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, printable},
    services::documents::EXTRACT_COMMAND,
};

/// Streams of many clients leave the system's allocator with gaps that it does not fill again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The program that reads one document. It limits itself before there is anything else.
    let arguments: Vec<String> = std::env::args().take(4).collect();
    if let [_, command, request] = arguments.as_slice()
        && command == EXTRACT_COMMAND
    {
        return alula_rag::child::run(request);
    }
    let cli = Cli::parse();
    let ended = cli.run();
    logging::flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a command line tool says what went wrong")]
            {
                // Parts of it may be somebody else's words.
                eprintln!("alula: {}", printable(&error.to_string()));
            }
            // 2 is for a mistake in the call or its configuration, 1 for what went wrong later.
            ExitCode::from(error.exit_code())
        }
    }
}
