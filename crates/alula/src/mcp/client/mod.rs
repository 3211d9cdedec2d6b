//! A client of MCP servers, with the feature `mcp-client`.
//!
//! ```no_run
//! use alula::mcp::Client;
//! use serde_json::json;
//! use tokio::process::Command;
//!
//! # async fn run() -> Result<(), alula::mcp::client::ClientError> {
//! let mut command = Command::new("python");
//! command.arg("server.py");
//! let client = Client::command(command).connect().await?;
//! for tool in client.tools().await? {
//!     println!("{}: {}", tool.name, tool.description.unwrap_or_default());
//! }
//! let sum = client.call("add", json!({ "a": 1, "b": 2 })).await?;
//! println!("{}", sum.text());
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! A server is a program that speaks over its input and output, or an address
//! ([`Client::http`]). It is spoken to in the revision 2026-07-28 of the protocol or, if it does not
//! know that, in one that begins with a handshake.
//!
//! Every wait has a limit, every message has one, and lists are read to their end. A call that is
//! dropped is cancelled at the server; a program is ended with its last client.

mod builder;
mod error;
mod handshake;
mod http;
mod program;
mod sse;
mod stdio;
mod types;
mod wire;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};

pub use self::{
    builder::ClientBuilder,
    error::ClientError,
    types::{
        CallResult, Prompt, PromptArgument, PromptMessages, Resource, ResourceContents,
        ResourceTemplate, ServerInfo, Tool,
    },
};
use self::{
    builder::Settings,
    handshake::Speaks,
    wire::{Outgoing, Wire},
};

/// Who listens to what servers tell.
type Notices = Arc<dyn Fn(&str, &Value) + Send + Sync>;

/// The most entries of a list. A server that has more of them does not end.
const ITEMS_MAX: usize = 100_000;
/// How many messages of the greatest length a list may take altogether.
const LIST_MESSAGES_MAX: usize = 4;

/// A connection to an MCP server. Clones are the same; see [the module](self).
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    wire: Wire,
    speaks: Speaks,
    info: ServerInfo,
    settings: Settings,
    ids: AtomicU64,
    /// Held by whoever begins another session.
    renewing: Mutex<()>,
    /// So many requests are on their way at once.
    places: Semaphore,
}

impl Client {
    /// The server, by its own account.
    pub fn server(&self) -> &ServerInfo {
        &self.0.info
    }

    /// All its tools.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn tools(&self) -> Result<Vec<Tool>, ClientError> {
        let tools: Vec<Tool> = self.list("tools", "tools/list", "tools").await?;
        self.0.wire.learn(&tools);
        Ok(tools)
    }

    /// All its resources.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn resources(&self) -> Result<Vec<Resource>, ClientError> {
        self.list("resources", "resources/list", "resources").await
    }

    /// All its templates of resources.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn resource_templates(&self) -> Result<Vec<ResourceTemplate>, ClientError> {
        self.list("resources", "resources/templates/list", "resourceTemplates").await
    }

    /// All its prompts.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn prompts(&self) -> Result<Vec<Prompt>, ClientError> {
        self.list("prompts", "prompts/list", "prompts").await
    }

    /// Calls a tool with its arguments, an object.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]. A tool that fails has a result that says so.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<CallResult, ClientError> {
        let params = json!({ "name": tool, "arguments": arguments });
        let result = match self.request("tools/call", params.clone()).await {
            Err(error) if error.is_about_headers() => {
                // Which arguments stand there is in the list of tools; it may be new.
                self.tools().await?;
                self.request("tools/call", params).await?
            }
            result => result?,
        };
        read(result)
    }

    /// Reads a resource.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, ClientError> {
        let result = self.request("resources/read", json!({ "uri": uri })).await?;
        read(result.get("contents").cloned().unwrap_or_default())
    }

    /// Fills in a prompt.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<PromptMessages, ClientError> {
        let params = json!({ "name": name, "arguments": arguments });
        read(self.request("prompts/get", params).await?)
    }

    /// Whether the server has ended, as far as that is known: one at an address is never known to.
    pub fn is_closed(&self) -> bool {
        self.0.wire.is_closed()
    }

    /// Ends the session and, if the server is a program, the program; waits until it has ended.
    /// Calls that go on fail.
    pub async fn close(&self) {
        self.0.wire.close().await;
    }

    async fn list<T: DeserializeOwned>(
        &self,
        capability: &str,
        method: &str,
        key: &str,
    ) -> Result<Vec<T>, ClientError> {
        if !self.0.info.capabilities.contains_key(capability) {
            return Ok(Vec::new());
        }
        let (mut items, mut cursor) = (Vec::new(), Value::Null);
        let bytes_max = self.0.settings.message_bytes_max.saturating_mul(LIST_MESSAGES_MAX);
        let mut bytes = 0_usize;
        loop {
            let params = match &cursor {
                Value::Null => json!({}),
                cursor => json!({ "cursor": cursor }),
            };
            let mut result = self.request(method, params).await?;
            // About as many as were sent.
            bytes = bytes.saturating_add(result.to_string().len());
            if bytes > bytes_max {
                return Err(ClientError::TooLarge(bytes_max));
            }
            let page: Vec<T> = read(result.get_mut(key).map(Value::take).unwrap_or_default())?;
            let is_empty = page.is_empty();
            items.extend(page);
            let next = result.get_mut("nextCursor").map(Value::take).unwrap_or_default();
            if next.is_null() {
                return Ok(items);
            }
            if items.len() > ITEMS_MAX || is_empty && next == cursor {
                return Err(ClientError::Protocol(format!("its answers to {method} never end")));
            }
            cursor = next;
        }
    }

    /// Makes a request, once more if the server has forgotten us.
    async fn request(&self, method: &str, params: Value) -> Result<Value, ClientError> {
        // It is never closed.
        let _place = self.0.places.acquire().await;
        let limit = self.0.settings.request_timeout;
        let request = Box::pin(self.0.request(method, params));
        let result = timeout(limit, request).await.map_err(|_| ClientError::Timeout(limit))??;
        match result.get("resultType").and_then(Value::as_str) {
            Some("input_required") => Err(ClientError::NeedsInput),
            _ => Ok(result),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.0.info).finish_non_exhaustive()
    }
}

impl Inner {
    async fn request(&self, method: &str, params: Value) -> Result<Value, ClientError> {
        let session = self.wire.session();
        match self.once(method, params.clone()).await {
            Err(ClientError::Status { status: 404, .. }) if session.is_some() => {
                let renewing = self.renewing.lock().await;
                // Another call may have begun one meanwhile.
                if self.wire.session() == session {
                    handshake::initialize(&self.wire, &self.ids, &self.settings).await?;
                }
                drop(renewing);
                self.once(method, params).await
            }
            sent => sent,
        }
    }

    async fn once(&self, method: &str, mut params: Value) -> Result<Value, ClientError> {
        let id = self.ids.fetch_add(1, Relaxed);
        let mut meta = match self.speaks {
            Speaks::Modern => self.settings.meta(),
            Speaks::Legacy => Map::new(),
        };
        if self.settings.notices.is_some() && method == "tools/call" {
            meta.insert("progressToken".to_owned(), id.into());
        }
        if let (false, Some(params)) = (meta.is_empty(), params.as_object_mut()) {
            params.insert("_meta".to_owned(), meta.into());
        }
        self.wire.request(&Outgoing { id, method, params: &params }).await
    }
}

/// Reads what a server has sent.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, ClientError> {
    serde_json::from_value(value)
        .map_err(|error| ClientError::Protocol(format!("its answer cannot be read: {error}")))
}
