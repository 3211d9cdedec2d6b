//! The figures, as tables and as JSON.

use std::{fmt, path::Path};

use alula_benches::{
    figures::{self, median},
    machine,
};
use anyhow::Result;
use serde::Serialize;

use crate::measure::{CALLERS, Rate, Sample, Sizes, Waits};

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    /// Processes that wanted a core before we started; others disturb the figures.
    load_average_before: Option<f64>,
    rounds: u32,
    sizes: Sizes,
    systems: Vec<Figures>,
}

#[derive(Debug, Serialize)]
struct Figures {
    system: &'static str,
    rounds: Vec<Sample>,
}

/// A column of the first table.
struct Speed {
    title: &'static str,
    of: fn(&Sample) -> Rate,
}

const SPEEDS: [Speed; 4] = [
    Speed { title: "bulk", of: |sample| sample.bulk },
    Speed { title: "one by one", of: |sample| sample.single },
    Speed { title: "64 callers", of: |sample| sample.callers },
    Speed { title: "done", of: |sample| sample.work },
];

impl Report {
    pub(crate) fn new(load_average_before: Option<f64>, rounds: u32, sizes: Sizes) -> Self {
        let cores = machine::cores();
        Self { cores, load_average_before, rounds, sizes, systems: Vec::new() }
    }

    pub(crate) fn add(&mut self, system: &'static str, sample: Sample) {
        match self.systems.iter_mut().find(|figures| figures.system == system) {
            Some(figures) => figures.rounds.push(sample),
            None => self.systems.push(Figures { system, rounds: vec![sample] }),
        }
    }

    /// Writes the figures as JSON.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        figures::save(self, file)
    }

    fn write_speeds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nJobs per second: enqueued in thousands, one by one, by {CALLERS}; and done"
        )?;
        self.write_table(f, |figures, speed| figures.best(|it| (speed.of)(it).per_second), 0)?;
        writeln!(f, "\nMedian of the ratios of the rounds to alula-sqlite")?;
        let ours = self.systems.iter().find(|figures| figures.system == "alula-sqlite");
        self.write_table(
            f,
            |figures, speed| {
                let pairs = figures.rounds.iter().zip(ours.iter().flat_map(|ours| &ours.rounds));
                let ratio =
                    |(theirs, ours)| (speed.of)(theirs).per_second / (speed.of)(ours).per_second;
                median(pairs.map(ratio))
            },
            3,
        )?;
        writeln!(f, "\nProcessor time of each job in µs, with that of the server")?;
        self.write_table(
            f,
            |figures, speed| median(figures.rounds.iter().filter_map(|it| (speed.of)(it).cpu_us)),
            1,
        )
    }

    fn write_table(
        &self,
        f: &mut fmt::Formatter<'_>,
        value: impl Fn(&Figures, &Speed) -> f64,
        decimals: usize,
    ) -> fmt::Result {
        write!(f, "{:<17}", "")?;
        for speed in &SPEEDS {
            write!(f, "{:>12}", speed.title)?;
        }
        writeln!(f)?;
        for figures in &self.systems {
            write!(f, "{:<17}", figures.system)?;
            for speed in &SPEEDS {
                write!(f, "{:>12.decimals$}", value(figures, speed))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_waits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nFrom the call that enqueues to the start in ms (p50 / p99), best round")?;
        writeln!(
            f,
            "{:<17}{:>18}{:>18}{:>18}{:>18}{:>12}",
            "", "idle", "100/s", "idle, apart", "100/s, apart", "worker MiB"
        )?;
        for figures in &self.systems {
            write!(f, "{:<17}", figures.system)?;
            for waits in [
                |it: &Sample| it.alone.first().copied(),
                |it: &Sample| it.alone.last().copied(),
                |it: &Sample| it.apart.first().copied(),
                |it: &Sample| it.apart.last().copied(),
            ] {
                let rounds = figures.rounds.iter().filter_map(waits);
                let best = rounds.min_by(|one, other| one.p99_ms.total_cmp(&other.p99_ms));
                let text =
                    best.map(|Waits { p50_ms, p99_ms }| format!("{p50_ms:.1} / {p99_ms:.1}"));
                write!(f, "{:>18}", text.unwrap_or_default())?;
            }
            let mib = median(figures.rounds.iter().filter_map(|it| it.worker_mib));
            writeln!(f, "{mib:>12.1}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} rounds of {} jobs; the best one counts", self.rounds, self.sizes.jobs)?;
        self.write_speeds(f)?;
        self.write_waits(f)
    }
}

impl Figures {
    /// Other work on the machine only takes away.
    fn best(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        self.rounds.iter().map(value).fold(0.0, f64::max)
    }
}
