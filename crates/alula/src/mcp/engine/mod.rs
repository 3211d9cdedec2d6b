//! What answers requests, over whichever transport they come.

mod around;
mod calls;
pub(super) mod changes;
mod legacy;
mod lists;
mod modern;

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{StatusCode, header};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use around::{Around, boxed};
pub use around::{McpNext, McpReply, McpRequest};
use calls::Work;
pub(super) use calls::is_challenge;

use super::{
    about::{Common, icons},
    access::{Access, Find},
    context::{Era, Outbox},
    http::headers,
    hub::{Kind, Mcp},
    message::{Id, Params, Request, RpcError, response},
    registry::Registry,
    seal::Seal,
    session::{Session, Sessions},
    settings::{McpSettings, ProtectedResource},
    token::VerifiedToken,
};
use crate::{
    error::{HttpError, Panic},
    input::{BodyLimits, Rejection, RequestContext},
    serve::Shutdown,
};

/// The MCP server of an application.
pub(crate) struct Engine {
    pub(super) registry: Registry,
    pub(super) mcp: Mcp,
    pub(super) settings: McpSettings,
    access: Option<Box<dyn Find<Access>>>,
    tokens: Option<Box<dyn Find<VerifiedToken>>>,
    /// Where it is served over HTTP, if it is.
    pub(super) path: Option<String>,
    /// Whether lists may be given to anybody.
    is_public: bool,
    around: Vec<Around>,
    pub(super) auth: Option<ProtectedResource>,
    pub(super) hosts: Vec<String>,
    seal: Seal,
    pub(super) sessions: Sessions,
    pub(super) has_sessions: bool,
    pub(super) shutdown: Shutdown,
    pub(super) limits: BodyLimits,
    info: Value,
    capabilities: Value,
    tails: Tails,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) registry: Registry,
    pub(crate) mcp: Mcp,
    pub(crate) settings: McpSettings,
    pub(crate) access: Option<Box<dyn Find<Access>>>,
    pub(crate) tokens: Option<Box<dyn Find<VerifiedToken>>>,
    pub(crate) path: Option<String>,
    pub(crate) around: Vec<Around>,
    pub(crate) auth: Option<ProtectedResource>,
    /// By which the application says that it can be reached.
    pub(crate) hosts: Vec<String>,
    /// What the application is called, and its version.
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) has_workers: bool,
    /// Whether something is resolved before each request.
    pub(crate) has_guards: bool,
    pub(crate) shutdown: Shutdown,
    pub(crate) limits: BodyLimits,
}

/// What stands at the end of each result of the newest revision.
struct Tails {
    complete: Vec<u8>,
    /// Without the kind of the result.
    bare: Vec<u8>,
}

/// Who makes a request, and how.
pub(super) struct Caller {
    pub(super) access: Arc<Access>,
    pub(super) session: Option<Arc<Session>>,
    pub(super) out: Outbox,
    /// Whether the request has headers that repeat what it says.
    pub(super) is_http: bool,
    /// Says that the client wants the answer no more.
    pub(super) cancelled: Option<CancellationToken>,
}

/// The answer to a request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) json: Bytes,
    pub(super) status: StatusCode,
    /// A session that was begun.
    pub(super) session: Option<Arc<Session>>,
    /// What HTTP answers instead: the client has to say who it is.
    pub(super) refused: Option<HttpError>,
    /// Whether it is an error, of the protocol or of a tool.
    pub(super) is_error: bool,
}

/// Why there is no result.
pub(super) enum Failure {
    Rpc(RpcError),
    /// The client has to say who it is.
    Refused(HttpError),
    /// The client wants no answer any more.
    Cancelled,
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "a result is no JSON");
        Self::Rpc(RpcError::new(RpcError::INTERNAL, "Internal error"))
    }
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { registry, mcp, settings, access, tokens, path, around, auth, hosts, .. } =
            parts;
        let mut info = Map::new();
        let name = settings.name.clone().unwrap_or(parts.name);
        info.insert("name".to_owned(), name.into());
        info.insert("version".to_owned(), parts.version.into());
        if let Some(website) = &settings.website {
            info.insert("websiteUrl".to_owned(), website.clone().into());
        }
        if !settings.icons.is_empty() {
            info.insert("icons".to_owned(), icons(&settings.icons));
        }
        let info = Value::Object(info);
        let has_sessions = settings.sessions.unwrap_or(!parts.has_workers);
        if parts.has_workers && settings.state_key.is_none() {
            tracing::warn!(
                "several workers serve MCP without a `McpSettings::state_key`: a call that asks \
                 its user fails where another worker takes the answer"
            );
        }
        Self {
            capabilities: capabilities(&registry),
            tails: Tails::new(&info),
            seal: Seal::new(settings.state_key.as_deref(), settings.state_lifetime),
            sessions: Sessions::new(
                settings.sessions_max,
                settings.sessions_per_owner_max,
                settings.session_idle,
            ),
            limits: BodyLimits { body_bytes_max: Some(settings.message_bytes_max), ..parts.limits },
            shutdown: parts.shutdown,
            registry,
            mcp,
            settings,
            is_public: access.is_none() && auth.is_none() && !parts.has_guards,
            access,
            tokens,
            path,
            around,
            auth,
            hosts,
            has_sessions,
            info,
        }
    }

    /// What the caller of a request sees, or why nobody may make it.
    pub(super) async fn enter(&self, cx: &mut RequestContext) -> Result<Arc<Access>, HttpError> {
        let token = match &self.tokens {
            None => None,
            Some(tokens) => Some(found(&**tokens, cx).await?),
        };
        if let (Some(token), Some(auth)) = (&token, &self.auth) {
            token.check(auth.url(), SystemTime::now())?;
        }
        let access = match (&self.access, token) {
            (Some(access), _) => found(&**access, cx).await?,
            (None, Some(token)) => Arc::new(token.access()),
            (None, None) => Arc::default(),
        };
        // Somebody has to own what is kept between requests, and who shows the same token does.
        match cx.headers().get(header::AUTHORIZATION) {
            Some(token) if access.owner_name().is_none() => {
                let token = digest(&SHA256, token.as_bytes());
                let owner = URL_SAFE_NO_PAD.encode(token);
                Ok(Arc::new(Access::clone(&access).owner(owner)))
            }
            _ => Ok(access),
        }
    }

    /// Answers a request, with all that stands around.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request,
        cx: RequestContext,
        caller: Caller,
    ) -> Answer {
        let id = request.id.clone();
        let answering = async move {
            if self.around.is_empty() {
                return self.answer_plainly(request, cx, caller).await;
            }
            McpNext::first(self).run(McpRequest::new(request, cx, caller)).await.into_answer()
        };
        match AssertUnwindSafe(answering).catch_unwind().await {
            Ok(answer) => answer,
            Err(panic) => panicked(&*panic).answer(&id),
        }
    }

    async fn answer_plainly(&self, request: Request, cx: RequestContext, caller: Caller) -> Answer {
        let cancelled = caller.cancelled.clone();
        let answered = self.result(&request, cx, caller);
        let answered = match cancelled {
            None => answered.await,
            Some(token) => {
                let answered = std::pin::pin!(answered);
                tokio::select! {
                    biased;
                    () = token.cancelled() => Err(Failure::Cancelled),
                    answered = answered => answered,
                }
            }
        };
        match answered {
            Ok(answer) => answer,
            Err(failure) => failure.answer(&request.id),
        }
    }

    async fn result(
        &self,
        request: &Request,
        cx: RequestContext,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let mut work = Work::new(cx);
        let answered = self.work(request, &mut work, caller).await;
        if answered.is_err() {
            work.fail();
        }
        work.end().await;
        answered
    }

    async fn work(
        &self,
        request: &Request,
        work: &mut Work,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let params = Params::parse(&request.params)?;
        let era = match caller.is_http {
            true => headers::era(work.cx.headers(), &params)?,
            false if params.modern().is_some() || request.method == "server/discover" => {
                Era::Modern
            }
            false => Era::Legacy,
        };
        if era == Era::Modern {
            modern::check(&params)?;
            if caller.is_http {
                headers::check(work.cx.headers(), request, &params, &self.registry)?;
            }
            return self.modern(request, &params, work, caller).await;
        }
        match self.legacy(request, &params, work, caller).await {
            // Statuses say something else to these clients: 404 that their session is lost.
            Err(Failure::Rpc(error)) => {
                work.fail();
                let json = error.response(Some(&request.id));
                Ok(Answer { is_error: true, ..Answer::of(json) })
            }
            answered => answered,
        }
    }

    /// A result as it is sent.
    fn respond(&self, id: &Id, era: Era, result: &impl Serialize) -> Result<Answer, Failure> {
        let tail = (era == Era::Modern).then_some(&*self.tails.complete);
        Ok(Answer::of(response(id, result, tail)?))
    }

    /// Whether a caller may see a thing, which nobody has turned off.
    fn shows(&self, kind: Kind, access: &Access, item: &Common) -> bool {
        access.sees(item) && !self.mcp.is_disabled(kind, &item.name)
    }

    /// Whether a caller may read a resource, and so be told that it changes.
    fn sees_resource(&self, uri: &str, caller: &Caller) -> bool {
        let shows = |item: &Common| self.shows(Kind::Resource, &caller.access, item);
        self.registry.resource(uri, shows).is_some()
    }

    /// How far a list may be shared, and for how long.
    fn cache_of_lists(&self, era: Era) -> Option<(u64, &'static str)> {
        let ttl = u64::try_from(self.settings.ttl.as_millis()).unwrap_or(u64::MAX);
        let scope = if self.is_public { "public" } else { "private" };
        (era == Era::Modern).then_some((ttl, scope))
    }

    /// How far what a function has read may be shared: it may depend on who reads it.
    fn cache_of_contents(&self, era: Era) -> Option<(u64, &'static str)> {
        self.cache_of_lists(era).map(|(ttl, _)| (ttl, "private"))
    }
}

impl Tails {
    fn new(info: &Value) -> Self {
        let meta = json!({ "io.modelcontextprotocol/serverInfo": info });
        let bare = format!("\"_meta\":{meta}");
        let complete = format!("\"resultType\":\"complete\",{bare}");
        Self { complete: complete.into(), bare: bare.into() }
    }
}

impl Answer {
    fn of(json: Bytes) -> Self {
        Self { json, ..Self::default() }
    }
}

impl Failure {
    pub(super) fn answer(self, id: &Id) -> Answer {
        let (error, refused) = match self {
            Self::Rpc(error) => (error, None),
            Self::Refused(error) => {
                (RpcError::new(RpcError::REFUSED, error.message()), Some(error))
            }
            // Nobody reads it.
            Self::Cancelled => return Answer { is_error: true, ..Answer::default() },
        };
        let json = error.response(Some(id));
        Answer { json, status: error.status(), refused, is_error: true, ..Answer::default() }
    }
}

/// What is found about a caller, or why nobody may know.
async fn found<T>(finder: &dyn Find<T>, cx: &mut RequestContext) -> Result<Arc<T>, HttpError> {
    match finder.find(cx).await {
        Ok(found) => Ok(found),
        Err(Rejection::Error(error)) => Err(error),
        Err(Rejection::Invalid) => Err(HttpError::validation(cx.take_details())),
    }
}

/// What is answered where something around the function has panicked.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let panic = Panic::of(panic);
    tracing::error!(%panic, "a request over MCP panicked");
    RpcError::new(RpcError::INTERNAL, "Internal error").into()
}

/// What the server has, as it is told to clients.
fn capabilities(registry: &Registry) -> Value {
    let mut capabilities = Map::new();
    if !registry.tools.is_empty() {
        capabilities.insert("tools".to_owned(), json!({ "listChanged": true }));
    }
    if !registry.prompts.is_empty() {
        capabilities.insert("prompts".to_owned(), json!({ "listChanged": true }));
    }
    if registry.has_resources() {
        let resources = json!({ "subscribe": true, "listChanged": true });
        capabilities.insert("resources".to_owned(), resources);
    }
    if registry.has_completions() {
        capabilities.insert("completions".to_owned(), json!({}));
    }
    capabilities.insert("logging".to_owned(), json!({}));
    capabilities.into()
}
