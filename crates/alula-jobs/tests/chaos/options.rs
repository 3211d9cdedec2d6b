//! What a run is told.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::place::Kind;

/// The least that a worker takes.
const LEASE_MS_MIN: u64 = 100;

/// What a run is told. Each kind of run uses some of it.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) store: Kind,
    /// How many processes are killed.
    pub(crate) kills: u32,
    /// What is decided by chance follows from it.
    pub(crate) seed: u64,
    pub(crate) lease: Duration,
    /// How often a worker is stopped.
    pub(crate) rounds: u32,
    /// How many webhooks there are, or jobs in a round.
    pub(crate) count: u32,
    pub(crate) time: Duration,
    /// Where the server is, for `chaos server`.
    pub(crate) alula: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            store: Kind::Sqlite,
            kills: 1_000,
            seed: fastrand::u64(..1_000_000),
            lease: Duration::from_secs(2),
            rounds: 20,
            count: 0,
            time: Duration::from_secs(10),
            alula: None,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("`{name}` needs a value"))?;
            let number =
                || value.parse::<u64>().with_context(|| format!("{name}: `{value}` is no number"));
            let small = || u32::try_from(number()?).with_context(|| format!("{name} is too large"));
            match name.as_str() {
                "--store" => options.store = value.parse()?,
                "--kills" => options.kills = small()?,
                "--seed" => options.seed = number()?,
                "--lease-ms" => {
                    options.lease = Duration::from_millis(number()?.max(LEASE_MS_MIN));
                }
                "--rounds" => options.rounds = small()?,
                "--count" => options.count = small()?,
                "--alula" => options.alula = Some(value.into()),
                "--seconds" => options.time = Duration::from_secs(number()?),
                _ => bail!("`{name}` is no option\n{}", crate::USAGE),
            }
        }
        Ok(options)
    }
}
