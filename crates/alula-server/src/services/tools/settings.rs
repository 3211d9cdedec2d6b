//! How an MCP server is reached, and which of its tools may be used.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use alula::mcp::{Client, client::ClientBuilder};
use tokio::process::Command;

use crate::config::variable;

/// How long a server may take to be there, unless the file says it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for an answer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What of our environment a program gets that is started, as other programs with MCP servers have
/// it: keys of providers are not among these.
const PASSED: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TERM",
    // Windows needs more of them.
    "APPDATA",
    "LOCALAPPDATA",
    "USERPROFILE",
    "USERNAME",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "PROGRAMFILES",
    "PATHEXT",
    "TEMP",
    "TMP",
];

/// A server as the file has it.
#[derive(Clone, PartialEq)]
pub(crate) struct ServerSettings {
    pub(crate) way: Way,
    /// The tools that may be used; all of them if absent.
    pub(crate) tools: Option<Vec<Pattern>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

/// How it is reached.
#[derive(Clone, PartialEq)]
pub(crate) enum Way {
    /// It is started.
    Program {
        command: String,
        arguments: Vec<String>,
        env: BTreeMap<String, String>,
        folder: Option<PathBuf>,
    },
    /// It is there.
    Url { url: String, headers: Vec<(String, String)> },
}

impl ServerSettings {
    /// A server that is started by a command without arguments.
    #[cfg(test)]
    pub(crate) fn program(command: String) -> Self {
        let (arguments, env, folder) = Default::default();
        Self {
            way: Way::Program { command, arguments, env, folder },
            tools: None,
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
        }
    }

    /// A client of it.
    pub(crate) fn client(&self) -> ClientBuilder {
        let builder = match &self.way {
            Way::Program { command: program, arguments, env, folder } => {
                let mut command = Command::new(program);
                command.args(arguments).env_clear();
                for name in PASSED {
                    if let Some(value) = variable(name) {
                        command.env(name, value);
                    }
                }
                command.envs(env);
                if let Some(folder) = folder {
                    command.current_dir(folder);
                }
                Client::command(command)
            }
            Way::Url { url, headers } => headers
                .iter()
                .fold(Client::http(url), |builder, (name, value)| builder.header(name, value)),
        };
        builder.connect_timeout(self.connect_timeout).request_timeout(self.request_timeout)
    }

    /// Whether a tool may be used.
    pub(crate) fn allows(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|pattern| pattern.fits(tool)))
    }
}

/// Without what may be secret.
impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Program { command, .. } => command.as_str(),
            Way::Url { .. } => "a URL",
        };
        f.debug_struct("ServerSettings").field("way", &way).finish_non_exhaustive()
    }
}

/// Names of tools, in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

impl Pattern {
    fn fits(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            match name.split_once(part) {
                Some((_, behind)) => name = behind,
                None => return false,
            }
        }
        name.ends_with(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let fits = |pattern: &str, name| Pattern(pattern.to_owned()).fits(name);
        for (pattern, name) in [
            ("read", "read"),
            ("*", "read"),
            ("*", ""),
            ("re*", "read"),
            ("*ad", "read"),
            ("r*d", "read"),
            ("r*e*d", "read"),
            ("*ea*", "read"),
            ("re**ad", "read"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("read", "reads"),
            ("", "read"),
            ("re*", "are"),
            ("*ad", "ready"),
            ("r*x*d", "read"),
            ("rea*ead", "read"),
            ("read*d", "read"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
