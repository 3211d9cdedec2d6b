//! `cargo xtask schemathesis`: applications are what their OpenAPI documents say, as a tool that
//! is not ours sees it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{process, python::Environment, workspace::Workspace};

/// Cases for each operation unless `--cases` says otherwise.
const CASES: u32 = 1_000;

/// The choices of one run are those of every other.
const SEED: &str = "1";

/// An application to test.
struct App {
    name: &'static str,
    /// Starts it on a free port that it prints.
    start: fn(&Workspace) -> Result<Command>,
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

/// All of them behind one address.
fn examples(workspace: &Workspace) -> Result<Command> {
    let gallery = ["build", "--package", "examples", "--bin", "gallery"];
    process::run(process::cargo(&workspace.root).args(gallery))?;
    Ok(Command::new(workspace.target.join("debug/gallery")))
}

/// The twin of a FastAPI application, with one of everything; JSON is strict, as the document says.
fn twin(workspace: &Workspace) -> Result<Command> {
    let mut command = Command::new(process::build_example(workspace, "alula", "differential")?);
    command.arg("--strict");
    Ok(command)
}

/// The binary `alula`, as a demo.
fn server(workspace: &Workspace) -> Result<Command> {
    process::run(process::cargo(&workspace.root).args(["build", "--package", "alula-server"]))?;
    let mut command = Command::new(workspace.target.join("debug/alula"));
    command.args(["serve", "--port", "0"]).env("ALULA_LOG", "off");
    for provider in ["OPENAI", "ANTHROPIC", "GEMINI", "GOOGLE"] {
        command.env_remove(format!("{provider}_API_KEY"));
        command.env_remove(format!("{provider}_BASE_URL"));
    }
    // No Ollama is found where nothing can listen.
    command.env("OLLAMA_HOST", "127.0.0.1:9");
    Ok(command)
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
    apps.into_iter().try_for_each(|app| test(&workspace, &python, app, cases))
}

fn test(workspace: &Workspace, python: &Path, app: &App, cases: u32) -> Result<()> {
    let server = Server::start((app.start)(workspace)?)?;
    let config = format!("xtask/python/schemathesis/{}.toml", app.name);
    // It keeps a database of examples where it runs.
    let work = workspace.target.join("schemathesis");
    std::fs::create_dir_all(&work).context("cannot make a directory")?;
    for below in app.below {
        println!("{}{below}: {cases} cases for each operation", app.name);
        let mut command = Command::new(python.with_file_name("st"));
        command.current_dir(&work).arg("--config-file").arg(workspace.root.join(&config));
        command.arg("run").arg(format!("{}{below}/openapi.json", server.url));
        command.args(["--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"]);
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
