//! `cargo xtask bench`: comparisons with peers.

mod gateway;
mod jobs;
mod mcp;
mod retrieval;

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

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

/// Measures, next to the peers that there are.
fn run_with<const N: usize>(
    mut command: Command,
    peers: [(&str, Result<PathBuf>); N],
    options: &[String],
) -> Result<()> {
    for (option, peer) in peers {
        match peer {
            Ok(program) => _ = command.arg(option).arg(program),
            Err(error) => println!("without {}: {error:#}", option.trim_start_matches("--")),
        }
    }
    process::run(command.args(options))
}

/// Builds a peer, which is a workspace of its own in `benches/peers`; returns its program.
fn build_peer(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    // Where what both workspaces need is built once.
    let target = &workspace.target;
    let mut command = process::cargo(&workspace.root.join("benches/peers").join(name));
    command.args(["build", "--release", "--target-dir"]).arg(target);
    process::run(&mut command).with_context(|| format!("{name} cannot be built"))?;
    Ok(target.join(format!("release/bench-{name}")))
}
