//! `cargo xtask bench`: comparisons with peers.

mod gateway;
mod jobs;
mod mcp;
mod retrieval;

use std::process::Command;

use anyhow::{Result, bail};

use crate::{process, python::Environment, workspace::Workspace};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    const NAMES: &str = "framework, gateway, jobs, keys, mcp, retrieval, sse and streams";
    match arguments.split_first() {
        Some((name, options)) if name == "framework" => framework(options),
        Some((name, options)) if name == "gateway" => gateway::run(options),
        Some((name, options)) if name == "jobs" => jobs::run(options),
        Some((name, options)) if name == "mcp" => mcp::run(options),
        Some((name, options)) if name == "retrieval" => retrieval::run(options),
        Some((name, options)) if ["keys", "sse", "streams"].contains(&name.as_str()) => {
            alone(name, options)
        }
        Some((name, _)) => bail!("nothing is called `{name}`; there are {NAMES}"),
        None => bail!("say what to measure; there are {NAMES}"),
    }
}

/// Builds and runs `benches/src/bin/framework`, which measures a JSON echo.
fn framework(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let python = Environment::new(&workspace, "bench").install()?;
    process::run(measure(&workspace, "framework").arg("--python").arg(python).args(options))
}

/// Builds and runs a program of `benches` that needs nothing else.
fn alone(name: &str, options: &[String]) -> Result<()> {
    process::run(measure(&Workspace::load()?, name).args(options))
}

/// The program of `benches` of this name, which writes its figures below `target/bench`.
fn measure(workspace: &Workspace, name: &str) -> Command {
    measure_by(workspace, name, name)
}

/// The same for a program that is called otherwise than its figures.
fn measure_by(workspace: &Workspace, program: &str, name: &str) -> Command {
    let mut command = process::cargo(&workspace.root);
    command.args(["run", "--release", "--package", "alula-benches", "--bin", program, "--"]);
    command.arg("--output").arg(workspace.target.join(format!("bench/{name}.json")));
    command
}
