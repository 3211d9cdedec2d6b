//! `cargo xtask schemathesis`: applications are what their OpenAPI documents say, as a tool that
//! is not ours sees it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{process, python::Environment, workspace::Workspace};

/// Cases for each operation unless `--cases` says otherwise.
const CASES: u32 = 1_000;

/// Cases for each operation of the server in `cargo xtask test`.
const CASES_OF_TESTS: u32 = 5;

/// The choices of one run are those of every other.
const SEED: &str = "1";

/// An application to test.
struct App {
    name: &'static str,
    /// Starts it on a free port that it prints.
    start: fn(&Workspace) -> Result<Start>,
    /// The paths below which it has documents.
    below: &'static [&'static str],
}

const APPS: &[App] = &[
    App { name: "examples", start: examples, below: EXAMPLES },
    App { name: "twin", start: twin, below: &[""] },
    App { name: "server", start: server, below: &[""] },
];

/// The programs of the folder `examples`.
const EXAMPLES: &[&str] = &[
    "/async_operations",
    "/background_tasks",
    "/dependencies",
    "/deployment",
    "/error_handling",
    "/middleware",
    "/models",
    "/parameters",
    "/quick_start",
    "/routers",
    "/settings",
    "/streaming",
    "/testing",
    "/uploads",
];

/// How an application is started.
struct Start {
    command: Command,
    /// What it takes as a bearer, beside the credentials in its file.
    key: Option<String>,
}

impl From<Command> for Start {
    fn from(command: Command) -> Self {
        Self { command, key: None }
    }
}

/// All of them behind one address.
fn examples(workspace: &Workspace) -> Result<Start> {
    let gallery = ["build", "--package", "examples", "--bin", "gallery"];
    process::run(process::cargo(&workspace.root).args(gallery))?;
    Ok(Command::new(workspace.target.join("debug/gallery")).into())
}

/// The twin of a FastAPI application, with one of everything; JSON is strict, as the document says.
fn twin(workspace: &Workspace) -> Result<Start> {
    let mut command = Command::new(process::build_example(workspace, "alula", "differential")?);
    command.arg("--strict");
    Ok(command.into())
}

/// The binary `alula`, as a demo, for callers with a key.
fn server(workspace: &Workspace) -> Result<Start> {
    process::run(process::cargo(&workspace.root).args(["build", "--package", "alula-server"]))?;
    built_server(workspace)
}

/// The same as it was built before.
fn built_server(workspace: &Workspace) -> Result<Start> {
    let folder = workspace.target.join("schemathesis/server");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).context("cannot remove the database of the last run");
        }
        _ => {}
    }
    fs::create_dir_all(&folder).context("cannot make a directory")?;
    let alula = || {
        let mut command = Command::new(workspace.target.join("debug/alula"));
        for provider in ["OPENAI", "ANTHROPIC", "GEMINI", "GOOGLE"] {
            command.env_remove(format!("{provider}_API_KEY"));
            command.env_remove(format!("{provider}_BASE_URL"));
        }
        // No Ollama is found where nothing can listen.
        command.env("OLLAMA_HOST", "127.0.0.1:9").env("ALULA_LOG", "off").current_dir(&folder);
        command.env("DATABASE_URL", "sqlite://alula.db");
        command
    };
    // The limits of plans are for others than this.
    let options = ["--name", "schemathesis", "--scopes", "models,admin", "--plan", "unlimited"];
    let key = process::output(alula().args(["keys", "create"]).args(options))?.trim().to_owned();
    let mut command = alula();
    command.args(["serve", "--port", "0"]);
    Ok(Start { command, key: Some(key) })
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut cases, mut chosen) = (CASES, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--cases" => {
                let value = arguments.next().context("`--cases` needs a number")?;
                cases = value.parse().with_context(|| format!("`{value}` is no number"))?;
            }
            option if option.starts_with('-') => bail!("`{option}` is no option"),
            name => chosen.push(name),
        }
    }
    let known = |name: &&str| APPS.iter().any(|app| app.name == *name);
    if let Some(unknown) = chosen.iter().find(|name| !known(name)) {
        bail!("no application is called `{unknown}`; there are examples, twin and server");
    }
    let workspace = Workspace::load()?;
    let python = Environment::new(&workspace, "schemathesis").install()?;
    let apps = APPS.iter().filter(|app| chosen.is_empty() || chosen.contains(&app.name));
    apps.into_iter().try_for_each(|app| test(&workspace, &python, app, &Phases::all(cases)))
}

/// Tests the server with a few cases, if the tool is there or may be installed. Its own tests have
/// built it.
pub(crate) fn check(workspace: &Workspace, install: bool) -> Result<()> {
    let environment = Environment::new(workspace, "schemathesis");
    let python = if install { Some(environment.install()?) } else { environment.find() };
    let Some(python) = python else {
        println!("skipped: schemathesis is not installed; `cargo xtask schemathesis` does it");
        return Ok(());
    };
    let server = App { name: "server", start: built_server, below: &[""] };
    // What follows links from answer to answer takes longer.
    let phases = Phases { names: "examples,coverage,fuzzing", cases: CASES_OF_TESTS };
    test(workspace, &python, &server, &phases)
}

/// What is tried.
struct Phases {
    names: &'static str,
    cases: u32,
}

impl Phases {
    fn all(cases: u32) -> Self {
        Self { names: "examples,coverage,fuzzing,stateful", cases }
    }
}

fn test(workspace: &Workspace, python: &Path, app: &App, phases: &Phases) -> Result<()> {
    let Start { command, key } = (app.start)(workspace)?;
    let server = Server::start(command)?;
    let Phases { names, cases } = phases;
    let config = format!("xtask/python/schemathesis/{}.toml", app.name);
    // It keeps a database of examples where it runs.
    let work = workspace.target.join("schemathesis");
    fs::create_dir_all(&work).context("cannot make a directory")?;
    for below in app.below {
        println!("{}{below}: {cases} cases for each operation", app.name);
        let mut command = Command::new(python.with_file_name("st"));
        command.current_dir(&work).arg("--config-file").arg(workspace.root.join(&config));
        command.arg("run").arg(format!("{}{below}/openapi.json", server.url));
        command.args(["--phases", names, "--mode", "all"]);
        if let Some(key) = &key {
            command.args(["--header", &format!("Authorization: Bearer {key}")]);
        }
        command.args(["--seed", SEED, "--max-examples"]).arg(cases.to_string());
        process::run(&mut command)?;
    }
    Ok(())
}

/// A program that serves; it is stopped when it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts it and reads its address from the first line that has one.
    fn start(mut command: Command) -> Result<Self> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = lines.find_map(|line| address(&line.ok()?));
        let url = url.context("the server did not say where it listens")?;
        // What it prints later is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, url })
    }
}

/// The URL in a line, without a path.
fn address(line: &str) -> Option<String> {
    let start = line.find("http://")?;
    let url = line.get(start..)?.split_whitespace().next()?;
    Some(url.trim_end_matches('/').to_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_has_it() {
        let found = address("Alula 0.1.0 on http://127.0.0.1:8000");
        assert_eq!(found.as_deref(), Some("http://127.0.0.1:8000"));
        assert_eq!(address("  Providers  demo"), None);
    }
}
