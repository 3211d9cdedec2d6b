//! `[mcp_servers.NAME]`: MCP servers whose tools models may call.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, time::Duration};

use alula::{
    Secret,
    http::{HeaderName, HeaderValue},
};
use serde::Deserialize;

use super::Variables;
use crate::services::tools::{
    CONNECT_TIMEOUT, Pattern, REQUEST_TIMEOUT, ServerSettings, ToolLimits, Way,
};

/// A server: a program that is started, or a URL.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct McpServerTable {
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Secret<String>>,
    /// The variables of this process that the program gets, too.
    #[serde(default)]
    env_from: Vec<String>,
    /// Where the program runs.
    folder: Option<PathBuf>,
    /// It may hold a password.
    url: Option<Secret<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Secret<String>>,
    /// The variable that holds a token, which is sent as `Authorization: Bearer`.
    token_env: Option<String>,
    /// The tools that may be used, with `*` for anything.
    tools: Option<Vec<String>>,
    /// How long it may take to be there.
    connect_seconds: Option<f64>,
    /// How long an answer may take.
    timeout_seconds: Option<f64>,
}

impl McpServerTable {
    /// The variables that it reads.
    pub(super) fn variables(&self) -> impl Iterator<Item = &String> {
        self.env_from.iter().chain(&self.token_env)
    }

    pub(super) fn settings(
        &self,
        name: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<ServerSettings, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 32 || !name.bytes().all(is_plain) {
            return Err("a name has at most 32 letters, digits, - and _".to_owned());
        }
        let seconds = |field: &str, seconds: Option<f64>, usual: Duration| match seconds {
            None => Ok(usual),
            Some(seconds) if seconds > 0.0 && seconds <= 86_400.0 => {
                Ok(Duration::from_secs_f64(seconds))
            }
            Some(_) => Err(format!("{field}: more than 0 and at most 86400")),
        };
        Ok(ServerSettings {
            way: self.way(variable)?,
            tools: self.tools.as_ref().map(|it| it.iter().cloned().map(Pattern).collect()),
            connect_timeout: seconds("connect_seconds", self.connect_seconds, CONNECT_TIMEOUT)?,
            request_timeout: seconds("timeout_seconds", self.timeout_seconds, REQUEST_TIMEOUT)?,
        })
    }

    fn way(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Way, String> {
        // Their names are not shown: somebody may have written the value itself there.
        let found = |field: &str, name: &String| {
            let value = variable(name).filter(|value| !value.trim().is_empty());
            value.ok_or_else(|| {
                format!("{field}: there is no variable of this name, or it is empty")
            })
        };
        match (&self.command, &self.url) {
            (Some(_), Some(_)) => Err("it is a command or a url, and not both".to_owned()),
            (None, None) => Err("command or url is missing".to_owned()),
            (Some(command), None) => {
                if !self.headers.is_empty() || self.token_env.is_some() {
                    return Err("headers and token_env are for a url".to_owned());
                }
                let passed = self
                    .env_from
                    .iter()
                    .map(|name| found("env_from", name).map(|value| (name.clone(), value)));
                let mut env = passed.collect::<Result<BTreeMap<_, _>, _>>()?;
                let set = self.env.iter();
                env.extend(set.map(|(name, value)| (name.clone(), value.expose().clone())));
                Ok(Way::Program {
                    command: command.clone(),
                    arguments: self.args.clone(),
                    env,
                    folder: self.folder.clone(),
                })
            }
            (None, Some(url)) => {
                if !self.args.is_empty()
                    || !self.env.is_empty()
                    || !self.env_from.is_empty()
                    || self.folder.is_some()
                {
                    return Err("args, env, env_from and folder are for a command".to_owned());
                }
                let url = url.expose().clone();
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return Err("url: it begins with http:// or https://".to_owned());
                }
                let headers = self.headers.iter();
                let headers = headers.map(|(name, value)| (name.clone(), value.expose().clone()));
                let mut headers: Vec<_> = headers.collect();
                if let Some(name) = &self.token_env {
                    let token = found("token_env", name)?;
                    headers.push(("authorization".to_owned(), format!("Bearer {token}")));
                }
                let is_good = |(name, value): &(String, String)| {
                    HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
                };
                match headers.iter().all(is_good) {
                    true => Ok(Way::Url { url, headers }),
                    false => Err("headers: one cannot be sent".to_owned()),
                }
            }
        }
    }
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// What answers with tools are held to.
    pub(super) fn tools(&mut self) -> ToolLimits {
        let defaults = ToolLimits::default();
        let rounds_max = self.parsed::<NonZeroUsize>("ALULA_TOOL_ROUNDS_MAX");
        ToolLimits {
            rounds_max: rounds_max.map_or(defaults.rounds_max, NonZeroUsize::get),
            calls_max: self.count("ALULA_TOOL_CALLS_MAX", defaults.calls_max),
            total: self.seconds("ALULA_TOOL_SECONDS", defaults.total),
            result_bytes_max: self.count("ALULA_TOOL_RESULT_BYTES_MAX", defaults.result_bytes_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, text: &str) -> Result<ServerSettings, String> {
        let table: McpServerTable = toml::from_str(text).map_err(|error| error.to_string())?;
        table.settings(name, |name| (name == "TOKEN").then(|| "canary".to_owned()))
    }

    #[test]
    fn a_server_is_a_program_or_a_url() {
        let program = settings(
            "notes",
            "command = \"npx\"\nargs = [\"-y\", \"notes\"]\nenv = { A = \"b\" }\n\
             env_from = [\"TOKEN\"]\ntools = [\"read_*\"]\ntimeout_seconds = 5",
        )
        .unwrap();
        let Way::Program { command, arguments, env, .. } = &program.way else { panic!() };
        assert_eq!((command.as_str(), arguments.len()), ("npx", 2));
        assert_eq!((env["A"].as_str(), env["TOKEN"].as_str()), ("b", "canary"));
        assert!(program.allows("read_file") && !program.allows("write_file"));
        assert_eq!(program.request_timeout, Duration::from_secs(5));
        let url = "url = \"https://example.com/mcp\"\ntoken_env = \"TOKEN\"";
        let url = settings("notes", url).unwrap();
        let Way::Url { headers, .. } = &url.way else { panic!() };
        assert_eq!(headers[0].1, "Bearer canary");
        assert!(!format!("{program:?}{url:?}").contains("canary"));
    }

    /// The servers that the book shows.
    #[test]
    fn the_servers_of_the_book_can_be_used() {
        let page = include_str!("../../../../docs/how-to/mcp-servers.md");
        let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let located = crate::config::Located::parse("alula.toml".into(), text).unwrap();
        let servers = located.mcp_servers(|_| Some("k".to_owned())).unwrap();
        assert_eq!(servers.keys().collect::<Vec<_>>(), ["files", "tickets"]);
        assert!(servers["files"].allows("read_file") && !servers["files"].allows("write_file"));
        let variables: Vec<_> = located.variables().collect();
        assert_eq!(variables, ["NODE_EXTRA_CA_CERTS", "TICKETS_TOKEN"]);
    }

    #[test]
    fn what_is_wrong_is_said_without_what_may_be_secret() {
        let wrong = |text: &str| settings("a", text).unwrap_err();
        assert_eq!(wrong(""), "command or url is missing");
        assert_eq!(wrong("command = \"a\"\nurl = \"b\""), "it is a command or a url, and not both");
        assert_eq!(wrong("url = \"canary\""), "url: it begins with http:// or https://");
        assert_eq!(
            wrong("url = \"http://a\"\nargs = [\"b\"]"),
            "args, env, env_from and folder are for a command"
        );
        assert!(!wrong("command = \"a\"\nenv_from = [\"canary\"]").contains("canary"));
        assert!(wrong("command = \"a\"\ntimeout_seconds = 0").starts_with("timeout_seconds: "));
        assert!(wrong("command = \"a\"\ncomand = 1").contains("comand"));
        assert!(settings("a b", "command = \"a\"").is_err());
    }
}
