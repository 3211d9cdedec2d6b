//! `cargo xtask bench`: comparisons with peers.

use anyhow::{Result, bail};

use crate::{process, python::Environment, workspace::Workspace};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((name, options)) if name == "framework" => framework(options),
        Some((name, _)) => bail!("no comparison is called `{name}`; there is framework"),
        None => bail!("say what to compare: framework"),
    }
}

/// Builds and runs `benches/src/bin/framework`, which measures a JSON echo.
fn framework(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let python = Environment::new(&workspace, "bench").install()?;
    let words = ["run", "--release", "--package", "alula-benches", "--bin", "framework", "--"];
    process::run(
        process::cargo(&workspace.root)
            .args(words)
            .arg("--python")
            .arg(python)
            .arg("--output")
            .arg(workspace.target.join("bench/framework.json"))
            .args(options),
    )
}
