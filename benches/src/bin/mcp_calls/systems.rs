//! What is compared, and how it is started.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alula_benches::server::{Server, free_address};
use anyhow::{Context as _, Result};

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Alula,
    Rmcp,
    Fastmcp,
}

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alula => "alula",
            Self::Rmcp => "rmcp",
            Self::Fastmcp => "fastmcp",
        }
    }
}

/// Where their programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) python: Option<PathBuf>,
    pub(crate) rmcp: Option<PathBuf>,
    /// The folder of what they print.
    pub(crate) log: PathBuf,
    pub(crate) pinned: bool,
}

impl Programs {
    /// Those that are there.
    pub(crate) fn systems(&self) -> Vec<System> {
        let peers = [(self.rmcp.is_some(), System::Rmcp), (self.python.is_some(), System::Fastmcp)];
        let peers = peers.into_iter().filter(|(is_there, _)| *is_there).map(|(_, peer)| peer);
        std::iter::once(System::Alula).chain(peers).collect()
    }

    /// A server over HTTP with so many tools.
    pub(crate) fn http(&self, system: System, tools: usize) -> Result<Server> {
        let started = match system {
            System::Fastmcp => {
                let address = free_address()?;
                let command = self.command(system, tools, &[&address.port().to_string()])?;
                fs::create_dir_all(&self.log)?;
                Server::start_foreign(&command, address, &self.log.join("fastmcp.log"))
            }
            System::Rmcp => Server::start(&mut self.command(system, tools, &["--http"])?, 1),
            System::Alula => Server::start(&mut self.command(system, tools, &[])?, 1),
        };
        started.with_context(|| format!("cannot start {}", system.name()))
    }

    /// The program of a server over stdio.
    pub(crate) fn stdio(&self, system: System, tools: usize) -> Result<Command> {
        let options: &[&str] = if system == System::Alula { &["--stdio"] } else { &[] };
        self.command(system, tools, options)
    }

    fn command(&self, system: System, tools: usize, options: &[&str]) -> Result<Command> {
        let mut words: Vec<OsString> = match system {
            System::Alula => {
                let program = std::env::current_exe().context("cannot find this program")?;
                vec![program.into(), "--serve".into()]
            }
            System::Rmcp => vec![self.rmcp.clone().context("rmcp is missing")?.into()],
            System::Fastmcp => {
                let script =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/mcp_calls/server.py");
                let python = self.python.clone().context("Python is missing")?;
                // `-B`: nothing is written beside the script.
                vec![python.into(), "-B".into(), script.into()]
            }
        };
        words.push(tools.to_string().into());
        words.extend(options.iter().map(Into::into));
        if self.pinned {
            words.splice(0..0, ["taskset", "--cpu-list", "0"].map(Into::into));
        }
        let (program, arguments) = words.split_first().context("a command has a program")?;
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(command)
    }
}
