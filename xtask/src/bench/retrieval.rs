//! `cargo xtask bench retrieval`: fetches documents with questions to them, and a model.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{corpus, process, python::Environment, tools, workspace::Workspace};

/// The packages of Debian that have them.
const PACKAGES: [&str; 4] = ["debian-faq", "python3.11-doc", "r-doc-html", "r-doc-pdf"];

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let packages = packages(&workspace)?;
    let mut command = super::measure(&workspace, "retrieval");
    command.arg("--packages").arg(packages);
    match Environment::new(&workspace, "bench-retrieval").install() {
        Ok(python) => _ = command.arg("--python").arg(python),
        Err(error) => println!("without vectors and peers: {error:#}"),
    }
    match tools::pgvector_programs(&workspace) {
        Ok(programs) => _ = command.arg("--pgvector").arg(programs),
        Err(error) => println!("without pgvector: {error:#}"),
    }
    process::run(command.args(options))
}

fn packages(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("retrieval");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for package in PACKAGES {
        corpus::debian(package, &folder).context("the documents are packages of Debian 12")?;
    }
    Ok(folder)
}
