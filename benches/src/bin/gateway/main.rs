//! Gateways between the same load and the same mock of a provider, one after the other.
//!
//! Each has core 0 for itself, with one worker, while the load and the mock share core 1. Every
//! step is bounded in time; a gateway that is not there or does not answer rightly is left out
//! with a line that says why.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a comparison prints its figures")]

mod latency;
mod measure;
mod minimal;
mod mock;
mod report;
mod streams;
mod systems;
mod wire;

use std::{
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use alula_benches::{machine, server::Server};
use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use tokio::runtime::Builder;

use crate::{
    measure::Bench,
    report::Report,
    systems::{Programs, Starter, System},
};

/// Cores, if there are two and `taskset`: for a gateway, and for the load and the mock.
const SYSTEM_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Compares gateways: processor time, throughput, latency, streams and memory.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    programs: Programs,
    /// Where the figures go, as JSON.
    #[arg(long, required_unless_present = "serve")]
    output: Option<PathBuf>,
    /// The gateways to measure, instead of all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<System>,
    /// How long each measurement of requests takes, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// How often each measurement of requests is made.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// How many streams are held at a time, in this order.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000,9000")]
    streams: Vec<usize>,
    /// One round of two seconds, and at most 1,000 streams: a look, and no comparison.
    #[arg(long)]
    quick: bool,
    /// Be this server until standard input is closed.
    #[arg(long, hide = true)]
    serve: Option<Serve>,
    /// The address of the mock, for the minimal proxy.
    #[arg(long, hide = true, default_value = "")]
    provider: String,
}

/// What this program can be instead.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Serve {
    Mock,
    Minimal,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match options.serve {
        Some(Serve::Mock) => runtime.block_on(mock::serve()),
        Some(Serve::Minimal) => runtime.block_on(minimal::serve(&options.provider)),
        None => runtime.block_on(compare(options)),
    }
}

async fn compare(options: Options) -> Result<()> {
    let output = options.output.context("--output is missing")?;
    let work = output.with_extension("");
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let load_average = machine::load_average();
    let pinned = machine::cores() > LOAD_CORE && machine::pin_self(LOAD_CORE);
    let program = std::env::current_exe().context("cannot find this program")?;
    let mock = Server::start(Command::new(program).args(["--serve", "mock"]), 1)?;

    let core = pinned.then_some(SYSTEM_CORE);
    let starter = Starter { programs: options.programs, mock: mock.address(), work, core };
    let mut bench = Bench {
        mock: mock.address(),
        time: Duration::from_secs(options.seconds),
        rounds: options.rounds,
        streams: options.streams,
    };
    if options.quick {
        bench = Bench { time: Duration::from_secs(2), rounds: 1, ..bench };
        bench.streams.retain(|streams| *streams <= 1000);
    }
    bench.leave_out_streams_without_files();

    let chosen = |system: &System| options.only.is_empty() || options.only.contains(system);
    let mut report = Report::new(load_average, pinned, &bench, bench.direct().await?);
    for system in System::ALL.into_iter().filter(chosen) {
        println!("{}", system.name());
        match bench.measure(&starter, system).await {
            Ok(figures) => report.systems.push(figures),
            Err(error) => println!("  left out: {error:#}"),
        }
    }
    ensure!(!report.systems.is_empty(), "no gateway could be measured");
    print!("{report}");
    report.save(&output)?;
    println!("\nwritten to {}", output.display());
    Ok(())
}
