//! Each request from its head to the last byte of its answer: its line in the log, its place in the
//! metrics, and the span that gives whatever is logged meanwhile its id.

mod body;
mod layer;
mod trace;
mod watch;

use std::sync::{Arc, OnceLock};

use alula::{
    Input, Operation, Rejection, RequestContext, RequestId,
    http::{HeaderMap, HeaderName, HeaderValue},
};

pub(crate) use self::layer::ObserveLayer;

/// Our id of a request, by which OpenAI's support finds it, and the log of a server of one's own.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// A request, and what endpoints tell of it. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    id: Option<RequestId>,
    /// The trace that its client is in, unless the server has spans of its own.
    trace: HeaderMap,
    /// Whether the server has none: then there is no other trace.
    has_no_spans: bool,
    key: OnceLock<Arc<str>>,
}

impl Exchange {
    fn new(id: Option<RequestId>, trace: HeaderMap) -> Self {
        Self(Arc::new(Notes { id, trace, has_no_spans: false, key: OnceLock::new() }))
    }

    /// That of a request to a server that has no spans of its own.
    fn without_spans(id: Option<RequestId>, trace: HeaderMap) -> Self {
        Self(Arc::new(Notes { id, trace, has_no_spans: true, key: OnceLock::new() }))
    }

    /// That of a job, which goes on after its request.
    pub(crate) fn of_job(request_id: &str, trace: Option<&str>) -> Self {
        Self::new(Some(RequestId::new(request_id)), trace::of_parent(trace))
    }

    /// The trace that it is in, as a `traceparent`.
    pub(crate) fn trace(&self) -> Option<String> {
        trace::parent(&trace::current(&self.0.trace))
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> &str {
        self.0.id.as_ref().map(RequestId::as_str).unwrap_or_default()
    }

    /// What a provider is told of the request that it is called for: its id and its trace.
    pub(crate) fn to_provider(&self) -> HeaderMap {
        let mut headers = match self.0.has_no_spans {
            true => self.0.trace.clone(),
            false => trace::current(&self.0.trace),
        };
        if let Ok(id) = HeaderValue::from_str(self.id())
            && !id.is_empty()
        {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        headers
    }

    /// The request was made with the key of this id, which is no secret.
    pub(crate) fn set_key(&self, id: Arc<str>) {
        // A request has one key.
        let _ = self.0.key.set(id);
    }

    fn key(&self) -> Option<&str> {
        self.0.key.get().map(|id| &**id)
    }
}

impl Input for Exchange {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let known = cx.extensions().get().cloned();
        // A call of MCP over stdio comes through no layer.
        let of_its_own = || Self::new(cx.extensions().get().cloned(), HeaderMap::new());
        Ok(known.unwrap_or_else(of_its_own))
    }
}
