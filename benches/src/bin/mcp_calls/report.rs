//! The figures, as a table and as JSON.

use std::{fmt, path::Path};

use alula_benches::{
    figures::{self, Figure, median},
    machine,
};
use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    calls::{Case, Sample, Target},
    cold::Start,
    systems::System,
};

/// Everything that was measured in one run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Processes that wanted a core before we started; others disturb the figures.
    pub(crate) load_average: Option<f64>,
    pub(crate) pinned: bool,
    pub(crate) rounds: u32,
    pub(crate) systems: Vec<System>,
    pub(crate) cases: Vec<Case>,
    pub(crate) starts: Vec<(System, Vec<Start>)>,
}

impl Case {
    /// A figure of a system: the median of the rounds.
    fn figure(&self, system: System, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let samples = self.samples.iter().filter(|(known, _)| *known == system);
        let figures: Option<Vec<f64>> = samples.map(|(_, sample)| of(sample)).collect();
        figures.filter(|figures| !figures.is_empty()).map(median)
    }
}

fn calls_per_second(sample: &Sample) -> Option<f64> {
    Some(sample.outcome.requests_per_second)
}

fn mebibytes(bytes: Option<u64>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    bytes.map(|bytes| bytes as f64 / f64::from(1 << 20))
}

fn of_starts(starts: &[Start], of: impl Fn(&Start) -> Option<f64>) -> Option<f64> {
    let figures: Option<Vec<f64>> = starts.iter().map(of).collect();
    figures.map(median)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = match self.pinned {
            true => "Servers have core 0, the load has core 1.",
            false => "Nothing is pinned to a core.",
        };
        writeln!(f, "\nMedian of {} rounds. {cores}", self.rounds)?;
        write!(f, "\n{:<18}{:>6}{:>6}  {:<10}", "call", "tools", "conns", "server")?;
        write!(f, "{:>10}{:>9}{:>9}{:>10}", "calls/s", "p50 ms", "p99 ms", "CPU µs")?;
        writeln!(f, "{:>10}{:>10}{:>10}", "load CPU", "idle MiB", "after MiB")?;
        for case in &self.cases {
            for system in self.systems.iter().filter(|system| case.target.is_of(**system)) {
                self.write_row(f, case, *system)?;
            }
        }
        self.write_ratios(f)?;
        self.write_starts(f)
    }
}

impl Report {
    fn write_row(&self, f: &mut fmt::Formatter<'_>, case: &Case, system: System) -> fmt::Result {
        let figure =
            |decimals, of: fn(&Sample) -> Option<f64>| Figure(case.figure(system, of), decimals);
        writeln!(
            f,
            "{:<18}{:>6}{:>6}  {:<10}{:>10}{:>9}{:>9}{:>10}{:>10}{:>10}{:>10}",
            case.target.name(),
            case.tools,
            case.connections,
            system.name(),
            figure(0, calls_per_second),
            figure(2, |sample| Some(sample.outcome.p50_ms)),
            figure(2, |sample| Some(sample.outcome.p99_ms)),
            figure(1, |sample| sample.cpu_us),
            figure(2, |sample| sample.load_cpu_share),
            figure(1, |sample| mebibytes(sample.idle_bytes)),
            figure(1, |sample| mebibytes(sample.after_bytes)),
        )
    }

    fn write_ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:<18}{:>6}{:>6}  ", "ratio", "tools", "conns")?;
        writeln!(f, "{:<16}{:>10}{:>10}", "", "calls/s", "CPU")?;
        for case in self.cases.iter().filter(|case| case.target == Target::Tool) {
            for peer in self.systems.iter().filter(|peer| **peer != System::Alula) {
                writeln!(
                    f,
                    "{:<18}{:>6}{:>6}  {:<16}{:>10}{:>10}",
                    case.target.name(),
                    case.tools,
                    case.connections,
                    format!("alula/{}", peer.name()),
                    Figure(ratio(case, *peer, calls_per_second), 2),
                    Figure(ratio(case, *peer, |sample| sample.cpu_us), 3),
                )?;
            }
        }
        for (connections, cost) in self.costs_of_a_tool() {
            writeln!(
                f,
                "An endpoint as a tool costs {} µs more than by HTTP, with {connections} connections.",
                Figure(cost, 1)
            )?;
        }
        Ok(())
    }

    /// What an endpoint costs more over MCP, in microseconds, by connections.
    fn costs_of_a_tool(&self) -> Vec<(usize, Option<f64>)> {
        let cpu = |case: &Case| case.figure(System::Alula, |sample| sample.cpu_us);
        let of = |target| self.cases.iter().filter(move |case| case.target == target);
        let pairs = of(Target::Endpoint).zip(of(Target::EndpointAsTool));
        let cost = |(plain, tool): (&Case, &Case)| {
            (plain.connections, cpu(tool).zip(cpu(plain)).map(|(tool, plain)| tool - plain))
        };
        pairs.map(cost).collect()
    }

    fn write_starts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:<18}{:>16}{:>16}", "over stdio", "initialize ms", "first call ms")?;
        writeln!(f, "{:>12}", "MiB")?;
        for (system, starts) in &self.starts {
            writeln!(
                f,
                "{:<18}{:>16}{:>16}{:>12}",
                system.name(),
                Figure(of_starts(starts, |start| Some(start.initialized_ms)), 1),
                Figure(of_starts(starts, |start| Some(start.called_ms)), 1),
                Figure(of_starts(starts, |start| mebibytes(start.memory_bytes)), 1),
            )?;
        }
        Ok(())
    }

    /// Writes the figures as JSON, and makes the folder.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        figures::save(&self.to_json(), file)
    }

    fn to_json(&self) -> Value {
        let starts = self.starts.iter().map(|(system, starts)| {
            json!({
                "server": system.name(),
                "starts": starts.len(),
                "initialize_ms": of_starts(starts, |start| Some(start.initialized_ms)),
                "first_call_ms": of_starts(starts, |start| Some(start.called_ms)),
                "memory_mebibytes": of_starts(starts, |start| mebibytes(start.memory_bytes)),
            })
        });
        let costs = self
            .costs_of_a_tool()
            .into_iter()
            .map(|(connections, cost)| json!({ "connections": connections, "cpu_us": cost }));
        json!({
            "cores": machine::cores(),
            "pinned": self.pinned,
            "load_average_before": self.load_average,
            "rounds": self.rounds,
            "calls": self.cases.iter().flat_map(|case| self.rows(case)).collect::<Vec<_>>(),
            "endpoint_as_tool_over_http": costs.collect::<Vec<_>>(),
            "stdio": starts.collect::<Vec<_>>(),
        })
    }

    fn rows(&self, case: &Case) -> Vec<Value> {
        let systems = self.systems.iter().filter(|system| case.target.is_of(**system));
        let row = |system: &System| {
            let figure = |of: fn(&Sample) -> Option<f64>| case.figure(*system, of);
            json!({
                "call": case.target.name(),
                "tools": case.tools,
                "connections": case.connections,
                "server": system.name(),
                "calls_per_second": figure(calls_per_second),
                "p50_ms": figure(|sample| Some(sample.outcome.p50_ms)),
                "p99_ms": figure(|sample| Some(sample.outcome.p99_ms)),
                "cpu_us": figure(|sample| sample.cpu_us),
                "load_cpu_share": figure(|sample| sample.load_cpu_share),
                "idle_mebibytes": figure(|sample| mebibytes(sample.idle_bytes)),
                "after_mebibytes": figure(|sample| mebibytes(sample.after_bytes)),
            })
        };
        systems.map(row).collect()
    }
}

/// Alula's figure over the peer's.
fn ratio(case: &Case, peer: System, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    Some(case.figure(System::Alula, &of)? / case.figure(peer, &of)?)
}
