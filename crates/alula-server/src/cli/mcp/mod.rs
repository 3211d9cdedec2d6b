//! `alula mcp`: the server over stdio.

mod error;
mod stdio;

use clap::Args;

pub(crate) use self::error::McpError;
use super::CliError;

pub(super) const HELP: &str = "\
It is the server itself, over stdin and stdout, with the providers, the database and the limits of
`alula serve` in the same environment. Programs such as Claude Desktop start it; the log goes to
stderr. `alula serve` offers the same over HTTP, at /mcp.";

#[derive(Debug, Args)]
pub(super) struct McpArgs {
    #[command(flatten)]
    stdio: stdio::StdioArgs,
}

pub(super) async fn run(arguments: McpArgs) -> Result<(), CliError> {
    stdio::run(arguments.stdio).await
}
