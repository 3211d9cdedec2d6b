//! What a server tells its clients of its own accord.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::broadcast;

use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// How many changes a client may be behind; who is further behind is told that all has changed.
const BEHIND_MAX: usize = 256;

/// The MCP server of an application, to tell its clients of changes: an input of endpoints, tools
/// and jobs.
///
/// ```
/// use alula::{mcp::Mcp, prelude::*};
///
/// /// The state of the machine.
/// #[resource("machine://state")]
/// async fn state() -> String {
///     "running".to_owned()
/// }
///
/// /// Stop the machine.
/// #[tool]
/// async fn stop(mcp: Mcp) {
///     mcp.resource_updated("machine://state");
///     mcp.disable_tool("stop");
/// }
/// ```
///
/// It is of this process: clients of another one learn nothing of it.
#[derive(Debug, Clone)]
pub struct Mcp(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    changes: broadcast::Sender<Change>,
    disabled: RwLock<HashSet<(Kind, String)>>,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    List(Kind),
    Resource(Arc<str>),
}

/// What a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tool,
    Prompt,
    Resource,
}

impl Default for Mcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Mcp {
    /// One that an application is given as a [`state`](crate::App::state), to tell clients of
    /// changes from elsewhere; an application that is given none makes its own.
    pub fn new() -> Self {
        let (changes, _) = broadcast::channel(BEHIND_MAX);
        Self(Arc::new(Hub { changes, disabled: RwLock::default() }))
    }

    /// Tells those who have asked for it that a resource has changed.
    pub fn resource_updated(&self, uri: &str) {
        self.tell(Change::Resource(uri.into()));
    }

    /// Tells clients that they see other tools than before.
    ///
    /// For what the server cannot know: that a caller may do more, or less.
    pub fn tools_changed(&self) {
        self.tell(Change::List(Kind::Tool));
    }

    /// Tells clients that they see other prompts than before.
    pub fn prompts_changed(&self) {
        self.tell(Change::List(Kind::Prompt));
    }

    /// Tells clients that they see other resources than before.
    pub fn resources_changed(&self) {
        self.tell(Change::List(Kind::Resource));
    }

    /// Offers a tool no more, until it is enabled again; clients are told.
    pub fn disable_tool(&self, name: &str) {
        self.set(Kind::Tool, name, false);
    }

    /// Offers a tool again; clients are told.
    pub fn enable_tool(&self, name: &str) {
        self.set(Kind::Tool, name, true);
    }

    /// Offers a prompt no more, until it is enabled again; clients are told.
    pub fn disable_prompt(&self, name: &str) {
        self.set(Kind::Prompt, name, false);
    }

    /// Offers a prompt again; clients are told.
    pub fn enable_prompt(&self, name: &str) {
        self.set(Kind::Prompt, name, true);
    }

    fn set(&self, kind: Kind, name: &str, is_enabled: bool) {
        let key = (kind, name.to_owned());
        let mut disabled = self.0.disabled.write().unwrap_or_else(PoisonError::into_inner);
        let has_changed = if is_enabled { disabled.remove(&key) } else { disabled.insert(key) };
        drop(disabled);
        if has_changed {
            self.tell(Change::List(kind));
        }
    }

    pub(super) fn is_disabled(&self, kind: Kind, name: &str) -> bool {
        let disabled = self.0.disabled.read().unwrap_or_else(PoisonError::into_inner);
        !disabled.is_empty() && disabled.contains(&(kind, name.to_owned()))
    }

    fn tell(&self, change: Change) {
        // There may be nobody who listens.
        let _ = self.0.changes.send(change);
    }

    pub(super) fn listen(&self) -> Changes {
        Changes { receiver: self.0.changes.subscribe(), missed: Vec::new() }
    }
}

/// The changes from a moment on.
#[derive(Debug)]
pub(super) struct Changes {
    receiver: broadcast::Receiver<Change>,
    /// What is told instead of what was missed.
    missed: Vec<Change>,
}

impl Changes {
    /// The next one; nothing when the server is gone.
    pub(super) async fn next(&mut self) -> Option<Change> {
        if let Some(change) = self.missed.pop() {
            return Some(change);
        }
        match self.receiver.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Closed) => None,
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.missed = [Kind::Tool, Kind::Prompt].map(Change::List).to_vec();
                Some(Change::List(Kind::Resource))
            }
        }
    }
}

impl Input for Mcp {
    type Plan = Option<Self>;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.state::<Self>().map(|mcp| Self::clone(&mcp))
    }

    async fn extract(plan: &Self::Plan, _: &mut RequestContext) -> Result<Self, Rejection> {
        // Every application has one, so this error is never seen.
        Ok(plan.clone().ok_or_else(|| HttpError::internal("the MCP server is missing"))?)
    }
}
