//! What stands around requests, over each transport.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use http::{Extensions, HeaderMap};

use super::{Answer, Caller, Engine};
use crate::{
    error::HttpError,
    input::RequestContext,
    mcp::message::{Params, Request, RpcError},
};

/// What stands around requests.
pub(crate) type Around =
    Arc<dyn Fn(McpRequest, McpNext) -> BoxFuture<'static, McpReply> + Send + Sync>;

/// A request over MCP on its way; see [`App::mcp_around`](crate::App::mcp_around).
pub struct McpRequest {
    request: Request,
    cx: RequestContext,
    caller: Caller,
    name: Option<String>,
}

impl McpRequest {
    pub(super) fn new(request: Request, cx: RequestContext, caller: Caller) -> Self {
        let name = Params::parse(&request.params).ok().and_then(|params| {
            let name = params.name.or(params.uri)?;
            Some(name.into_owned())
        });
        Self { request, cx, caller, name }
    }

    /// What is asked for, such as `tools/call`.
    pub fn method(&self) -> &str {
        &self.request.method
    }

    /// The tool or the prompt, or the URI of the resource, if the request names one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The headers of the HTTP request; over stdio those of
    /// [`stdio_header`](crate::mcp::McpSettings::stdio_header).
    pub fn headers(&self) -> &HeaderMap {
        self.cx.headers()
    }

    /// What middleware has attached to the HTTP request.
    pub fn extensions(&self) -> &Extensions {
        self.cx.extensions()
    }

    /// Answers the request with an error of the protocol.
    pub fn refuse(self, error: HttpError) -> McpReply {
        let rpc = RpcError::new(RpcError::REFUSED, error.message());
        let refused = super::is_challenge(&error).then_some(error);
        let json = rpc.response(Some(&self.request.id));
        McpReply(Answer { json, refused, is_error: true, ..Answer::default() })
    }
}

impl fmt::Debug for McpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpRequest")
            .field("method", &self.method())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The rest of the way of a request.
pub struct McpNext {
    engine: Arc<Engine>,
    /// How many have had it.
    at: usize,
}

impl McpNext {
    pub(super) fn first(engine: Arc<Engine>) -> Self {
        Self { engine, at: 0 }
    }

    /// Answers the request.
    pub fn run(self, request: McpRequest) -> BoxFuture<'static, McpReply> {
        let Self { engine, at } = self;
        // The last one added is the outermost.
        let next = engine.around.iter().rev().nth(at).cloned();
        match next {
            Some(around) => around(request, Self { engine, at: at + 1 }),
            None => Box::pin(async move {
                let McpRequest { request, cx, caller, .. } = request;
                McpReply(engine.answer_plainly(request, cx, caller).await)
            }),
        }
    }
}

impl fmt::Debug for McpNext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpNext").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The answer to a request over MCP.
#[derive(Debug)]
pub struct McpReply(Answer);

impl McpReply {
    /// Whether it is an error, of the protocol or of a tool.
    pub fn is_error(&self) -> bool {
        self.0.is_error
    }

    /// How many bytes are sent.
    pub fn bytes_len(&self) -> usize {
        self.0.json.len()
    }

    pub(super) fn into_answer(self) -> Answer {
        self.0
    }
}

/// A function as it stands around requests.
pub(crate) fn boxed<F, Fut>(around: F) -> Around
where
    F: Fn(McpRequest, McpNext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = McpReply> + Send + 'static,
{
    Arc::new(move |request, next| Box::pin(around(request, next)))
}
