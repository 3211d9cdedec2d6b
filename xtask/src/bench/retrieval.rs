//! `cargo xtask bench retrieval`: fetches documents with questions to them, and a model.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{corpus, python::Environment, tools, workspace::Workspace};

/// The packages of Debian that have them.
const PACKAGES: [&str; 4] = ["debian-faq", "python3.11-doc", "r-doc-html", "r-doc-pdf"];

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let packages = packages(&workspace)?;
    let mut command = super::measure(&workspace, "retrieval");
    command.arg("--packages").arg(packages);
    let peers = [
        ("--python", Environment::new(&workspace, "bench-retrieval").install()),
        ("--pgvector", tools::pgvector_programs(&workspace)),
    ];
    super::run_with(command, peers, options)
}

fn packages(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("retrieval");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for package in PACKAGES {
        corpus::debian(package, &folder).context("the documents are packages of Debian 12")?;
    }
    Ok(folder)
}
