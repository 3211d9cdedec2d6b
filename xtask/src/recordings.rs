//! `cargo xtask recordings DIR`: recorded provider traffic through the adapters.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::{process, workspace::Workspace};

/// Runs the program of `alula-llm` that does it.
///
/// It prints one line for each call of which something is lost, then what no adapter speaks, then
/// `N passed, N failed`. It fails if a call did, or if there is none.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(
        matches!(arguments, [dir] if !dir.starts_with('-')),
        "usage: cargo xtask recordings DIR"
    );
    // The program runs at the root of the workspace, not where the command was given.
    let dirs = arguments.iter().map(std::path::absolute).collect::<Result<Vec<PathBuf>, _>>()?;
    let mut command = process::cargo(&Workspace::load()?.root);
    command.args(["run", "--quiet", "--package", "alula-llm", "--features", "testing"]);
    command.args(["--example", "recordings", "--"]).args(dirs);
    process::run(&mut command)
}
