//! How an MCP server behaves.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::about::Icon;

/// How the MCP server of an application behaves; see [`App::mcp_settings`](crate::App::mcp_settings).
///
/// ```
/// use std::time::Duration;
///
/// use alula::{App, mcp::McpSettings};
///
/// let settings = McpSettings::new()
///     .instructions("Search before you answer.")
///     .allowed_hosts(["mcp.example.com"])
///     .session_idle(Duration::from_secs(600));
/// let app = App::new("Documents", "1.0.0").mcp("/mcp").mcp_settings(settings);
/// ```
#[derive(Clone)]
#[must_use]
pub struct McpSettings {
    pub(super) name: Option<String>,
    pub(super) instructions: Option<String>,
    pub(super) website: Option<String>,
    pub(super) icons: Vec<Icon>,
    pub(super) page_size: usize,
    pub(super) ttl: Duration,
    pub(super) sessions: Option<bool>,
    pub(super) sessions_max: usize,
    pub(super) sessions_per_owner_max: usize,
    pub(super) session_idle: Duration,
    pub(super) subscriptions_max: usize,
    pub(super) ask_timeout: Duration,
    pub(super) state_key: Option<Vec<u8>>,
    pub(super) state_lifetime: Duration,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    /// What the log names as the setting of these; nothing for the method.
    pub(super) origins_setting: Option<String>,
    pub(super) message_bytes_max: usize,
    pub(super) concurrency_max: usize,
    pub(super) stdio_headers: HeaderMap,
    pub(super) mistakes: Vec<String>,
}

impl Default for McpSettings {
    fn default() -> Self {
        Self {
            name: None,
            instructions: None,
            website: None,
            icons: Vec::new(),
            page_size: usize::MAX,
            ttl: Duration::from_secs(60),
            sessions: None,
            sessions_max: 10_000,
            sessions_per_owner_max: 100,
            session_idle: Duration::from_secs(30 * 60),
            subscriptions_max: 1_000,
            ask_timeout: Duration::from_secs(5 * 60),
            state_key: None,
            state_lifetime: Duration::from_secs(15 * 60),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            origins_setting: None,
            message_bytes_max: 4 * 1024 * 1024,
            concurrency_max: 64,
            stdio_headers: HeaderMap::new(),
            mistakes: Vec::new(),
        }
    }
}

impl McpSettings {
    pub(crate) fn mistakes(&self) -> &[String] {
        &self.mistakes
    }

    /// Those that suit most servers.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the server calls itself, instead of the title of the application.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How the tools are best used, for models to read before any of them.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Where people read about the server.
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.website = Some(url.into());
        self
    }

    /// Adds an icon of the server.
    pub fn icon(mut self, icon: impl Into<Icon>) -> Self {
        self.icons.push(icon.into());
        self
    }

    /// How many tools, resources or prompts a part of a list has; all of them by default, as some
    /// clients read the first part only.
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size.max(1);
        self
    }

    /// How long clients may keep what they have read before they ask again. Default: a minute.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Whether clients of 2025-11-25 and before get sessions over HTTP: without one they cannot be
    /// asked or told anything between requests.
    ///
    /// Sessions are in the memory of a process. So by default there are none with several
    /// [`workers`](crate::App::workers), and whoever balances between servers turns them off, or
    /// sends each client to the same one.
    pub fn sessions(mut self, sessions: bool) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// How many sessions there may be; the next client is answered 503. Default: 10,000.
    pub fn sessions_max(mut self, count: usize) -> Self {
        self.sessions_max = count;
        self
    }

    /// How many sessions one [owner](super::Access::owner) may have; the next one ends that which it
    /// has not used for longest, or is answered 503 where something goes on in all of them.
    /// Default: 100.
    pub fn sessions_per_owner_max(mut self, count: usize) -> Self {
        self.sessions_per_owner_max = count;
        self
    }

    /// How long nobody may use a session until it ends. Default: 30 minutes.
    pub fn session_idle(mut self, idle: Duration) -> Self {
        self.session_idle = idle;
        self
    }

    /// How many resources a client may watch. Default: 1,000.
    pub fn subscriptions_max(mut self, count: usize) -> Self {
        self.subscriptions_max = count;
        self
    }

    /// How long a call waits for a client of 2025-11-25 and before to answer a question. Default:
    /// 5 minutes.
    pub fn ask_timeout(mut self, timeout: Duration) -> Self {
        self.ask_timeout = timeout;
        self
    }

    /// The key by which what a later client keeps between two rounds of a call is sealed: at least
    /// 32 bytes, the same for all processes that serve it. Without one each process makes its own,
    /// and the second round of a call fails in another process.
    pub fn state_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        let key = key.into();
        if key.len() < 32 {
            self.mistakes.push("the `state_key` has less than 32 bytes".to_owned());
        }
        self.state_key = Some(key);
        self
    }

    /// How long a user has for an answer, where the client calls again with it. Default: 15
    /// minutes.
    pub fn state_lifetime(mut self, lifetime: Duration) -> Self {
        self.state_lifetime = lifetime;
        self
    }

    /// The names by which pages reach the server, and by which it may be reached from the machine
    /// that it runs on, beside addresses, `localhost` and those of
    /// [`App::server`](crate::App::server): a page could give the server a name of its own.
    ///
    /// That is needed behind a proxy on the same machine which passes the name on and is not among
    /// the trusted proxies. `*` allows every name.
    pub fn allowed_hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.allowed_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// The origins of pages that may use it, such as `https://app.example.com`, beside the server's
    /// own by one of its [names](Self::allowed_hosts); `*` for all. Browsers ask for [`Cors`](crate::middleware::Cors), too.
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        for origin in origins {
            let origin = origin.into();
            let is_origin = origin
                .split_once("://")
                .is_some_and(|(_, host)| !host.is_empty() && !host.contains(['/', '?', '#', ' ']));
            if origin != "*" && origin != "null" && !is_origin {
                self.mistakes.push(format!(
                    "`{origin}` is not an origin; write it as `https://example.com`"
                ));
            }
            self.allowed_origins.push(origin);
        }
        self
    }

    /// Where whoever runs the server says which origins are allowed, such as the name of a variable
    /// of the environment: the log names it, and not the method, when one is refused.
    pub fn origins_setting(mut self, name: impl Into<String>) -> Self {
        self.origins_setting = Some(name.into());
        self
    }

    /// The most bytes that a message may have. Default: 4 MiB.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// How many calls go on at a time over stdio; further ones wait. Default: 64.
    pub fn concurrency_max(mut self, count: usize) -> Self {
        self.concurrency_max = count.max(1);
        self
    }

    /// A header that requests over stdio are taken to have, such as `authorization` with a token
    /// from the environment: what asks for it over HTTP then works over stdio, too.
    pub fn stdio_header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => _ = self.stdio_headers.append(name, value),
            _ => self.mistakes.push(format!("`{name}` is no header, or its value is none")),
        }
        self
    }
}

impl fmt::Debug for McpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who says which tokens are good for an MCP server (RFC 9728): clients that have none read it and
/// log their user in there. See [`App::mcp_auth`](crate::App::mcp_auth).
///
/// ```
/// use alula::mcp::ProtectedResource;
///
/// let resource = ProtectedResource::new("https://api.example.com/mcp")
///     .authorization_server("https://login.example.com")
///     .scopes(["docs:read"]);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ProtectedResource {
    pub(super) resource: String,
    pub(super) servers: Vec<String>,
    pub(super) scopes: Vec<String>,
}

impl ProtectedResource {
    /// The server at a URL: that of its endpoint, as clients know it.
    pub fn new(url: impl Into<String>) -> Self {
        Self { resource: url.into(), servers: Vec::new(), scopes: Vec::new() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.resource
    }

    /// Adds an authorization server by its issuer.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.servers.push(issuer.into());
        self
    }

    /// The scopes that there are.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }
}
