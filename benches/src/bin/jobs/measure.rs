//! Measurements, each by an agent in a process of its own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use alula_benches::{figures::percentile, machine, server::Server};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::systems::System;

/// How many enqueue at a time where it is not one.
pub(crate) const CALLERS: u64 = 64;
/// Jobs per second on an idle queue, and on one that is used.
const RATES: [u64; 2] = [20, 100];

/// How many jobs are measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sizes {
    /// Enqueued at once, and done.
    pub(crate) jobs: u64,
    /// Enqueued one by one.
    pub(crate) single: u64,
    /// Enqueued at each rate.
    pub(crate) paced: [u64; 2],
}

impl Sizes {
    pub(crate) fn new(jobs: u64, quick: bool) -> Self {
        let part = if quick { 10 } else { 1 };
        Self { jobs: jobs / part, single: 4_000 / part, paced: RATES.map(|rate| rate * 10 / part) }
    }
}

/// What one round says of a system.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    /// Jobs per second, a thousand at a time.
    pub(crate) bulk: Rate,
    /// Jobs per second, one after the other.
    pub(crate) single: Rate,
    /// Jobs per second, one by one by [`CALLERS`] at a time.
    pub(crate) callers: Rate,
    /// Jobs done per second.
    pub(crate) work: Rate,
    /// The memory of the worker after that, in MiB.
    pub(crate) worker_mib: Option<f64>,
    /// From the call that enqueues to the start: idle, and used; by a worker of the same process.
    pub(crate) alone: [Waits; 2],
    /// The same by a worker of another process.
    pub(crate) apart: [Waits; 2],
}

/// A speed, and what it costs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    /// The processor time of each job, in microseconds: of the agent, and of the server.
    pub(crate) cpu_us: Option<f64>,
}

/// How long jobs waited, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Waits {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Measures everything once.
pub(crate) fn sample(system: &System, sizes: &Sizes) -> Result<Sample> {
    let of = |what: &str| format!("{} of {}", what.to_owned(), system.name);
    let rate = |task, count, rate| rate_of(system, task, count, rate).with_context(|| of(task));
    let (work, worker_mib) = rate("work", sizes.jobs, 0)?;
    let [idle, used] = RATES;
    let [idle_jobs, used_jobs] = sizes.paced;
    let alone = |jobs, rate| alone(system, jobs, rate).with_context(|| of("alone"));
    let apart = |jobs, rate| apart(system, jobs, rate).with_context(|| of("listen and send"));
    Ok(Sample {
        bulk: rate("bulk", sizes.jobs, 0)?.0,
        single: rate("single", sizes.single, 1)?.0,
        callers: rate("single", sizes.single, CALLERS)?.0,
        work,
        worker_mib,
        alone: [alone(idle_jobs, idle)?, alone(used_jobs, used)?],
        apart: [apart(idle_jobs, idle)?, apart(used_jobs, used)?],
    })
}

fn rate_of(system: &System, task: &str, count: u64, rate: u64) -> Result<(Rate, Option<f64>)> {
    let mut agent = Agent::start(system.agent(&new_target(system)?, task, count, rate))?;
    let used = |agent: &Agent| {
        let server = system.server().map_or(Some(Duration::ZERO), Server::cpu_time);
        Some(machine::cpu_time(agent.child.id())? + server?)
    };
    let before = used(&agent);
    agent.go()?;
    let result = agent.result()?;
    let after = used(&agent);
    let jobs = count as f64;
    let cpu = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    let cpu_us = cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / jobs);
    let mib = machine::memory_bytes(agent.child.id()).map(|bytes| bytes as f64 / 1024.0 / 1024.0);
    Ok((Rate { per_second: jobs / result.seconds, cpu_us }, mib))
}

/// One process enqueues and works.
fn alone(system: &System, count: u64, rate: u64) -> Result<Waits> {
    let mut agent = Agent::start(system.agent(&new_target(system)?, "alone", count, rate))?;
    agent.go()?;
    Waits::of(&agent.result()?)
}

/// One process works, another one enqueues.
fn apart(system: &System, count: u64, rate: u64) -> Result<Waits> {
    let target = new_target(system)?;
    let mut listens = Agent::start(system.agent(&target, "listen", count, rate))?;
    let mut sends = Agent::start(system.agent(&target, "send", count, rate))?;
    listens.go()?;
    sends.go()?;
    sends.result()?;
    Waits::of(&listens.result()?)
}

/// An empty place.
fn new_target(system: &System) -> Result<String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    system.target(NUMBER.fetch_add(1, Relaxed))
}

impl Waits {
    fn of(result: &Measured) -> Result<Self> {
        ensure!(!result.waited_us.is_empty(), "no job has started");
        // The first ones meet what is not warm yet.
        let warm = result.waited_us.iter().skip(result.waited_us.len() / 10);
        let mut waits: Vec<f64> = warm.map(|micros| *micros as f64 / 1e3).collect();
        Ok(Self { p50_ms: percentile(&mut waits, 0.5), p99_ms: percentile(&mut waits, 0.99) })
    }
}

/// A process that measures one thing; see `agent.rs`.
struct Agent {
    child: Child,
    /// It ends when this is closed.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// What an agent says.
#[derive(Debug, Deserialize)]
struct Measured {
    seconds: f64,
    waited_us: Vec<u64>,
}

impl Agent {
    /// Starts it, and waits until it is prepared.
    fn start(command: Result<Command>) -> Result<Self> {
        let mut child = command?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut agent = Self { child, stdin, stdout };
        let line = agent.line()?;
        ensure!(line.trim() == "ready", "it says `{}`", line.trim());
        Ok(agent)
    }

    fn go(&mut self) -> Result<()> {
        self.stdin.as_mut().context("it is open")?.write_all(b"go\n")?;
        Ok(())
    }

    fn result(&mut self) -> Result<Measured> {
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        ensure!(!line.is_empty(), "its agent ended; see its log");
        Ok(line)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
