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
mod new;
mod private;
mod replay;
mod routers;
mod services;
mod time;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;

/// Streams of many clients leave the system's allocator with gaps that it does not fill again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a command line tool says what went wrong")]
            {
                eprintln!("alula: {error}");
            }
            // 2 is for a mistake in the call or its configuration, 1 for what went wrong later.
            ExitCode::from(error.exit_code())
        }
    }
}
