//! What cargo-deny says about the packages that others wrote, by `deny.toml`.

use std::process::Command;

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Runs it where it is installed. To build it takes many minutes, and of the same file
/// `cargo xtask tidy` checks what can be checked without it.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let Some(tool) = process::find("cargo-deny") else {
        println!("skipped: cargo-deny is not installed; tidy has checked bans, licenses, sources");
        return Ok(());
    };
    let mut command = Command::new(tool);
    command.current_dir(&workspace.root);
    process::run(command.args(["--all-features", "check", "bans", "licenses", "sources"]))
}
