//! `alula worker`.

use std::net::IpAddr;

use alula::{Shutdown, StartError};
use clap::Args;

use super::{
    CliError, bind,
    process::{Process, ProcessArgs, Role, providers_line},
    say, values,
};
use crate::{app, config::Config, db::DatabaseUrl, services::metrics};

pub(super) const HELP: &str = "\
It does the jobs of all queues in the database of DATABASE_URL, with the providers, limits and
settings of `alula serve`: give both the same environment. Any number of them may run, on any number
of machines. At SIGTERM it takes nothing new; what runs has ALULA_DRAIN_SECONDS to end, and what has
not ended then is another worker's at once.

Examples:
  ALULA_JOBS_RUNNING_MAX=0 alula serve     answers requests, and does no jobs
  alula worker --jobs-running-max 64       does them, beside it
  alula worker --port 8081                 with /health/live, /health/ready and /metrics there";

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// The port of /health and /metrics; 0 picks a free one. Without it the worker listens nowhere.
    #[arg(long, env = "ALULA_WORKER_PORT")]
    port: Option<u16>,
    /// The address of this port.
    #[arg(long, env = "ALULA_HOST", default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    #[command(flatten)]
    process: ProcessArgs,
}

pub(super) async fn run(arguments: WorkerArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    let WorkerArgs { port, host, process } = arguments;
    let running_max = process.jobs_running_max;
    if matches!(config.database, DatabaseUrl::Memory) {
        return Err(CliError::WorkerInMemory);
    }
    if running_max == 0 {
        return Err(CliError::IdleWorker);
    }
    let process = Process::begin(config, process, Role::Alone).await?;
    let limits = process.config().limits.clone();
    // First of all: whoever reads that it works may stop it.
    let shutdown = Shutdown::on_signals().map_err(StartError::Io)?;
    let server = match port {
        Some(port) => {
            process.access(host).await?;
            Some(bind(host, port, limits.clone()).await?)
        }
        None => None,
    };
    let providers = providers_line(&process.llm);
    let version = env!("CARGO_PKG_VERSION");
    let (services, telemetry) = process.services(&shutdown).await?;
    let app = app::worker(services, telemetry, shutdown.clone()).limits(limits);
    say(&format!("Alula {version} does jobs, {running_max} at a time\n{providers}"));
    match server {
        Some(server) => {
            say(&format!("  Health     on http://{}", server.local_addr()));
            metrics::watch_connections(server.open_connections());
            app.serve_on(server, shutdown).await?;
        }
        None => app.run(shutdown).await?,
    }
    Ok(())
}
