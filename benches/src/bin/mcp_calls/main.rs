//! The same tool in Alula, in rmcp and in `FastMCP`: calls over HTTP, the start over stdio, memory.
//!
//! All run in this one run and have to answer alike before anything is measured. The ratios count;
//! absolute figures are those of the machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a comparison prints its figures")]

mod alula;
mod calls;
mod cold;
mod report;
mod systems;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use alula_benches::{load::Plan, machine};
use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::{
    calls::{Case, Target},
    report::Report,
    systems::{Programs, System},
};

/// Core of the servers, if there are two and `taskset`; the load has the other one.
const LOAD_CORE: usize = 1;
/// How many tools a server has: few, and ten times as many.
const TOOLS: [usize; 2] = [29, 290];
/// Connections, each with one call under way.
const CONNECTIONS: [usize; 2] = [1, 16];

/// Compares MCP servers in Alula, rmcp and `FastMCP`.
#[derive(Debug, Parser)]
struct Options {
    /// A Python with `FastMCP`.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The server in rmcp.
    #[arg(long)]
    rmcp: Option<PathBuf>,
    /// Where the figures go, as JSON.
    #[arg(long, required_unless_present = "serve")]
    output: Option<PathBuf>,
    /// How often each server is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often each server is started over stdio.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    starts: u32,
    /// Be the server in Alula with so many tools: over HTTP until standard input is closed.
    #[arg(long, hide = true)]
    serve: Option<usize>,
    /// The same over stdio.
    #[arg(long, hide = true)]
    stdio: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    match options.serve {
        Some(tools) if options.stdio => Runtime::new()?.block_on(alula::stdio(tools)),
        Some(tools) => Runtime::new()?.block_on(alula::http(tools)),
        None => compare(options),
    }
}

fn compare(options: &Options) -> Result<()> {
    let output = options.output.as_deref().context("--output is missing")?;
    let load_average = machine::load_average();
    let pinned = machine::cores() > LOAD_CORE && machine::pin_self(LOAD_CORE);
    let programs = Programs {
        python: options.python.clone(),
        rmcp: options.rmcp.clone(),
        log: output.with_file_name("mcp"),
        pinned,
    };
    let systems = programs.systems();
    let plan = |connections| Plan {
        connections,
        warm_up: Duration::from_millis(500),
        time: Duration::from_secs(options.seconds),
    };
    let cases = Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut cases = Vec::new();
        for tools in TOOLS {
            for connections in CONNECTIONS {
                cases.push(Case::new(Target::Tool, tools, connections));
            }
        }
        for target in [Target::Endpoint, Target::EndpointAsTool] {
            for connections in CONNECTIONS {
                cases.push(Case::new(target, 29, connections));
            }
        }
        for round in 0..options.rounds {
            for case in &mut cases {
                let mut order: Vec<System> =
                    systems.iter().copied().filter(|system| case.target.is_of(*system)).collect();
                // Each round begins with another one, so that drift of the machine hits all.
                let turn = usize::try_from(round)? % order.len().max(1);
                order.rotate_left(turn);
                for system in order {
                    let sample = case.measure(system, &programs, plan(case.connections)).await?;
                    case.samples.push((system, sample));
                }
            }
            println!("round {} of {} is done", round + 1, options.rounds);
        }
        anyhow::Ok(cases)
    })?;
    let mut starts = Vec::new();
    for system in &systems {
        starts.push((*system, cold::measure(*system, &programs, options.starts)?));
    }
    let report = Report { load_average, pinned, rounds: options.rounds, systems, cases, starts };
    print!("{report}");
    report.save(output)?;
    println!("\nwritten to {}", output.display());
    Ok(())
}
