//! The figures, as a table and as JSON.

use std::{fmt, path::Path};

use alula_benches::{
    figures::{self, Figure, median},
    load::Plan,
    machine,
};
use anyhow::Result;
use serde_json::{Value, json};

use crate::{FRAMEWORKS, Framework, chat::Body, measure::Sample, parse::Figures};

/// Everything that was measured in one run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Processes that wanted a core before we started; others disturb the figures.
    pub(crate) load_average: Option<f64>,
    pub(crate) pinned: bool,
    pub(crate) rounds: u32,
    pub(crate) plan: Plan,
    pub(crate) cases: [Case; 2],
    pub(crate) parsing: Vec<Figures>,
}

/// The measurements of one body; those of a framework are in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) body: Body,
    pub(crate) samples: Vec<(Framework, Sample)>,
}

impl Case {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, samples: Vec::new() }
    }

    /// A figure of a framework in every round; nothing if one is unknown.
    fn figures(
        &self,
        framework: Framework,
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Vec<f64>> {
        let samples = self.samples.iter().filter(|(of, _)| *of == framework);
        samples.map(|(_, sample)| figure(sample)).collect()
    }

    fn median(&self, framework: Framework, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        self.figures(framework, figure).map(median)
    }

    /// Alula's figure over the peer's: the median of the ratios of each round.
    fn ratio(&self, peer: Framework, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let ours = self.figures(Framework::Alula, &figure)?;
        let theirs = self.figures(peer, &figure)?;
        Some(median(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs)))
    }
}

const PEERS: [Framework; 2] = [Framework::Axum, Framework::Fastapi];

fn requests_per_second(sample: &Sample) -> Option<f64> {
    Some(sample.outcome.requests_per_second)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, plan, .. } = self;
        let (connections, seconds) = (plan.connections, plan.time.as_secs());
        let cores = if self.pinned {
            "Alula and axum have core 0, the load has core 1; FastAPI's 2 workers have both."
        } else {
            "Nothing is pinned to a core."
        };
        writeln!(f, "\nPOST /echo, {connections} connections, median of {rounds} × {seconds} s.")?;
        writeln!(f, "{cores}")?;
        self.write_servers(f)?;
        self.write_ratios(f)?;
        self.write_parsing(f)
    }
}

impl Report {
    fn write_servers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\n{:<10}{:<10}{:>12}{:>10}{:>10}",
            "body", "server", "requests/s", "p50 ms", "p99 ms"
        )?;
        writeln!(f, "{:>12}{:>12}{:>10}", "req/CPU-s", "server CPU", "load CPU")?;
        for case in &self.cases {
            for framework in FRAMEWORKS {
                let figure = |of: fn(&Sample) -> Option<f64>, decimals| {
                    Figure(case.median(framework, of), decimals)
                };
                writeln!(
                    f,
                    "{:<10}{:<10}{:>12}{:>10}{:>10}{:>12}{:>12}{:>10}",
                    case.body.name,
                    framework.name(),
                    figure(requests_per_second, 0),
                    figure(|sample| Some(sample.outcome.p50_ms), 2),
                    figure(|sample| Some(sample.outcome.p99_ms), 2),
                    figure(Sample::requests_per_cpu_second, 0),
                    figure(|sample| sample.cpu_share, 2),
                    figure(|sample| sample.load_cpu_share, 2),
                )?;
            }
        }
        Ok(())
    }

    fn write_ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<10}{:<16}{:>12}{:>12}", "body", "ratio", "requests/s", "req/CPU-s")?;
        for case in &self.cases {
            for peer in PEERS {
                writeln!(
                    f,
                    "{:<10}{:<16}{:>12}{:>12}",
                    case.body.name,
                    format!("alula/{}", peer.name()),
                    Figure(case.ratio(peer, requests_per_second), 3),
                    Figure(case.ratio(peer, Sample::requests_per_cpu_second), 3),
                )?;
            }
        }
        Ok(())
    }

    fn write_parsing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<10}{:>16}{:>16}{:>10}",
            "body", "from_slice µs", "+ is_valid µs", "ratio"
        )?;
        for Figures { body, parse_us, checked_us, ratio } in &self.parsing {
            writeln!(f, "{body:<10}{parse_us:>16.3}{checked_us:>16.3}{ratio:>10.3}")?;
        }
        Ok(())
    }
}

impl Report {
    /// Writes the figures as JSON, and makes the folder.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        figures::save(&self.to_json(), file)
    }

    fn to_json(&self) -> Value {
        json!({
            "endpoint": "POST /echo",
            "cores": machine::cores(),
            "pinned": self.pinned,
            "load_average_before": self.load_average,
            "connections": self.plan.connections,
            "rounds": self.rounds,
            "seconds": self.plan.time.as_secs(),
            "cases": self.cases.iter().map(Case::to_json).collect::<Vec<_>>(),
            "parsing": self.parsing.iter().map(Figures::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Case {
    fn to_json(&self) -> Value {
        let servers = FRAMEWORKS.map(|framework| {
            json!({
                "server": framework.name(),
                "requests_per_second": self.median(framework, requests_per_second),
                "requests_per_second_by_round": self.figures(framework, requests_per_second),
                "p50_ms": self.median(framework, |sample| Some(sample.outcome.p50_ms)),
                "p99_ms": self.median(framework, |sample| Some(sample.outcome.p99_ms)),
                "requests_per_cpu_second": self.median(framework, Sample::requests_per_cpu_second),
                "server_cpu_share": self.median(framework, |sample| sample.cpu_share),
                "load_cpu_share": self.median(framework, |sample| sample.load_cpu_share),
            })
        });
        let ratios = PEERS.map(|peer| {
            json!({
                "ratio": format!("alula/{}", peer.name()),
                "requests_per_second": self.ratio(peer, requests_per_second),
                "requests_per_cpu_second": self.ratio(peer, Sample::requests_per_cpu_second),
            })
        });
        json!({
            "body": self.body.name,
            "body_bytes": self.body.json.len(),
            "servers": servers,
            "ratios": ratios,
        })
    }
}
