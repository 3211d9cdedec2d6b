//! How a client is set up.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    process::Command,
    sync::{Mutex, Semaphore},
    time::timeout,
};

use super::{
    Client, ClientError, Inner, Notices, ServerInfo,
    handshake::{self, Speaks},
    http::Http,
    stdio::Stdio,
    wire::Wire,
};
use crate::mcp::message::{LEGACY, MODERN, versions};

/// How many requests may be on their way at once; others wait.
const CONCURRENCY_MAX: usize = 64;
/// How long a server may take to say whether it knows the newest revision. One that starts slowly,
/// and is asked in an older one then, answers that as well.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(5);

/// A client to be connected; see [`Client`].
#[must_use = "it connects with `connect`"]
pub struct ClientBuilder {
    target: Target,
    settings: Settings,
    protocol: Option<String>,
    mistake: Option<String>,
}

enum Target {
    Command(Command),
    Http { url: String, headers: HeaderMap },
    Over(Option<Pair>),
}

type Pair = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

/// What holds for all requests.
#[derive(Clone)]
pub(super) struct Settings {
    name: String,
    version: String,
    connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) message_bytes_max: usize,
    /// The revision of the handshake.
    pub(super) legacy: &'static str,
    pub(super) notices: Option<Notices>,
}

impl Settings {
    /// Who we are.
    pub(super) fn info(&self) -> Value {
        json!({ "name": self.name, "version": self.version })
    }

    /// What every request of the newest revision says.
    pub(super) fn meta(&self) -> Map<String, Value> {
        let entry = |name: &str, value| (format!("io.modelcontextprotocol/{name}"), value);
        Map::from_iter([
            entry("protocolVersion", MODERN.into()),
            entry("clientInfo", self.info()),
            entry("clientCapabilities", json!({})),
        ])
    }
}

impl Client {
    /// A server that is a program, which speaks over its input and output.
    ///
    /// The program runs as long as the client, in the environment that the command says. What it
    /// writes to its log is traced at the level `debug`.
    pub fn command(command: impl Into<Command>) -> ClientBuilder {
        ClientBuilder::new(Target::Command(command.into()))
    }

    /// A server at an address, such as `https://example.com/mcp`. It is called without a proxy, and
    /// not where it redirects to.
    pub fn http(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(Target::Http { url: url.into(), headers: HeaderMap::new() })
    }

    /// A server at the other ends of two streams: what it writes, and what it reads.
    ///
    /// ```
    /// use alula::{Shutdown, mcp::Client, prelude::*};
    /// use serde_json::json;
    ///
    /// /// Add two numbers.
    /// #[tool]
    /// async fn add(a: i64, b: i64) -> i64 {
    ///     a + b
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (ours, theirs) = tokio::io::duplex(1024);
    /// let (input, output) = tokio::io::split(theirs);
    /// let shutdown = Shutdown::new();
    /// let app = App::new("Calculator", "1.0.0").tool(add);
    /// let serving = shutdown.clone().spawn(app.serve_stdio_on(input, output, shutdown.clone()));
    ///
    /// let (input, output) = tokio::io::split(ours);
    /// let client = Client::over(input, output).connect().await.unwrap();
    /// let sum = client.call("add", json!({ "a": 1, "b": 2 })).await.unwrap();
    /// assert_eq!(sum.text(), "3");
    /// # drop(client);
    /// # shutdown.trigger();
    /// # serving.await.unwrap().unwrap();
    /// # }
    /// ```
    pub fn over(
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> ClientBuilder {
        ClientBuilder::new(Target::Over(Some((Box::new(input), Box::new(output)))))
    }
}

impl ClientBuilder {
    fn new(target: Target) -> Self {
        let [legacy, ..] = LEGACY;
        let settings = Settings {
            name: "alula".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connect_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            message_bytes_max: 16 * 1024 * 1024,
            legacy,
            notices: None,
        };
        Self { target, settings, protocol: None, mistake: None }
    }

    /// Sends a header with every HTTP request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        match (header, &mut self.target) {
            (Some((name, mut value)), Target::Http { headers, .. }) => {
                value.set_sensitive(true);
                headers.append(name, value);
            }
            (None, _) => self.mistake = Some(format!("`{name}` is no header")),
            (Some(_), _) => self.mistake = Some("a program has no headers".to_owned()),
        }
        self
    }

    /// Sends a token with every HTTP request, as `Authorization: Bearer`.
    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// What the client calls itself; `alula` unless it is said.
    pub fn name(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self.settings.version = version.into();
        self
    }

    /// Speaks this revision of the protocol only, such as `2025-11-25`.
    pub fn protocol(mut self, version: impl Into<String>) -> Self {
        self.protocol = Some(version.into());
        self
    }

    /// How long it may take until the server is there; 30 seconds unless it is said.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// How long the server may take to answer a request; 60 seconds unless it is said.
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.settings.request_timeout = limit;
        self
    }

    /// The largest message that is taken, in bytes; 16 MiB unless it is said.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.settings.message_bytes_max = bytes;
        self
    }

    /// Is told of each notification of the server, by its method and its parameters: progress,
    /// messages of the log, changes. It must not take long.
    pub fn on_notification(
        mut self,
        notices: impl Fn(&str, &Value) + Send + Sync + 'static,
    ) -> Self {
        self.settings.notices = Some(Arc::new(notices));
        self
    }

    /// Starts the server or connects to it, and finds out which revision both know.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn connect(mut self) -> Result<Client, ClientError> {
        if let Some(mistake) = self.mistake.take() {
            return Err(ClientError::Unreachable(mistake));
        }
        let limit = self.settings.connect_timeout;
        let connected = timeout(limit, Box::pin(self.begin())).await;
        connected.map_err(|_| ClientError::Timeout(limit))?
    }

    async fn begin(mut self) -> Result<Client, ClientError> {
        let pinned = match self.protocol.take() {
            None => None,
            Some(version) => {
                let known = versions().find(|known| *known == version);
                Some(known.ok_or_else(|| {
                    let known: Vec<_> = versions().collect();
                    let known = known.join(", ");
                    ClientError::Unreachable(format!(
                        "{version} is no revision that is known here; those are {known}"
                    ))
                })?)
            }
        };
        if let Some(legacy) = pinned.filter(|version| *version != MODERN) {
            self.settings.legacy = legacy;
        }
        let ids = AtomicU64::new(1);
        let mut wire = self.open()?;
        if pinned.is_none_or(|version| version == MODERN) {
            let discovered = handshake::discover(&wire, &ids, &self.settings);
            match timeout(DISCOVER_TIMEOUT, discovered).await {
                Ok(Ok(info)) => return Ok(self.connected(wire, ids, (Speaks::Modern, info))),
                Ok(Err(error)) if pinned.is_some() || !error.may_be_older() => return Err(error),
                // It may end at a request that comes before the handshake.
                Ok(Err(ClientError::Closed(_))) => wire = self.open()?,
                Err(_) if pinned.is_some() => {
                    return Err(ClientError::Timeout(DISCOVER_TIMEOUT));
                }
                _ => {}
            }
        }
        let info = handshake::initialize(&wire, &ids, &self.settings).await?;
        if pinned.is_some_and(|version| version != info.protocol) {
            let other = format!("it speaks {}, and not {}", info.protocol, self.settings.legacy);
            return Err(ClientError::Protocol(other));
        }
        Ok(self.connected(wire, ids, (Speaks::Legacy, info)))
    }

    fn open(&mut self) -> Result<Wire, ClientError> {
        let Settings { message_bytes_max, notices, connect_timeout, .. } = self.settings.clone();
        Ok(match &mut self.target {
            Target::Command(command) => {
                Wire::Stdio(Stdio::start(command, message_bytes_max, notices)?)
            }
            Target::Http { url, headers } => Wire::Http(Http::new(
                url,
                headers.clone(),
                connect_timeout,
                (message_bytes_max, notices),
            )?),
            Target::Over(pair) => {
                let (input, output) = pair.take().ok_or_else(|| {
                    ClientError::Closed("the stream ended at the first request".to_owned())
                })?;
                Wire::Stdio(Stdio::over(input, output, message_bytes_max, notices))
            }
        })
    }

    fn connected(self, wire: Wire, ids: AtomicU64, found: (Speaks, ServerInfo)) -> Client {
        let (speaks, info) = found;
        tracing::debug!(
            server = info.name,
            protocol = info.protocol,
            requests = ids.load(Relaxed),
            "an MCP server is there"
        );
        let (settings, renewing) = (self.settings, Mutex::default());
        let places = Semaphore::new(CONCURRENCY_MAX);
        Client(Arc::new(Inner { wire, speaks, info, settings, ids, renewing, places }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientBuilder");
        match &self.target {
            Target::Command(command) => shown.field("program", &command.as_std().get_program()),
            // It may hold a password.
            Target::Http { .. } => &mut shown,
            Target::Over(_) => &mut shown,
        };
        shown.finish_non_exhaustive()
    }
}
