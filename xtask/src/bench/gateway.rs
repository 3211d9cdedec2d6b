//! `cargo xtask bench gateway`: installs the peers, as far as that works, and measures.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{process, python::Environment, tools, workspace::Workspace};

/// Where nginx is, on the `PATH` of root and beyond it.
const NGINX: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let build = ["build", "--profile", "dist", "--package", "alula-server"];
    process::run(process::cargo(&workspace.root).args(build))?;
    let mut command = super::measure(&workspace, "gateway");
    command.arg("--alula").arg(workspace.target.join("dist/alula"));
    let peers = [
        ("--python", Environment::new(&workspace, "bench-gateway").install()),
        ("--nginx", nginx()),
        ("--portkey", portkey(&workspace)),
    ];
    super::run_with(command, peers, options)
}

fn nginx() -> Result<PathBuf> {
    let find = || NGINX.iter().find_map(process::find);
    if let Some(program) = find() {
        return Ok(program);
    }
    if tools::has_apt() {
        tools::apt_install(&["nginx-light"])?;
    }
    find().context("nginx is not installed")
}

/// Portkey's gateway, installed below `target/node`; returns its start script.
fn portkey(workspace: &Workspace) -> Result<PathBuf> {
    let dir = workspace.target.join("node/bench-gateway");
    let script = dir.join("node_modules/@portkey-ai/gateway/build/start-server.js");
    let required = fs::read(workspace.root.join("xtask/node/bench-gateway.json"))
        .context("cannot read what it needs")?;
    let list = dir.join("package.json");
    if script.is_file() && fs::read(&list).is_ok_and(|installed| installed == required) {
        return Ok(script);
    }
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&list, required))
        .with_context(|| format!("cannot write {}", list.display()))?;
    // No script of a package is run: none is needed, and it is code that nobody has read.
    let install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    process::run(Command::new("npm").current_dir(&dir).args(install))?;
    Ok(script)
}
