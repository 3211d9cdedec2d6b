//! What `alula serve` and `alula worker` have in common.

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use alula::{Shutdown, StartError, otel::Telemetry};
use alula_llm::Llm;
use clap::Args;

use super::{CliError, values, variables};
use crate::{
    app::{Services, Stores},
    config::{Config, ConfigError, Located, Source, warn_of_unknown},
    db::Db,
    dependencies::WithoutKeys,
    logging,
    services::{
        documents::Documents,
        jobs::{Jobs, RUNNING_MAX},
        keys::Keys,
        llm::Environment,
        reload::{Hangup, Start},
        retrieval::Retrieval,
    },
};

#[derive(Debug, Args)]
pub(super) struct ProcessArgs {
    /// Providers, limits and names of models, in TOML; alula.toml if that is there. It is read again
    /// when it changes, and at SIGHUP.
    #[arg(long, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Jobs (Prefer: respond-async) that a process does at a time. With 0, `alula serve` leaves them
    /// to processes of `alula worker`.
    #[arg(long, env = "ALULA_JOBS_RUNNING_MAX", value_name = "JOBS", default_value_t = RUNNING_MAX)]
    pub(super) jobs_running_max: u32,
    /// Without any key, answer whoever reaches the port, by whatever name: beyond this machine, or
    /// behind a proxy.
    #[arg(long, env = "ALULA_ALLOW_UNAUTHENTICATED", value_parser = values::switch)]
    allow_unauthenticated: bool,
}

impl ProcessArgs {
    /// For a process that does no jobs, and answers nobody but who has started it.
    pub(super) fn without_jobs(config: Option<PathBuf>) -> Self {
        Self { config, jobs_running_max: 0, allow_unauthenticated: false }
    }
}

/// How a process takes part in a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the whole of it.
    Alone,
    /// It starts others, and looks after them.
    Supervisor,
    /// It was started by a supervisor.
    Worker,
}

/// A process that answers requests or does jobs, before it begins with it.
pub(super) struct Process {
    pub(super) llm: Llm,
    pub(super) db: Db,
    config: Arc<Config>,
    telemetry: Option<Telemetry>,
    start: Start,
    hangup: Hangup,
    arguments: ProcessArgs,
}

impl Process {
    /// Reads what there is to read, and opens the database.
    pub(super) async fn begin(
        config: Config,
        arguments: ProcessArgs,
        role: Role,
    ) -> Result<Self, CliError> {
        let config = Arc::new(config);
        let telemetry = match config.has_collector && role != Role::Supervisor {
            true => Some(telemetry()?),
            false => None,
        };
        logging::start(&config.log, config.log_format, telemetry.as_ref());
        // From the first moment on: whoever sends it must not end the server.
        let hangup = Hangup::listen().map_err(StartError::Io)?;
        let environment = Environment::find(config.clone()).await;
        let start = Start::read(Source::new(arguments.config.as_deref()), environment)?;
        if role != Role::Worker {
            let of_file = start.file().into_iter().flat_map(Located::variables).cloned();
            warn_of_unknown(&variables().into_iter().chain(of_file).collect::<Vec<_>>());
        }
        if let Some(redis) = &config.redis
            && let Err(error) = redis.check().await
        {
            tracing::warn!(%error, "Redis is away: each process has its own limits until it is there");
        }
        let llm = start.connect()?;
        let db = Db::open(&config.database).await?;
        Ok(Self { llm, db, config, telemetry, start, hangup, arguments })
    }

    /// Who may use what listens at this address.
    ///
    /// # Errors
    ///
    /// If that would be everybody, and nobody has said so.
    pub(super) async fn access(&self, host: IpAddr) -> Result<Access, CliError> {
        match (self.db.has_keys().await?, self.arguments.allow_unauthenticated) {
            (true, _) => Ok(Access::Keys),
            (false, true) => Ok(Access::Everybody),
            (false, false) if host.is_loopback() => Ok(Access::ThisMachine),
            (false, false) => Err(CliError::Unauthenticated(host)),
        }
    }

    /// What it works with, and where it sends its traces.
    pub(super) async fn services(
        self,
        shutdown: &Shutdown,
    ) -> Result<(Services, Option<Telemetry>), CliError> {
        let Self { llm, db, config, telemetry, start, hangup, arguments } = self;
        let keys = Keys::open(db.clone(), start.plans(), config.keys_stale).await?;
        let jobs = Jobs::open(&config).await?;
        let retrieval = Retrieval::open(&config, &llm).await?;
        let documents = Documents::open(&config, db.clone(), jobs.clone(), retrieval.clone())?;
        let stores = Stores { db, keys, jobs, retrieval, documents };
        let mut services = Services::new(stores, llm, start, hangup, shutdown.clone());
        services.worker.running_max = arguments.jobs_running_max;
        if arguments.allow_unauthenticated {
            services.without_keys = WithoutKeys::Everybody;
        }
        Ok((services, telemetry))
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// The collector that the environment names.
fn telemetry() -> Result<Telemetry, ConfigError> {
    let telemetry = Telemetry::builder("alula").service_version(env!("CARGO_PKG_VERSION"));
    Ok(telemetry.build()?)
}

/// Who may use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever has a key.
    Keys,
    ThisMachine,
    Everybody,
}

/// Whom it asks, for the person at the terminal.
pub(super) fn providers_line(llm: &Llm) -> String {
    let providers = llm.providers().collect::<Vec<_>>().join(", ");
    let model = llm.default_model().unwrap_or("none");
    let demo = match llm.providers().any(|name| name == "demo") {
        true => {
            "\n  This is a demo without a model: set OPENAI_API_KEY, ANTHROPIC_API_KEY or \
             GEMINI_API_KEY, or start Ollama."
        }
        false => "",
    };
    format!("  Providers  {providers} (default model {model}){demo}")
}
