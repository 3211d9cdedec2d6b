//! `cargo xtask bench mcp`: builds and installs the peers, as far as that works, and measures.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{process, python::Environment, workspace::Workspace};

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    // One of the examples is called `mcp`.
    let mut command = super::measure_by(&workspace, "mcp_calls", "mcp");
    let peers =
        [("--python", Environment::new(&workspace, "mcp").install()), ("--rmcp", rmcp(&workspace))];
    for (option, peer) in peers {
        match peer {
            Ok(program) => _ = command.arg(option).arg(program),
            Err(error) => println!("without {}: {error:#}", option.trim_start_matches("--")),
        }
    }
    process::run(command.args(options))
}

/// Builds the server in rmcp, which is a workspace of its own.
fn rmcp(workspace: &Workspace) -> Result<PathBuf> {
    // Where what both workspaces need is built once.
    let target = &workspace.target;
    let mut command = process::cargo(&workspace.root.join("benches/peers/rmcp"));
    command.args(["build", "--release", "--target-dir"]).arg(target);
    process::run(&mut command).context("rmcp cannot be built")?;
    Ok(target.join("release/bench-rmcp"))
}
