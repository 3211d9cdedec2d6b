//! The figures, as tables and as JSON.

use std::{fmt, path::Path};

use alula_benches::{
    figures::{self, Figure},
    machine,
};
use anyhow::Result;
use serde::Serialize;

use crate::{
    latency::Latency,
    measure::{Added, Bench, CONNECTIONS, Figures, RATES, Requests},
    streams::Streams,
    wire::{Prompt, TOKEN_GAP_MS, TOKENS},
};

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    /// Processes that wanted a core before we started; others disturb the figures.
    load_average_before: Option<f64>,
    pinned: bool,
    rounds: u32,
    seconds: u64,
    connections: usize,
    /// The load on the mock, without a gateway.
    direct: Figures,
    pub(crate) systems: Vec<Figures>,
}

impl Report {
    pub(crate) fn new(
        load_average: Option<f64>,
        pinned: bool,
        bench: &Bench,
        direct: Figures,
    ) -> Self {
        Self {
            cores: machine::cores(),
            load_average_before: load_average,
            pinned,
            rounds: bench.rounds,
            seconds: bench.time.as_secs(),
            connections: CONNECTIONS,
            direct,
            systems: Vec::new(),
        }
    }

    /// Writes the figures as JSON.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        figures::save(self, file)
    }

    fn all(&self) -> impl Iterator<Item = &Figures> {
        std::iter::once(&self.direct).chain(&self.systems)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = match self.pinned {
            true => "Each gateway has core 0, the load and the mock have core 1.",
            false => "Nothing is pinned to a core.",
        };
        writeln!(f, "\n{} rounds of {} s. {cores}", self.rounds, self.seconds)?;
        for prompt in Prompt::ALL {
            self.write_requests(f, prompt.name())?;
        }
        self.write_latency(f)?;
        self.write_streams(f)?;
        self.write_memory(f)
    }
}

impl Report {
    fn write_requests(&self, f: &mut fmt::Formatter<'_>, prompt: &str) -> fmt::Result {
        let of = |figures: &Figures| {
            figures.requests.iter().find(|requests| requests.prompt == prompt).cloned()
        };
        let cpu = |figures: &Figures| of(figures).and_then(|requests| requests.cpu_us);
        let ours = self.systems.iter().find(|it| it.system == "alula").and_then(cpu);
        writeln!(f, "\nPrompts of {prompt}, {CONNECTIONS} connections")?;
        writeln!(
            f,
            "{:<12}{:>12}{:>12}{:>14}{:>12}",
            "", "requests/s", "CPU µs", "CPU / alula's", "load CPU"
        )?;
        for figures in self.all() {
            let Some(Requests { per_second, load_cpu_share, .. }) = of(figures) else { continue };
            let ratio = cpu(figures).zip(ours).map(|(theirs, ours)| theirs / ours);
            writeln!(
                f,
                "{:<12}{:>12.0}{:>12}{:>14}{:>12}",
                figures.system,
                per_second,
                Figure(cpu(figures), 1),
                Figure(ratio, 2),
                Figure(load_cpu_share, 2),
            )?;
        }
        Ok(())
    }

    fn write_latency(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nAdded latency in ms, best of {} rounds (p50 / p99)", self.rounds)?;
        write!(f, "{:<12}", "")?;
        for rate in RATES {
            write!(f, "{:>20}", format!("{rate} requests/s"))?;
        }
        writeln!(f)?;
        for figures in &self.systems {
            write!(f, "{:<12}", figures.system)?;
            for Added { added, .. } in &figures.latency {
                let text = match added {
                    Some(Latency { p50_ms, p99_ms }) => format!("{p50_ms:.2} / {p99_ms:.2}"),
                    None => "falls behind".to_owned(),
                };
                write!(f, "{text:>20}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_streams(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nStreams of {TOKENS} tokens, {TOKEN_GAP_MS} ms apart")?;
        writeln!(
            f,
            "{:<12}{:>8}{:>8}{:>19}{:>21}{:>12}{:>14}",
            "",
            "streams",
            "broken",
            "late ms p50/p99",
            "1st token p50/p99",
            "KiB each",
            "CPU µs/token"
        )?;
        for figures in self.all() {
            for streams in &figures.streams {
                write_held(f, figures.system, streams)?;
            }
        }
        Ok(())
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nMemory in MiB\n{:<12}{:>8}{:>18}", "", "idle", "after requests")?;
        for Figures { system, idle_mib, loaded_mib, .. } in &self.systems {
            let (idle, loaded) = (Figure(*idle_mib, 1), Figure(*loaded_mib, 1));
            writeln!(f, "{system:<12}{idle:>8}{loaded:>18}")?;
        }
        Ok(())
    }
}

fn write_held(f: &mut fmt::Formatter<'_>, system: &str, held: &Streams) -> fmt::Result {
    writeln!(
        f,
        "{system:<12}{:>8}{:>8}{:>19}{:>21}{:>12}{:>14}",
        held.streams,
        held.broken,
        format!("{:.1} / {:.1}", held.late_p50_ms, held.late_p99_ms),
        format!("{:.1} / {:.1}", held.first_token_p50_ms, held.first_token_p99_ms),
        Figure(held.kib_per_stream, 1),
        Figure(held.cpu_us_per_token, 1),
    )
}
