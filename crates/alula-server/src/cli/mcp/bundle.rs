//! `alula mcp bundle`: a server in one file, for programs that install those.

use std::path::PathBuf;

use clap::Args;

use super::{
    McpError,
    install::{program, this_program},
};
use crate::{
    cli::say,
    mcp::bundle::{Asked, Bundle},
};

pub(super) const HELP: &str = "\
It is a bundle by the MCPB specification 0.3: a zip with manifest.json and the program, for this
system alone. Whoever opens it with Claude Desktop has the server, and is asked for the variables of
--ask. Without --command it is this server, as `alula mcp`, with its database below the home of its
user.

Examples:
  alula mcp bundle --author 'Your name' --ask OPENAI_API_KEY
  alula mcp bundle --name notes --command target/release/notes --ask 'NOTES_FOLDER?'";

/// What the user of this server's own bundle fills in, unless it is said: one of them will do.
const KEYS: [&str; 3] = ["OPENAI_API_KEY?", "ANTHROPIC_API_KEY?", "GEMINI_API_KEY?"];

#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    /// The file to write; NAME-VERSION.mcpb if absent.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The name of the bundle, for programs.
    #[arg(long, default_value = "alula")]
    name: String,
    /// Its name for people; the same if absent.
    #[arg(long)]
    title: Option<String>,
    /// Its version.
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    release: String,
    /// What it is for, in a sentence.
    #[arg(long, default_value = "Language models and documents, over MCP.")]
    description: String,
    /// Who made it.
    #[arg(long, default_value = "unknown")]
    author: String,
    /// The program that is the server, if it is not this one.
    #[arg(long, value_name = "PROGRAM")]
    command: Option<PathBuf>,
    /// A variable of its environment.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A variable that its user fills in; one that may be left empty has a ? at its end.
    #[arg(long, value_name = "NAME[?]")]
    ask: Vec<String>,
    /// Arguments of the server.
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

pub(super) fn run(arguments: &BundleArgs) -> Result<(), McpError> {
    let BundleArgs { output, name, title, release, description, author, .. } = arguments;
    let bundle = Bundle {
        title: title.clone().unwrap_or_else(|| name.clone()),
        program: arguments.program()?.into(),
        env: arguments.env()?,
        asked: arguments.asked(),
        arguments: arguments.arguments(),
        name: name.clone(),
        version: release.clone(),
        description: description.clone(),
        author: author.clone(),
    };
    let output = output.clone().unwrap_or_else(|| format!("{name}-{release}.mcpb").into());
    let bytes = bundle.write(&output)?;
    say(&format!("{} has {:.1} MB", output.display(), bytes_mb(bytes)));
    Ok(())
}

fn bytes_mb(bytes: u64) -> f64 {
    // More than enough digits for what is shown.
    u32::try_from(bytes / 1024).map_or(f64::INFINITY, f64::from) / 1024.0
}

impl BundleArgs {
    fn program(&self) -> Result<String, McpError> {
        match &self.command {
            Some(command) => program(command),
            None => this_program(),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let own = self.command.is_none().then(|| "mcp".to_owned());
        own.into_iter().chain(self.arguments.iter().cloned()).collect()
    }

    fn env(&self) -> Result<Vec<(String, String)>, McpError> {
        let pair = |pair: &String| match pair.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(McpError::Mistake(format!("--env {pair:?}: expected NAME=VALUE"))),
        };
        let mut env: Vec<_> = self.env.iter().map(pair).collect::<Result<_, _>>()?;
        if self.command.is_none() {
            // Bundles are started anywhere.
            for (name, value) in [
                ("DATABASE_URL", "sqlite://${HOME}/.alula/alula.db"),
                ("ALULA_USAGE_SPILL_DIR", "${HOME}/.alula"),
            ] {
                if !env.iter().any(|(known, _)| known == name) {
                    env.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(env)
    }

    fn asked(&self) -> Vec<Asked> {
        let usual = self.command.is_none() && self.ask.is_empty();
        let usual = KEYS.iter().filter(|_| usual).map(|&name| name.to_owned());
        let asked = |text: String| {
            let name = text.trim_end_matches('?').to_owned();
            let secrets = ["KEY", "TOKEN", "SECRET", "PASSWORD"];
            Asked {
                title: name.clone(),
                description: format!("The variable {name}"),
                is_secret: secrets.iter().any(|word| name.to_uppercase().contains(word)),
                is_required: !text.ends_with('?'),
                variable: name,
            }
        };
        self.ask.iter().cloned().chain(usual).map(asked).collect()
    }
}
