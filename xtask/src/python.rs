//! Virtual environments of Python with pinned packages, below `target/python`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, tools, workspace::Workspace};

/// A set of packages: `xtask/python/NAME.txt`, installed in `target/python/NAME`.
#[derive(Debug)]
pub(crate) struct Environment {
    requirements: PathBuf,
    dir: PathBuf,
}

impl Environment {
    pub(crate) fn new(workspace: &Workspace, name: &str) -> Self {
        Self {
            requirements: workspace.root.join("xtask/python").join(format!("{name}.txt")),
            dir: workspace.target.join("python").join(name),
        }
    }

    /// Its interpreter, if the environment holds exactly what is required and works.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let python = self.python();
        let installed = fs::read(self.installed()).ok()?;
        let required = fs::read(&self.requirements).ok()?;
        // The interpreter may be gone: it is a link to one of the system.
        let works = || process::output(Command::new(&python).arg("--version")).is_ok();
        (installed == required && works()).then_some(python)
    }

    /// Its interpreter; the environment is made again if the requirements changed.
    pub(crate) fn install(&self) -> Result<PathBuf> {
        if let Some(python) = self.find() {
            return Ok(python);
        }
        println!("installing the packages of {}", self.requirements.display());
        let required = fs::read(&self.requirements)
            .with_context(|| format!("cannot read {}", self.requirements.display()))?;
        create(&self.dir)?;
        let python = self.python();
        process::run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(&self.requirements),
        )?;
        fs::write(self.installed(), required).context("cannot note what was installed")?;
        Ok(python)
    }

    fn python(&self) -> PathBuf {
        self.dir.join("bin/python")
    }

    /// A copy of the requirements, written when all of them are installed.
    fn installed(&self) -> PathBuf {
        self.dir.join("installed.txt")
    }
}

/// Makes an empty environment. Debian keeps what that needs in a package of its own.
fn create(dir: &Path) -> Result<()> {
    let create = || process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(dir));
    create().or_else(|error| {
        if !tools::has_apt() {
            return Err(error);
        }
        tools::apt_install(&["python3", "python3-venv"])?;
        create()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_counts_only_while_its_requirements_are_the_same() {
        let root = std::env::temp_dir().join(format!("alula-xtask-{}", std::process::id()));
        let environment =
            Environment { requirements: root.join("required.txt"), dir: root.join("env") };
        fs::create_dir_all(root.join("env/bin")).unwrap();
        fs::write(root.join("required.txt"), "fastapi==1").unwrap();
        assert_eq!(environment.find(), None, "nothing is installed");

        // A program that succeeds stands in for the interpreter.
        std::os::unix::fs::symlink(process::find("true").unwrap(), environment.python()).unwrap();
        fs::write(environment.installed(), "fastapi==1").unwrap();
        assert_eq!(environment.find(), Some(environment.python()));

        fs::write(root.join("required.txt"), "fastapi==2").unwrap();
        assert_eq!(environment.find(), None, "other requirements");
        fs::remove_dir_all(root).unwrap();
    }
}
