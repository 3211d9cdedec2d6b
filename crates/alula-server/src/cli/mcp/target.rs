//! Which server a command is about.

use std::{io::IsTerminal as _, path::PathBuf, time::Duration};

use alula::{
    Shutdown,
    mcp::{Client, client::ClientBuilder},
};
use clap::Args;
use serde_json::Value;
use tokio::process::Command;

use super::McpError;
use crate::{
    cli::{table::clean, tell},
    config::{Source, variable},
};

/// A server, and how to reach it.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// The server: its URL, the command line of a program in quotes, or its name in alula.toml.
    #[arg(value_name = "SERVER")]
    server: String,
    /// A header of each request to a URL, as 'Authorization: Bearer …'.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A variable of the program's environment, beside those that are set here.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Speak only this revision of the protocol, such as 2025-11-25.
    #[arg(long, value_name = "REVISION")]
    protocol: Option<String>,
    /// How many seconds it may take until the server is there, and then for each answer; 30 and 60
    /// unless alula.toml says otherwise.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: Option<u32>,
    /// The file with the names of servers; alula.toml if that is there.
    #[arg(long, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl TargetArgs {
    /// Does something with the server, and leaves it.
    pub(super) async fn with<T>(
        self,
        work: impl AsyncFnOnce(&Client) -> Result<T, McpError>,
    ) -> Result<T, McpError> {
        let (timeout, protocol) = (self.timeout, self.protocol.clone());
        let mut builder = self.builder()?;
        if let Some(seconds) = timeout {
            let timeout = Duration::from_secs(seconds.into());
            builder = builder.connect_timeout(timeout).request_timeout(timeout);
        }
        if let Some(protocol) = protocol {
            builder = builder.protocol(protocol);
        }
        if std::io::stderr().is_terminal() {
            builder = builder.on_notification(show);
        }
        // A program is in a group of its own, so that no signal but ours reaches it.
        let stop = Shutdown::on_signals().map_err(McpError::Signals)?;
        tokio::select! {
            result = work_with(builder, work) => result,
            // What was started ends when it is dropped.
            () = stop.stopping() => Err(McpError::Interrupted),
        }
    }

    fn builder(self) -> Result<ClientBuilder, McpError> {
        let Self { server, header, env, config, .. } = self;
        if server.starts_with("http://") || server.starts_with("https://") {
            if !env.is_empty() {
                return Err(McpError::Mistake("--env is for programs, and not for a URL".into()));
            }
            let headers = header.iter().map(|header| header_of(header));
            let headers = headers.collect::<Result<Vec<_>, _>>()?;
            let builder = Client::http(server);
            return Ok(headers.iter().fold(builder, |it, (name, value)| it.header(name, value)));
        }
        if !header.is_empty() {
            return Err(McpError::Mistake("--header is for a URL, and not for programs".into()));
        }
        if let Some(builder) = named(&Source::new(config.as_deref()), &server)? {
            return match env.is_empty() {
                true => Ok(builder),
                false => {
                    let mistake = format!("--env is for command lines; {server} has its own");
                    Err(McpError::Mistake(mistake))
                }
            };
        }
        let words = shlex::split(&server).unwrap_or_default();
        let Some((program, arguments)) = words.split_first() else {
            return Err(McpError::Mistake(format!("{server:?} is no command line")));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        for pair in &env {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| McpError::Mistake(format!("--env {pair:?}: expected NAME=VALUE")))?;
            command.env(name, value);
        }
        Ok(Client::command(command))
    }
}

/// A server that the file has by this name.
fn named(source: &Source, name: &str) -> Result<Option<ClientBuilder>, McpError> {
    // A mistake in the file is in nobody's way who does not need it.
    if name.contains(|char: char| char.is_whitespace() || char == '/') {
        return Ok(None);
    }
    let Some((_, located)) = source.load().map_err(McpError::File)? else { return Ok(None) };
    let servers = located.mcp_servers(variable).map_err(McpError::File)?;
    Ok(servers.get(name).map(|server| server.client()))
}

async fn work_with<T>(
    builder: ClientBuilder,
    work: impl AsyncFnOnce(&Client) -> Result<T, McpError>,
) -> Result<T, McpError> {
    let client = builder.name("alula-cli", env!("CARGO_PKG_VERSION")).connect().await?;
    let result = work(&client).await;
    client.close().await;
    result
}

/// Shows the person at the terminal how far a call is.
fn show(method: &str, params: &Value) {
    let text = |name: &str| params.get(name).and_then(Value::as_str).map(clean);
    match method {
        "notifications/progress" => {
            let number = |name: &str| params.get(name).and_then(Value::as_f64);
            let done = number("progress").unwrap_or_default();
            let of = number("total").map(|total| format!("/{total}")).unwrap_or_default();
            tell(format!("{done}{of} {}", text("message").unwrap_or_default()).trim_end());
        }
        "notifications/message" => {
            let data = params.get("data").cloned().unwrap_or_default();
            let data = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
            tell(&format!("{}: {}", text("level").unwrap_or_default(), clean(&data)));
        }
        _ => {}
    }
}

/// A header as people write it.
pub(super) fn header_of(text: &str) -> Result<(String, String), McpError> {
    // The value may be a secret.
    let mistake = || McpError::Mistake("--header: expected 'NAME: VALUE'".to_owned());
    let (name, value) = text.split_once(':').ok_or_else(mistake)?;
    match name.trim().is_empty() {
        true => Err(mistake()),
        false => Ok((name.trim().to_owned(), value.trim().to_owned())),
    }
}
