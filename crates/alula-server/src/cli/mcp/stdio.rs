//! The server over the input and the output of this process.

use std::path::PathBuf;

use alula::{Shutdown, StartError};
use clap::Args;

use super::McpError;
use crate::{
    app,
    cli::{
        CliError,
        process::{Process, ProcessArgs, Role},
    },
    config::Config,
    services::keys::{Keys, Refusal, ShownKey},
};

#[derive(Debug, Args)]
pub(super) struct StdioArgs {
    /// Providers, limits and names of models, in TOML; alula.toml if that is there.
    #[arg(long, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The key that calls are made with: what it may do, its limits, and its budget. Needed once
    /// there is any.
    #[arg(long, env = "ALULA_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

pub(super) async fn run(arguments: StdioArgs) -> Result<(), CliError> {
    let StdioArgs { config: file, key } = arguments;
    let config = Config::from_env()?;
    let process = Process::begin(config, ProcessArgs::without_jobs(file), Role::Alone).await?;
    let limits = process.config().limits.clone();
    let shutdown = Shutdown::on_signals().map_err(StartError::Io)?;
    let (mut services, telemetry) = process.services(&shutdown).await?;
    services.mcp.key = good_key(&services.keys, key).await?;
    let app = app::stdio(services, telemetry, shutdown.clone()).limits(limits);
    Ok(app.serve_stdio_until(shutdown).await?)
}

/// The key if there is one, which must be good; none is needed as long as there are no keys.
async fn good_key(keys: &Keys, key: Option<String>) -> Result<Option<String>, McpError> {
    let shown = key.as_deref().map(|key| ShownKey::parse(key).ok_or(Refusal::Malformed));
    match shown {
        None if keys.are_needed() => Err(McpError::KeyMissing),
        None => Ok(None),
        Some(Ok(shown)) => {
            keys.identify(shown).await.map_err(McpError::Key)?;
            Ok(key)
        }
        Some(Err(refusal)) => Err(McpError::Key(refusal)),
    }
}
