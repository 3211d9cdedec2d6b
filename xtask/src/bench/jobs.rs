//! `cargo xtask bench jobs`: builds and installs the peers, as far as that works, and measures.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{process, python::Environment, tools, workspace::Workspace};

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let mut command = super::measure(&workspace, "jobs");
    let peers = [
        ("--postgres", tools::postgres_programs()),
        ("--redis", tools::redis_server()),
        ("--python", Environment::new(&workspace, "bench-jobs").install()),
        ("--apalis", apalis(&workspace)),
    ];
    for (option, peer) in peers {
        match peer {
            Ok(program) => _ = command.arg(option).arg(program),
            Err(error) => println!("without {}: {error:#}", option.trim_start_matches("--")),
        }
    }
    process::run(command.args(options))
}

/// Builds apalis, which is a workspace of its own.
fn apalis(workspace: &Workspace) -> Result<PathBuf> {
    // Where what both workspaces need is built once.
    let target = &workspace.target;
    let mut command = process::cargo(&workspace.root.join("benches/peers/apalis"));
    command.args(["build", "--release", "--target-dir"]).arg(target);
    process::run(&mut command).context("apalis cannot be built")?;
    Ok(target.join("release/bench-apalis"))
}
