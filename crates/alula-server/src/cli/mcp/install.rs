//! `alula mcp install`: a program that uses MCP servers is told of one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{McpError, target::header_of};
use crate::{
    cli::{say, tell},
    config::{Source, variable},
    mcp::install::{Change, Client, Done, Entry, InstallError, Place, Way},
    services::llm::HOSTED,
};

pub(super) const HELP: &str = "\
Everything else in the file stays as it is, to the byte, and a copy of the file is kept beside it. A
file that is not JSON is left alone. Without --command and --url it is this server that is named, as
`alula mcp`, with its database where it is now.

Examples:
  alula mcp install claude-desktop --env OPENAI_API_KEY
  alula mcp install claude-code --url http://127.0.0.1:8000/mcp
  alula mcp install cursor --project . --name notes --command ./target/release/notes
  alula mcp install json --name notes --command npx -- -y notes-server";

#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    /// The program that is told.
    client: Client,
    /// What the server is called there.
    #[arg(long, default_value = "alula", value_parser = name)]
    name: String,
    /// The program that is the server, if it is not this one.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "url")]
    command: Option<PathBuf>,
    /// The address of the server, if it runs already.
    #[arg(long)]
    url: Option<String>,
    /// A header of each request to the address, as 'Authorization: Bearer …'.
    #[arg(long, value_name = "NAME: VALUE", requires = "url")]
    header: Vec<String>,
    /// A variable of the server's environment: as it is here, or with this value.
    #[arg(long, value_name = "NAME[=VALUE]", conflicts_with = "url")]
    env: Vec<String>,
    /// Only for the project in this folder.
    #[arg(long, value_name = "FOLDER")]
    project: Option<PathBuf>,
    /// The file to change, if it is not in its usual place.
    #[arg(long, value_name = "FILE", conflicts_with = "project")]
    file: Option<PathBuf>,
    /// Take the place of another server of the same name.
    #[arg(long)]
    replace: bool,
    /// Change nothing, and show what would change.
    #[arg(long)]
    dry_run: bool,
    /// Arguments of the server.
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

fn name(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("letters, digits, - . and _"),
    }
}

pub(super) fn run(arguments: &InstallArgs) -> Result<(), McpError> {
    let client = arguments.client;
    let way = arguments.way()?;
    let entry = Entry { name: arguments.name.clone(), way };
    let json = entry.to_json(client)?;
    if client == Client::Json {
        say(&format!("{:#}", json!({ "mcpServers": { entry.name.as_str(): json } })));
        return Ok(());
    }
    let path = match arguments.file.clone() {
        Some(file) => file,
        None => {
            let place = place(arguments.project.as_deref())?;
            let found = client.path(&place);
            found.ok_or(InstallError::NoPlace { client: client.name() })?
        }
    };
    let change = Change::plan(&path, &entry.name, &json)?;
    let path = change.path().to_owned();
    if arguments.dry_run {
        let diff = change.diff();
        say(if diff.is_empty() { "nothing would change" } else { &diff });
        return Ok(());
    }
    if change.replaces() && !arguments.replace {
        return Err(InstallError::Taken { path, name: entry.name }.into());
    }
    match change.make()? {
        Done::Nothing => say(&format!("{} names it so already", path.display())),
        Done::Written { backup } => {
            say(&format!("{} names {} now", path.display(), entry.name));
            if let Some(backup) = backup {
                say(&format!("The file of before is {}", backup.display()));
            }
            say(client.next_step());
        }
    }
    arguments.hint();
    Ok(())
}

impl InstallArgs {
    /// How the server is reached.
    fn way(&self) -> Result<Way, McpError> {
        if let Some(url) = &self.url {
            let headers = self.header.iter().map(|header| header_of(header));
            return Ok(Way::Url { url: url.clone(), headers: headers.collect::<Result<_, _>>()? });
        }
        let env = self.env.iter().map(|pair| variable_of(pair));
        let mut env: Vec<(String, String)> = env.collect::<Result<_, _>>()?;
        let mut arguments = Vec::new();
        let command = match &self.command {
            Some(command) => program(command)?,
            None => {
                arguments = own_arguments()?;
                for (name, value) in own_env()? {
                    if !env.iter().any(|(known, _)| *known == name) {
                        env.push((name, value));
                    }
                }
                this_program()?
            }
        };
        arguments.extend_from_slice(&self.arguments);
        Ok(Way::Program { command, arguments, env })
    }

    /// Says what the server may miss where it is started.
    fn hint(&self) {
        if self.command.is_some() || self.url.is_some() {
            return;
        }
        let keys = HOSTED.iter().map(|hosted| hosted.prefix);
        let keys =
            keys.flat_map(|prefix| ["API_KEY", "BASE_URL"].map(|it| format!("{prefix}_{it}")));
        let others = ["OLLAMA_HOST", "REDIS_URL", "DATABASE_URL", "STORAGE_URL", "ALULA_KEY"];
        let others = others.map(str::to_owned);
        let passed = |name: &String| {
            self.env.iter().any(|pair| pair.split('=').next() == Some(name.as_str()))
        };
        // Where these are is said in any case.
        let is_file = |name: &String| {
            let begins = |scheme: &str| variable(name).is_some_and(|url| url.starts_with(scheme));
            name == "DATABASE_URL" && begins("sqlite:") || name == "STORAGE_URL" && begins("file:")
        };
        let missed = keys.chain(others).filter(|name| variable(name).is_some());
        let missed: Vec<_> = missed.filter(|name| !passed(name) && !is_file(name)).collect();
        if !missed.is_empty() {
            tell(&format!(
                "These are set here, and the server will not have them unless --env names them: {}",
                missed.join(", ")
            ));
        }
    }
}

/// A variable as it is here, or with a value.
fn variable_of(pair: &str) -> Result<(String, String), McpError> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) => Err(McpError::Mistake("--env: expected NAME or NAME=VALUE".to_owned())),
        None => {
            let value = variable(pair);
            let missing = || McpError::Mistake(format!("--env {pair}: it is not set here"));
            Ok((pair.to_owned(), value.ok_or_else(missing)?))
        }
    }
}

/// A program as others can start it, wherever they are.
pub(super) fn program(path: &Path) -> Result<String, McpError> {
    // A name alone is looked for in PATH, by them as well.
    let path = match path.components().count() {
        1 => path.to_owned(),
        _ => fs::canonicalize(path)
            .map_err(|error| McpError::Mistake(format!("{}: {error}", path.display())))?,
    };
    let odd = || McpError::Mistake(format!("{} is not in UTF-8", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(odd)
}

pub(super) fn this_program() -> Result<String, McpError> {
    let here = |error| McpError::Mistake(format!("where this program is is not known: {error}"));
    program(&std::env::current_exe().map_err(here)?)
}

/// How this program is told to be a server, with the file that is in force here.
fn own_arguments() -> Result<Vec<String>, McpError> {
    let named = variable("ALULA_CONFIG").map(PathBuf::from);
    let source = Source::new(named.as_deref());
    let mut arguments = vec!["mcp".to_owned()];
    if source.load().map_err(McpError::File)?.is_some() {
        arguments.extend(["--config".to_owned(), source.path().display().to_string()]);
    }
    Ok(arguments)
}

/// Where its files are, for a process in another folder.
fn own_env() -> Result<Vec<(String, String)>, McpError> {
    let absolute = |path: &str| {
        let path = std::path::absolute(path);
        let path = path.map_err(|error| McpError::Mistake(format!("no current folder: {error}")));
        path.map(|path| path.display().to_string())
    };
    let mut env = Vec::new();
    let url = variable("DATABASE_URL").unwrap_or_else(|| "sqlite://data/alula.db".to_owned());
    let in_file = url.strip_prefix("sqlite:");
    if let Some(path) = in_file.filter(|path| *path != ":memory:") {
        let path = absolute(path.strip_prefix("//").unwrap_or(path))?;
        env.push(("DATABASE_URL".to_owned(), format!("sqlite://{path}")));
    }
    // Those that are beside such a database are found by it.
    let beside = in_file.is_none().then(|| "file://data/files".to_owned());
    let storage = variable("STORAGE_URL").or(beside);
    if let Some(path) = storage.as_deref().and_then(|url| url.strip_prefix("file:")) {
        let path = absolute(path.strip_prefix("//").unwrap_or(path))?;
        env.push(("STORAGE_URL".to_owned(), format!("file://{path}")));
    }
    let spill = variable("ALULA_USAGE_SPILL_DIR").unwrap_or_else(|| "data".to_owned());
    env.push(("ALULA_USAGE_SPILL_DIR".to_owned(), absolute(&spill)?));
    Ok(env)
}

fn place(project: Option<&Path>) -> Result<Place, McpError> {
    let folder = |name: &str| variable(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let project = project.map(std::path::absolute).transpose();
    let project =
        project.map_err(|error| McpError::Mistake(format!("no current folder: {error}")))?;
    Ok(Place {
        home: folder("HOME").or_else(|| folder("USERPROFILE")),
        app_data: folder("APPDATA"),
        config_home: folder("XDG_CONFIG_HOME"),
        claude_dir: folder("CLAUDE_CONFIG_DIR"),
        project,
    })
}
