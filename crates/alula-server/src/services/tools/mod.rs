//! Tools of the MCP servers that `alula.toml` names: models call them while they answer.

mod rounds;
mod server;
mod settings;
mod toolbox;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alula::{HttpError, Result};
use arc_swap::ArcSwap;
use futures_util::future::join_all;

use self::server::McpServer;
pub(crate) use self::{
    rounds::{Made, Rounds, Wanted},
    settings::{CONNECT_TIMEOUT, Pattern, REQUEST_TIMEOUT, ServerSettings, Way},
};

/// What answers with tools are held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToolLimits {
    /// How often the model is asked for an answer; the last time without tools.
    pub(crate) rounds_max: usize,
    /// How many tools it may call at a time.
    pub(crate) calls_max: usize,
    /// How long the whole answer may take.
    pub(crate) total: Duration,
    /// How much of what a tool gives the model reads, in bytes.
    pub(crate) result_bytes_max: usize,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            rounds_max: 8,
            calls_max: 32,
            total: Duration::from_secs(300),
            result_bytes_max: 64 * 1024,
        }
    }
}

/// The servers of the file, and what answers with their tools are held to. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tools {
    servers: Arc<ArcSwap<Servers>>,
    limits: ToolLimits,
}

type Servers = BTreeMap<String, Arc<McpServer>>;

impl Tools {
    pub(crate) fn new(settings: BTreeMap<String, ServerSettings>, limits: ToolLimits) -> Self {
        let tools = Self { servers: Arc::default(), limits };
        tools.replace(settings);
        tools
    }

    /// What would be other than before: `+new ~changed -gone`.
    pub(crate) fn changes(&self, settings: &BTreeMap<String, ServerSettings>) -> Vec<String> {
        let known = self.servers.load();
        let gone = known.keys().filter(|name| !settings.contains_key(*name));
        let gone = gone.map(|name| format!("-{name}"));
        let others = settings.iter().filter_map(|(name, settings)| match known.get(name) {
            None => Some(format!("+{name}")),
            Some(server) if server.settings() != settings => Some(format!("~{name}")),
            Some(_) => None,
        });
        others.chain(gone).collect()
    }

    /// Puts other servers in force. Those that stay the same stay connected; answers that go on
    /// end with those that they have begun with.
    pub(crate) fn replace(&self, settings: BTreeMap<String, ServerSettings>) {
        let known = self.servers.load();
        let servers = settings.into_iter().map(|(name, settings)| {
            let same = known.get(&name).filter(|server| *server.settings() == settings);
            let server = same.cloned();
            let server = server.unwrap_or_else(|| Arc::new(McpServer::new(&name, settings)));
            (name, server)
        });
        self.servers.store(Arc::new(servers.collect()));
    }

    /// Ends all that were started.
    pub(crate) async fn close(&self) {
        let servers = self.servers.load_full();
        join_all(servers.values().map(|server| server.close())).await;
    }

    /// The servers of these names, each of them once.
    ///
    /// # Errors
    ///
    /// If there is none of a name.
    fn named(&self, names: &[String]) -> Result<Servers> {
        let known = self.servers.load();
        let named = names.iter().map(|name| match known.get(name) {
            Some(server) => Ok((name.clone(), server.clone())),
            None => {
                let names: Vec<_> = known.keys().map(String::as_str).collect();
                let there = match names.is_empty() {
                    true => "there are none".to_owned(),
                    false => format!("there are {}", names.join(", ")),
                };
                let detail = format!("There is no MCP server {name:?} in alula.toml; {there}");
                Err(HttpError::bad_request(detail))
            }
        });
        named.collect()
    }

    /// Whether there is one of each name.
    ///
    /// # Errors
    ///
    /// If there is none of a name.
    pub(crate) fn check(&self, names: &[String]) -> Result<()> {
        self.named(names).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(commands: &[(&str, &str)]) -> BTreeMap<String, ServerSettings> {
        let one = |(name, command): &(&str, &str)| {
            ((*name).to_owned(), ServerSettings::program((*command).to_owned()))
        };
        commands.iter().map(one).collect()
    }

    #[test]
    fn what_stays_the_same_stays_there() {
        let tools = Tools::new(settings(&[("a", "x"), ("b", "x")]), ToolLimits::default());
        let [a, b] = ["a", "b"].map(|name| tools.servers.load().get(name).cloned().unwrap());
        let after = settings(&[("a", "x"), ("b", "y"), ("c", "z")]);
        assert_eq!(tools.changes(&after), ["~b", "+c"]);
        tools.replace(after);
        assert!(Arc::ptr_eq(&a, tools.servers.load().get("a").unwrap()));
        assert!(!Arc::ptr_eq(&b, tools.servers.load().get("b").unwrap()));
        assert_eq!(tools.changes(&settings(&[("a", "x")])), ["-b", "-c"]);
        let error = tools.check(&["d".to_owned()]).unwrap_err();
        assert_eq!(
            error.message(),
            "There is no MCP server \"d\" in alula.toml; there are a, b, c"
        );
    }
}
