//! `cargo xtask bench jobs`: builds and installs the peers, as far as that works, and measures.

use anyhow::Result;

use crate::{python::Environment, tools, workspace::Workspace};

pub(crate) fn run(options: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let command = super::measure(&workspace, "jobs");
    let peers = [
        ("--postgres", tools::postgres_programs()),
        ("--redis", tools::redis_server()),
        ("--python", Environment::new(&workspace, "bench-jobs").install()),
        ("--apalis", super::build_peer(&workspace, "apalis")),
    ];
    super::run_with(command, peers, options)
}
