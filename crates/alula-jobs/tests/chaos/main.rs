//! Kills and stops what works on jobs, at random, and looks whether anything was lost.
//!
//! `cargo xtask chaos` runs it. It is no test of `cargo test`: it takes as long as it is told, and
//! starts itself again for the processes that it kills.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command prints what it has found"
)]

mod contention;
mod fleet;
mod jobs;
mod log;
mod options;
mod place;
mod provider;
mod receiver;
mod role;
mod server;
mod stops;
mod tally;
mod webhooks;
mod work;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

use self::{options::Options, role::Role};

const USAGE: &str = "\
Usage: chaos jobs       --store sqlite|postgres [--kills N] [--seed S] [--lease-ms N]
       chaos server     --store sqlite|postgres [--kills N] [--seed S] [--lease-ms N] --alula PATH
       chaos stops      --store sqlite|postgres [--rounds N] [--count N] [--lease-ms N]
       chaos webhooks   --store sqlite|postgres [--count N] [--seed S] [--lease-ms N]
       chaos contention --store sqlite|postgres [--seconds N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else { bail!("say what to do\n{USAGE}") };
    let runtime = Runtime::new()?;
    if name == role::NAME {
        return runtime.block_on(Role::parse(rest)?.play());
    }
    let options = || Options::parse(rest);
    match name.as_str() {
        "jobs" => runtime.block_on(jobs::run(&options()?)),
        "stops" => runtime.block_on(stops::run(&options()?)),
        "server" => runtime.block_on(server::run(&options()?)),
        "webhooks" => runtime.block_on(webhooks::run(&options()?)),
        "contention" => runtime.block_on(contention::run(&options()?)),
        _ => bail!("nothing is called `{name}`\n{USAGE}"),
    }
}
