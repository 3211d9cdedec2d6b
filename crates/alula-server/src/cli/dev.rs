//! `alula dev`.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use super::{CliError, say, values};
use crate::dev::{CargoOptions, Dev};

pub(super) const HELP: &str = "\
The program has to listen where these variables say: HOST and PORT, which are also there with the
prefixes APP_ and ALULA_. What `alula new` makes does.

It watches src, templates and migrations of the package and of all that it depends on by path,
their Cargo.toml, the files that the program was built from, *.toml and .env. The program of before
goes on until the new one is built; then it has 5 seconds to finish.

Examples:
  alula dev
  alula dev --port 9000 --features metrics --watch prompts
  alula dev --bin api -- --verbose";

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// The address that the program shall listen on.
    #[arg(long, default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port that the program shall listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    #[command(flatten)]
    cargo: CargoOptions,
    /// A file or a folder to watch, beside the sources; may be repeated.
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// Arguments of the program.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

pub(super) async fn run(arguments: DevArgs) -> Result<(), CliError> {
    let DevArgs { host, port, cargo, watch, arguments } = arguments;
    let dev = Dev { address: SocketAddr::new(host, port), cargo, watch, arguments };
    Ok(dev.run(say).await?)
}
