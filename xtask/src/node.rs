//! Packages of npm, pinned by their lock file, below `target/node`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// The oldest Node that the packages run in.
const MAJOR_MIN: u32 = 20;

/// What npm reads: what is wanted, its exact versions, and how the lock is written.
const FILES: [&str; 3] = ["package.json", LOCK, ".npmrc"];
const LOCK: &str = "package-lock.json";

/// Packages that a lock file names, installed below `target/node`.
#[derive(Debug)]
pub(crate) struct Packages {
    wanted: PathBuf,
    dir: PathBuf,
}

impl Packages {
    /// Those of `xtask/node`, installed in `target/node/test`.
    pub(crate) fn new(workspace: &Workspace) -> Self {
        Self::of(workspace, "xtask/node", "node/test")
    }

    /// Those of `xtask/node-mcp`, installed in `target/node/mcp`.
    pub(crate) fn of_mcp(workspace: &Workspace) -> Self {
        Self::of(workspace, "xtask/node-mcp", "node/mcp")
    }

    fn of(workspace: &Workspace, wanted: &str, dir: &str) -> Self {
        Self { wanted: workspace.root.join(wanted), dir: workspace.target.join(dir) }
    }

    /// Their folder, if it holds exactly what the lock file names and there is a Node for them.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let installed = fs::read(self.installed()).ok()?;
        let wanted = fs::read(self.wanted.join(LOCK)).ok()?;
        (installed == wanted && has_node()).then(|| self.dir.clone())
    }

    /// Their folder; they are installed again if the lock file changed. None without a Node.
    pub(crate) fn install(&self) -> Result<Option<PathBuf>> {
        if let Some(dir) = self.find() {
            return Ok(Some(dir));
        }
        if !has_node() || process::find("npm").is_none() {
            println!("no Node of version {MAJOR_MIN} or newer with npm: its tests are skipped");
            return Ok(None);
        }
        println!("installing the packages of {}", self.wanted.display());
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("cannot make {}", self.dir.display()))?;
        for name in FILES {
            copy(&self.wanted.join(name), &self.dir.join(name))?;
        }
        // Nothing of what is installed gets to run before a test imports it.
        process::run(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(&self.dir),
        )?;
        copy(&self.wanted.join(LOCK), &self.installed())?;
        Ok(Some(self.dir.clone()))
    }

    /// A copy of the lock file, written when all of it is installed.
    fn installed(&self) -> PathBuf {
        self.dir.join("installed.json")
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Whether the path has a Node that is new enough.
fn has_node() -> bool {
    let version = process::output(Command::new("node").arg("--version"));
    version.ok().and_then(|text| major(&text)).is_some_and(|major| major >= MAJOR_MIN)
}

/// `22` of `v22.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("v22.1.0\n"), Some(22));
        assert_eq!(major("22.1.0"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn packages_count_only_while_the_lock_file_is_the_same() {
        let root = std::env::temp_dir().join(format!("alula-xtask-node-{}", std::process::id()));
        let packages = Packages { wanted: root.join("wanted"), dir: root.join("dir") };
        fs::create_dir_all(&packages.wanted).unwrap();
        fs::create_dir_all(&packages.dir).unwrap();
        fs::write(packages.wanted.join(LOCK), "{}").unwrap();
        assert_eq!(packages.find(), None, "nothing is installed");

        fs::write(packages.installed(), "{}").unwrap();
        assert_eq!(packages.find().is_some(), has_node());

        fs::write(packages.wanted.join(LOCK), "{ }").unwrap();
        assert_eq!(packages.find(), None, "another lock file");
        fs::remove_dir_all(root).unwrap();
    }
}
