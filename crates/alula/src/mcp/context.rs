//! What a function knows of the call that it answers, and says meanwhile.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ask::{Ask, Asking, Elicit},
    message::{Capabilities, ClientInfo, Level, notification},
    session::Session,
};
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Until 2025-11-25: with a handshake, and often a session.
    Legacy,
    /// From 2026-07-28: each request says everything.
    Modern,
}

/// Where what is said during a call goes; nowhere, where the client reads one answer only.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox(pub(super) Option<mpsc::Sender<Bytes>>);

impl Outbox {
    /// Sends a message once there is room for it; gives whether anybody may read it.
    pub(super) async fn send(&self, message: Bytes) -> bool {
        match &self.0 {
            Some(sender) => sender.send(message).await.is_ok(),
            None => false,
        }
    }
}

/// The call that a function answers: an input of tools, resources and prompts.
///
/// ```
/// use alula::{mcp::{Elicited, McpContext}, prelude::*};
///
/// #[derive(Serialize, Deserialize, JsonSchema, Validate)]
/// struct Confirmation {
///     /// Really delete them?
///     sure: bool,
/// }
///
/// /// Delete old documents.
/// #[tool(destructive)]
/// async fn clean(days: u32, context: McpContext) -> Result<String> {
///     let question = format!("Delete all that is older than {days} days?");
///     match context.elicit::<Confirmation>(question).await? {
///         Elicited::Accepted(answer) if answer.sure => {}
///         _ => return Ok("Nothing was deleted".to_owned()),
///     }
///     for step in 0..3 {
///         context.progress(f64::from(step), 3.0, "deleting").await;
///     }
///     context.info("deleted").await;
///     Ok("Deleted".to_owned())
/// }
/// ```
///
/// What it says is sent at once over stdio, and over HTTP if the client takes a stream, in which
/// the result then comes, too. A client that has not asked for progress or the log gets none.
///
/// A call that is cancelled, or whose client has left, is dropped with everything it awaits.
#[derive(Clone)]
pub struct McpContext(Arc<Inner>);

pub(super) struct Inner {
    pub(super) era: Era,
    /// What the client will know the progress by, if it wants to.
    pub(super) progress: Option<Box<RawValue>>,
    /// What is told of the log, if anything.
    pub(super) level: Option<Level>,
    pub(super) capabilities: Capabilities,
    pub(super) client: Option<ClientInfo>,
    pub(super) out: Outbox,
    pub(super) session: Option<Arc<Session>>,
    pub(super) asking: Asking,
    /// How long a client has for its answer, where the call waits for it.
    pub(super) ask_timeout: Duration,
    /// Made for the first who waits for it.
    pub(super) cancelled: OnceLock<CancellationToken>,
    /// Whether the call has ended, after which nothing is said.
    pub(super) is_over: AtomicBool,
}

impl McpContext {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Whether the call has ended, while something else has kept this.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::SeqCst)
    }

    /// Tells how far the call is, of how much in all if that is known. The numbers should grow.
    pub async fn progress(&self, done: f64, total: impl Into<Option<f64>>, message: &str) {
        let Some(token) = self.0.progress.as_ref().filter(|_| !self.is_over()) else { return };
        let token: Value = serde_json::from_str(token.get()).unwrap_or_default();
        let mut params = Map::new();
        params.insert("progressToken".to_owned(), token);
        params.insert("progress".to_owned(), done.into());
        if let Some(total) = total.into() {
            params.insert("total".to_owned(), total.into());
        }
        if !message.is_empty() {
            params.insert("message".to_owned(), message.into());
        }
        self.0.out.send(notification("notifications/progress", &params.into())).await;
    }

    /// Writes to the log of the client, if it wants to read what matters so much.
    ///
    /// What the operator of the server is to read goes to [`tracing`](https://docs.rs/tracing)
    /// instead.
    pub async fn log(&self, level: Level, data: impl Serialize) {
        // A session may have changed its mind since.
        let wanted = self.0.session.as_ref().map(|session| session.level()).or(self.0.level);
        if self.is_over() || wanted.is_none_or(|wanted| level < wanted) {
            return;
        }
        match serde_json::to_value(data) {
            Ok(data) => {
                let params = json!({ "level": level, "data": data });
                self.0.out.send(notification("notifications/message", &params)).await;
            }
            Err(error) => tracing::warn!(%error, "a message of the log is no JSON"),
        }
    }

    /// [`log`](Self::log)s what happens.
    pub async fn info(&self, text: &str) {
        self.log(Level::Info, text).await;
    }

    /// [`log`](Self::log)s what may lead to an error.
    pub async fn warning(&self, text: &str) {
        self.log(Level::Warning, text).await;
    }

    /// Asks the user to fill in the fields of `T`, which is a struct of texts, numbers, booleans
    /// and enums, when it is awaited.
    ///
    /// A client of 2025-11-25 and before is asked while the function waits. A later one is asked by
    /// an answer to its request, and calls again with what the user said: the function then runs
    /// **from its start**, and is given each answer where it asked for it, in the same words. So ask
    /// before anything is changed, and in the same order. What is asked at once (by `join!`) is asked together.
    ///
    /// # Errors
    ///
    /// 400 for a client that cannot ask its user; a later one is told so by an error of the
    /// protocol instead. 408 if there is no answer in time, 422 if it does not fit.
    pub fn elicit<T>(&self, message: impl Into<String>) -> Elicit<'_, T> {
        Elicit::of_type(self, message.into())
    }

    /// As [`elicit`](Self::elicit), with a schema that is made by hand.
    pub fn elicit_value(&self, message: impl Into<String>, schema: Value) -> Elicit<'_, Value> {
        Elicit::of_schema(self, message.into(), schema)
    }

    /// Asks the client itself, by a method of the protocol such as `roots/list` or
    /// `sampling/createMessage`, when it is awaited. All is as with [`elicit`](Self::elicit).
    ///
    /// The protocol has deprecated both of these; a call of a model is better made by the server.
    pub fn ask(&self, method: &'static str, params: Value) -> Ask<'_> {
        Ask::new(self, method, params)
    }

    /// Whether the client can ask its user.
    pub fn can_elicit(&self) -> bool {
        let is_reachable = self.0.era == Era::Modern || self.0.session.is_some();
        is_reachable && self.0.capabilities.forms
    }

    /// Whether the client has a model that it can [`ask`](Self::ask).
    pub fn can_sample(&self) -> bool {
        let is_reachable = self.0.era == Era::Modern || self.0.session.is_some();
        is_reachable && self.0.capabilities.sampling
    }

    /// The client, by its own account. Nothing should depend on it.
    pub fn client(&self) -> Option<&ClientInfo> {
        self.0.client.as_ref()
    }

    /// Becomes ready when the call is over or was cancelled, for work that goes on elsewhere, such
    /// as on a thread.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        let token = self.0.cancelled.get_or_init(CancellationToken::new).clone();
        if self.is_over() {
            token.cancel();
        }
        token.cancelled_owned()
    }
}

impl fmt::Debug for McpContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpContext")
            .field("era", &self.0.era)
            .field("client", &self.0.client)
            .finish_non_exhaustive()
    }
}

impl Input for McpContext {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.needs_mcp("an `McpContext`");
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let context = cx.extensions().get::<Self>().cloned();
        Ok(context.ok_or_else(|| HttpError::internal("this is no call over MCP"))?)
    }
}

/// Tells those who wait that a call is over, however it ended.
pub(super) struct Over(pub(super) McpContext);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.inner().is_over.store(true, Ordering::SeqCst);
        if let Some(token) = self.0.inner().cancelled.get() {
            token.cancel();
        }
    }
}
