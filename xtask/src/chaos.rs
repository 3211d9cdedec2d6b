//! `cargo xtask chaos`: kills what works on jobs, and looks whether anything was lost.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// How many processes a short run kills: enough to see that it works.
const KILLS: &str = "30";
/// How long a short run waits for claims, in seconds.
const SECONDS: &str = "3";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let alula = workspace.target.join("debug/alula");
    if arguments.first() == Some(&"server") {
        process::run(process::cargo(&workspace.root).args(["build", "--package", "alula-server"]))?;
        arguments.extend(["--alula", alula.to_str().context("its path is no UTF-8")?]);
    }
    start(&workspace.root, &arguments)
}

/// Short runs over each store; over Postgres only where there is one.
pub(crate) fn check(workspace: &Workspace, has_postgres: bool) -> Result<()> {
    let root = &workspace.root;
    start(root, &["jobs", "--store", "sqlite", "--kills", KILLS])?;
    start(root, &["contention", "--store", "sqlite", "--seconds", SECONDS])?;
    if has_postgres {
        start(root, &["jobs", "--store", "postgres", "--kills", KILLS])?;
    }
    Ok(())
}

fn start(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = process::cargo(root);
    command.args(["test", "--quiet", "--package", "alula-jobs", "--test", "chaos", "--"]);
    process::run(command.args(arguments))
}
