//! `alula serve`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use alula::serve::{Launch, Tls, Workers};
use clap::Args;

use super::{
    CliError,
    process::{Access, Process, ProcessArgs, Role, providers_line},
    say, values,
};
use crate::{app, config::Config, db::DatabaseUrl, services::metrics};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The address to listen on.
    #[arg(long, env = "ALULA_HOST", default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, env = "ALULA_PORT", default_value_t = 8000)]
    port: u16,
    #[command(flatten)]
    process: ProcessArgs,
    /// Processes that serve. With several, SIGHUP replaces them one by one, and loses no request.
    #[arg(long, env = "ALULA_WORKERS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=128))]
    workers: u8,
    /// Speak HTTPS, with the certificate in this file of PEM, and those up to its root.
    #[arg(long, env = "ALULA_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM. SIGHUP reads both files again.
    #[arg(long, env = "ALULA_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

pub(super) async fn run(arguments: ServeArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    let role = arguments.role();
    if role == Role::Supervisor && matches!(config.database, DatabaseUrl::Memory) {
        return Err(CliError::WorkersInMemory);
    }
    let ServeArgs { host, port, process, workers, tls_cert, tls_key } = arguments;
    let tls = match tls_cert.zip(tls_key) {
        Some((certificate, key)) => Some(Tls::from_pem_files(certificate, key)?),
        None => None,
    };
    let process = Process::begin(config, process, role).await?;
    let access = process.access(host).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let limits = process.config().limits.clone();
    let launch = Workers::new(workers.into()).bind((host, port), limits.clone()).await;
    let (server, shutdown) = match launch.map_err(|error| CliError::Bind { host, port, error })? {
        Launch::Serve { server, shutdown } => (server, shutdown),
        Launch::Supervise(supervisor) => {
            process.db.close().await;
            greet(scheme, supervisor.local_addr(), &process.llm, access);
            // A process of this number may have left some when it was killed.
            metrics::forget();
            let ended = supervisor.run().await;
            metrics::forget();
            return Ok(ended?);
        }
    };
    if role == Role::Alone {
        greet(scheme, server.local_addr(), &process.llm, access);
    }
    let body_bytes_max = process.config().body_bytes_max;
    let (mut services, telemetry) = process.services(&shutdown).await?;
    services.mcp.is_one_of_several = role == Role::Worker;
    metrics::watch_connections(server.open_connections());
    metrics::share(&shutdown);
    let mut app =
        app::app(services, telemetry, shutdown.clone()).limits(limits).max_body(body_bytes_max);
    if let Some(tls) = tls {
        app = app.tls(tls);
    }
    app.serve_on(server, shutdown).await?;
    Ok(())
}

impl ServeArgs {
    fn role(&self) -> Role {
        match (Workers::this_worker(), self.workers) {
            (Some(_), _) => Role::Worker,
            (None, 1) => Role::Alone,
            (None, _) => Role::Supervisor,
        }
    }
}

fn greet(scheme: &str, address: SocketAddr, llm: &alula_llm::Llm, access: Access) {
    let open = match access {
        Access::Keys => "Requests need a key.",
        Access::ThisMachine => "Requests need no key: only this machine can reach the server.",
        Access::Everybody if address.ip().is_loopback() => {
            "Requests need no key: whoever reaches this port can use your providers."
        }
        Access::Everybody => {
            "Requests need no key: ANYONE who reaches this address can use your providers."
        }
    };
    say(&format!(
        "Alula {version} on {scheme}://{address}\n\
         \x20 Docs       {scheme}://{address}/docs\n\
         {providers}\n\
         \x20 {open}",
        version = env!("CARGO_PKG_VERSION"),
        providers = providers_line(llm),
    ));
}
