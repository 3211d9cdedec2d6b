//! One MCP server, connected when it is first needed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alula::mcp::{
    Client,
    client::{ClientError, Tool},
};
use tokio::sync::Mutex;

use super::ServerSettings;

/// How long a list of tools is good.
const LISTED: Duration = Duration::from_secs(60);
/// How long a server is left alone that could not be reached.
const FAILED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct McpServer {
    name: String,
    settings: ServerSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody has needed it.
    #[default]
    Away,
    Failed {
        at: Instant,
        error: ClientError,
    },
    There {
        client: Client,
        tools: Arc<[Tool]>,
        listed: Instant,
    },
}

impl McpServer {
    pub(super) fn new(name: &str, settings: ServerSettings) -> Self {
        Self { name: name.to_owned(), settings, state: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// The server, and those of its tools that may be used.
    pub(super) async fn tools(&self) -> Result<(Client, Arc<[Tool]>), ClientError> {
        // Whoever comes meanwhile waits for the same connection.
        let mut state = self.state.lock().await;
        let connected = match &*state {
            State::Failed { at, error } if at.elapsed() < FAILED => return Err(error.clone()),
            State::There { client, tools, listed } if !client.is_closed() => {
                if listed.elapsed() < LISTED {
                    return Ok((client.clone(), tools.clone()));
                }
                Some(client.clone())
            }
            _ => None,
        };
        match self.listed(connected).await {
            Ok((client, tools)) => {
                let listed = Instant::now();
                *state = State::There { client: client.clone(), tools: tools.clone(), listed };
                Ok((client, tools))
            }
            Err(error) => {
                tracing::warn!(server = self.name, %error, "an MCP server cannot be used");
                *state = State::Failed { at: Instant::now(), error: error.clone() };
                Err(error)
            }
        }
    }

    async fn listed(
        &self,
        connected: Option<Client>,
    ) -> Result<(Client, Arc<[Tool]>), ClientError> {
        let client = match connected {
            Some(client) => client,
            None => {
                let client = self.settings.client().connect().await?;
                let protocol = client.server().protocol;
                tracing::info!(server = self.name, protocol, "an MCP server is connected");
                client
            }
        };
        let mut tools = client.tools().await?;
        tools.retain(|tool| self.settings.allows(&tool.name));
        Ok((client, tools.into()))
    }

    pub(super) async fn close(&self) {
        if let State::There { client, .. } = std::mem::take(&mut *self.state.lock().await) {
            client.close().await;
        }
    }
}
