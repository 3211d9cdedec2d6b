//! `cargo xtask bench mcp`: builds and installs the peers, as far as that works, and measures.

use anyhow::Result;

use crate::{python::Environment, workspace::Workspace};

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    // One of the examples is called `mcp`.
    let command = super::measure_by(&workspace, "mcp_calls", "mcp");
    let peers = [
        ("--python", Environment::new(&workspace, "mcp").install()),
        ("--rmcp", super::build_peer(&workspace, "rmcp")),
    ];
    super::run_with(command, peers, options)
}
