//! Durable jobs: ours on SQLite and Postgres, Celery on Redis, apalis on both databases.
//!
//! All systems run in this one run and take turns. The ratios count; absolute figures are those of
//! the machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a comparison prints its figures")]

mod agent;
mod alula;
mod measure;
mod report;
mod systems;

use std::{fs, path::PathBuf, process::ExitCode};

use alula_benches::machine;
use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::runtime::Runtime;

use crate::{measure::Sizes, report::Report, systems::Peers};

/// Compares queues of durable jobs.
#[derive(Debug, Parser)]
struct Options {
    /// Where the figures go, as JSON.
    #[arg(long, required_unless_present = "agent")]
    output: Option<PathBuf>,
    /// The folder of `postgres` and `initdb`.
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// `redis-server`.
    #[arg(long)]
    redis: Option<PathBuf>,
    /// A Python with Celery.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The program below `benches/peers/apalis`.
    #[arg(long)]
    apalis: Option<PathBuf>,
    /// Only these systems, as `alula-sqlite,celery`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often each system is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How many jobs are enqueued at once, and done.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    jobs: u64,
    /// A tenth of everything: it takes a few minutes, and is no comparison.
    #[arg(long)]
    quick: bool,
    /// Measure one thing in this process: `STORE TARGET TASK COUNT RATE`.
    #[arg(long, hide = true, num_args = 5)]
    agent: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jobs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if !options.agent.is_empty() {
        return Runtime::new()?.block_on(alula::serve(&options.agent));
    }
    let output = options.output.as_deref().context("--output is missing")?;
    let load_average = machine::load_average();
    let folder = output.with_extension("");
    // What an earlier run has left would be found again.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let peers = Peers {
        postgres: options.postgres.as_deref(),
        redis: options.redis.as_deref(),
        python: options.python.as_deref(),
        apalis: options.apalis.as_deref(),
    };
    let mut systems = systems::start(&peers, &options.only, &folder)?;
    let sizes = Sizes::new(options.jobs, options.quick);
    let rounds = if options.quick { 1 } else { options.rounds };
    let mut report = Report::new(load_average, rounds, sizes);
    for round in 0..rounds {
        // Each round starts with another system, so that drift of the machine hits all.
        systems.rotate_left(usize::from(round > 0));
        systems = systems.into_iter().try_fold(Vec::new(), |mut left, system| {
            println!("round {} of {rounds}: {}", round + 1, system.name);
            match measure::sample(&system, &sizes) {
                Ok(sample) => {
                    report.add(system.name, sample);
                    left.push(system);
                }
                Err(error) if system.is_ours() => return Err(error),
                Err(error) => println!("without {}: {error:#}", system.name),
            }
            Ok(left)
        })?;
    }
    print!("{report}");
    report.save(output)?;
    println!("\nwritten to {}", output.display());
    Ok(())
}
