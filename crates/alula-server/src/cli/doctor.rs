//! `alula doctor`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use super::{CliError, say, values, variables};
use crate::doctor::Doctor;

pub(super) const HELP: &str = "\
It changes nothing. Each line is ok, warn or FAIL, with what to do about it below; the exit code is
1 if something failed.

Examples:
  alula doctor                      before the server is started, in its environment
  alula doctor --offline            without asking the providers
  alula doctor --json | jq .status";

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The address that the server shall listen on.
    #[arg(long, env = "ALULA_HOST", default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port that the server shall listen on.
    #[arg(long, env = "ALULA_PORT", default_value_t = 8000)]
    port: u16,
    /// The file of providers, limits and names of models; alula.toml if that is there.
    #[arg(long, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// That the server shall answer whoever reaches it.
    #[arg(long, env = "ALULA_ALLOW_UNAUTHENTICATED", value_parser = values::switch)]
    allow_unauthenticated: bool,
    /// Ask no provider.
    #[arg(long)]
    offline: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: DoctorArgs) -> Result<(), CliError> {
    let DoctorArgs { host, port, config, allow_unauthenticated, offline, json } = arguments;
    let variables = variables();
    let doctor = Doctor { host, port, file: config, allow_unauthenticated, offline, variables };
    let report = doctor.examine().await;
    match json {
        true => say(&format!("{:#}", report.to_json())),
        false => say(&report.to_string()),
    }
    match report.failures() {
        0 => Ok(()),
        failures => Err(CliError::Unwell(failures)),
    }
}
