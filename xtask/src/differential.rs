//! `cargo xtask differential`: a FastAPI application and its twin answer the same requests.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{process, python::Environment, workspace::Workspace};

/// The twins, file beside file.
const TWINS: &str = "crates/alula/examples/differential";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let pin = match arguments {
        [] => false,
        [option] if option == "--pin" => true,
        _ => bail!("usage: cargo xtask differential [--pin]"),
    };
    let workspace = Workspace::load()?;
    let python = Environment::new(&workspace, "differential").install()?;
    compare(&workspace, &python, pin)
}

/// Runs the comparison if its Python is there, or may be installed.
pub(crate) fn check(workspace: &Workspace, install: bool) -> Result<()> {
    let environment = Environment::new(workspace, "differential");
    let python = if install { Some(environment.install()?) } else { environment.find() };
    match python {
        Some(python) => compare(workspace, &python, false),
        None => {
            println!("skipped: FastAPI is not installed; `cargo xtask differential` does it");
            Ok(())
        }
    }
}

fn compare(workspace: &Workspace, python: &PathBuf, pin: bool) -> Result<()> {
    let twin = process::build_example(workspace, "alula", "differential")?;
    let mut command = Command::new(python);
    command.current_dir(&workspace.root).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("xtask/python/differential").arg(twin).arg(format!("{TWINS}/app.py"));
    command.arg("docs/differences-from-fastapi.md").args(pin.then_some("--pin"));
    process::run(&mut command)
}
