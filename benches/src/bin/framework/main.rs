//! A JSON echo with validation in Alula, in plain axum and in FastAPI.
//!
//! All servers run in this one run, take turns under the same load, and have to agree before
//! anything is measured. The ratios count; absolute figures are those of the machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a comparison prints its figures")]

mod chat;
mod measure;
mod parse;
mod report;
mod servers;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use alula_benches::{load::Plan, machine};
use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use tokio::runtime::{Builder, Runtime};

use crate::{
    parse::Figures,
    report::{Case, Report},
};

/// Compares a JSON echo in Alula, in plain axum and in FastAPI.
#[derive(Debug, Parser)]
struct Options {
    /// A Python with FastAPI and uvicorn.
    #[arg(long, required_unless_present = "serve")]
    python: Option<PathBuf>,
    /// Where the figures go, as JSON.
    #[arg(long, required_unless_present = "serve")]
    output: Option<PathBuf>,
    /// How often each server is measured with each body.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Be the server of this framework until standard input is closed.
    #[arg(long, hide = true)]
    serve: Option<Framework>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Framework {
    Alula,
    Axum,
    Fastapi,
}

const FRAMEWORKS: [Framework; 3] = [Framework::Alula, Framework::Axum, Framework::Fastapi];

impl Framework {
    fn name(self) -> &'static str {
        match self {
            Self::Alula => "alula",
            Self::Axum => "axum",
            Self::Fastapi => "fastapi",
        }
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("framework: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    match options.serve {
        Some(Framework::Alula) => Runtime::new()?.block_on(servers::alula()),
        Some(Framework::Axum) => Runtime::new()?.block_on(servers::axum()),
        Some(Framework::Fastapi) => bail!("app.py is the server of FastAPI"),
        None => compare(options),
    }
}

fn compare(options: &Options) -> Result<()> {
    let python = options.python.as_deref().context("--python is missing")?;
    let output = options.output.as_deref().context("--output is missing")?;
    let load_average = machine::load_average();
    let pinned = measure::pin();
    let plan = Plan {
        connections: options.connections.into(),
        warm_up: Duration::from_millis(500),
        time: Duration::from_secs(options.seconds),
    };
    let parsing = chat::bodies().iter().map(Figures::measure).collect::<Result<_>>()?;
    let cases = Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut servers = Vec::new();
        for framework in FRAMEWORKS {
            servers.push((framework, measure::start(framework, python, pinned)?));
        }
        let bodies = chat::bodies();
        measure::verify(&servers, &bodies).await?;
        println!("all three servers agree; measuring");

        let mut cases = bodies.map(Case::new);
        for round in 0..options.rounds {
            // Each round starts with another server, so that drift of the machine hits all.
            servers.rotate_left(usize::from(round > 0));
            for case in &mut cases {
                for (framework, server) in &servers {
                    let sample = measure::sample(server, &case.body, plan).await?;
                    case.samples.push((*framework, sample));
                }
            }
        }
        anyhow::Ok(cases)
    })?;
    let report = Report { load_average, pinned, rounds: options.rounds, plan, cases, parsing };
    print!("{report}");
    report.save(output)?;
    println!("\nwritten to {}", output.display());
    Ok(())
}
