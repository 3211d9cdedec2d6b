//! `alula mcp`: the server over stdio; and MCP servers used by hand, and made known to programs.

mod bundle;
mod call;
mod error;
mod install;
mod list;
mod stdio;
mod target;

use clap::{Args, Subcommand};

pub(crate) use self::error::McpError;
use super::CliError;

pub(super) const HELP: &str = "\
Without a command it is the server itself, over stdin and stdout, with the providers, the database
and the limits of `alula serve` in the same environment. Programs such as Claude Desktop start it;
the log goes to stderr. `alula serve` offers the same over HTTP, at /mcp.

The commands are about any MCP server. A SERVER is a URL, the command line of a program in quotes, or a name from [mcp_servers.NAME] of
alula.toml. It is spoken to in the revision 2026-07-28 of the protocol, or in an older one if it does
not know that.

The exit code is 0 if all went well, 1 if the server or the tool failed, and 2 if the command was
wrong, as when there is no such tool.

Examples:
  alula mcp --key sk-alula-…
  alula mcp list http://127.0.0.1:8000/mcp
  alula mcp inspect 'npx -y @modelcontextprotocol/server-everything'
  alula mcp call 'python server.py' add a=1 b=2
  alula mcp call notes search --args '{\"query\": \"ferns\", \"limit\": 5}' --json | jq .content
  alula mcp install claude-desktop --env OPENAI_API_KEY";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct McpArgs {
    #[command(subcommand)]
    command: Option<McpCommand>,
    #[command(flatten)]
    stdio: stdio::StdioArgs,
}

#[derive(Debug, Subcommand)]
enum McpCommand {
    /// List the tools, resources and prompts of an MCP server.
    List(list::ListArgs),
    /// Show all that an MCP server says of itself and its tools.
    Inspect(list::InspectArgs),
    /// Call a tool of an MCP server.
    Call(call::CallArgs),
    /// Name an MCP server in the configuration of a program that uses such servers.
    #[command(after_help = install::HELP)]
    Install(install::InstallArgs),
    /// Pack an MCP server into one file that programs such as Claude Desktop install.
    #[command(after_help = bundle::HELP)]
    Bundle(bundle::BundleArgs),
}

pub(super) async fn run(arguments: McpArgs) -> Result<(), CliError> {
    match arguments.command {
        None => stdio::run(arguments.stdio).await?,
        Some(McpCommand::List(arguments)) => list::list(arguments).await?,
        Some(McpCommand::Inspect(arguments)) => list::inspect(arguments).await?,
        Some(McpCommand::Call(arguments)) => call::run(arguments).await?,
        Some(McpCommand::Install(arguments)) => install::run(&arguments)?,
        Some(McpCommand::Bundle(arguments)) => bundle::run(&arguments)?,
    }
    Ok(())
}
