//! One request on its way through the inputs of its endpoint.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

use axum::body::{Body, Bytes};
use http::{Extensions, HeaderMap, Method, Request, Uri, request::Parts};

use super::{
    Rejection,
    reader::{BodyLimits, BodyReader},
};
use crate::{
    dependency::{BackgroundTasks, RequestScope, Scope},
    error::Result,
    output::ResponseHead,
    schema::{Detail, Loc},
};

/// A resolved dependency, or nothing for one that failed.
type Resolved = Option<Arc<dyn Any + Send + Sync>>;

/// A request while its inputs are extracted.
pub struct RequestContext {
    parts: Parts,
    body: Option<Body>,
    bytes: Option<Bytes>,
    limits: BodyLimits,
    details: Vec<Detail>,
    resolved: Vec<(TypeId, Resolved)>,
    scope: RequestScope,
    /// Made for the first who asks for it.
    head: Option<ResponseHead>,
}

impl RequestContext {
    pub(crate) fn new(request: Request<Body>, limits: BodyLimits, scope: RequestScope) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            parts,
            body: Some(body),
            bytes: None,
            limits,
            details: Vec::new(),
            resolved: Vec::new(),
            scope,
            head: None,
        }
    }

    /// A job while its inputs are extracted: a request with no head, whose body are the arguments.
    #[cfg(feature = "jobs")]
    pub(crate) fn of_job(
        job: alula_jobs::JobContext,
        args: Bytes,
        limits: BodyLimits,
        scope: RequestScope,
    ) -> Self {
        let mut cx = Self::new(Request::new(Body::empty()), limits, scope);
        // The log names what its dependencies do by it.
        cx.parts.extensions.insert(super::RequestId::new(&job.id().to_string()));
        cx.parts.extensions.insert(job);
        cx.bytes = Some(args);
        cx
    }

    /// Takes the place of the body, which was read.
    #[cfg(feature = "mcp")]
    pub(crate) fn set_bytes(&mut self, bytes: Bytes) {
        self.bytes = Some(bytes);
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The version of HTTP.
    #[cfg(feature = "ws")]
    pub(crate) fn version(&self) -> http::Version {
        self.parts.version
    }

    /// The target of the request.
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// The headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// What the server and the middleware attached to the request.
    pub fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// The scope of the request, for exits.
    pub fn scope(&mut self) -> Scope {
        self.scope.scope(&self.parts.extensions)
    }

    /// The background tasks of the request.
    pub fn background_tasks(&mut self) -> BackgroundTasks {
        self.scope.tasks(&self.parts.extensions)
    }

    /// Notes one mistake of the client.
    ///
    /// Extraction goes on with the other inputs; then the client is answered 422 with the whole
    /// list.
    pub fn reject(&mut self, detail: Detail) -> Rejection {
        self.details.push(detail);
        Rejection::Invalid
    }

    /// Notes several mistakes of the client.
    pub fn reject_all(&mut self, details: impl IntoIterator<Item = Detail>) -> Rejection {
        self.details.extend(details);
        Rejection::Invalid
    }

    /// The whole body, read once and shared from then on; of at most 2 MiB unless the application,
    /// a router or the route says otherwise.
    ///
    /// # Errors
    ///
    /// 413 for a body over the limit, as soon as that is known; 408 for one that stalls or comes
    /// too slowly; 400 for one that breaks off.
    pub async fn bytes(&mut self) -> Result<Bytes> {
        if let Some(bytes) = &self.bytes {
            return Ok(bytes.clone());
        }
        let bytes = self.reader(self.limits.in_memory())?.whole(|_| Ok(())).await?;
        self.bytes = Some(bytes.clone());
        Ok(bytes)
    }

    /// What is put on top of the answer, shared by all who ask for it.
    pub(crate) fn head(&mut self) -> ResponseHead {
        self.head.get_or_insert_default().clone()
    }

    pub(crate) fn take_head(&mut self) -> Option<ResponseHead> {
        self.head.take()
    }

    /// The body, if it was read whole already.
    pub(crate) fn known_bytes(&self) -> Option<&Bytes> {
        self.bytes.as_ref()
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The body as it arrives, for an input that reads it alone; nothing the second time.
    pub(super) fn reader(&mut self, bytes_max: usize) -> Result<BodyReader> {
        let body = self.body.take().unwrap_or_default();
        let reader = BodyReader::new(body, bytes_max, self.limits.body_stall)?;
        Ok(reader.at_pace(self.limits.pace))
    }

    pub(super) fn limits(&self) -> BodyLimits {
        self.limits
    }

    pub(crate) fn parts_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// A dependency that this request resolved before.
    pub(crate) fn resolved(&self, id: TypeId) -> Option<Resolved> {
        self.resolved.iter().find(|(known, _)| *known == id).map(|(_, value)| value.clone())
    }

    pub(crate) fn remember(&mut self, id: TypeId, value: Resolved) {
        self.resolved.push((id, value));
    }

    pub(crate) fn details_len(&self) -> usize {
        self.details.len()
    }

    /// The mistakes found since `mark`.
    pub(crate) fn details_since(&mut self, mark: usize) -> &mut [Detail] {
        self.details.get_mut(mark..).unwrap_or_default()
    }

    /// Puts the mistakes found since `mark` into FastAPI's order of places.
    pub(crate) fn sort_details_since(&mut self, mark: usize) {
        self.details_since(mark).sort_by_key(|detail| place_rank(detail.loc.first()));
    }

    pub(crate) fn take_details(&mut self) -> Vec<Detail> {
        std::mem::take(&mut self.details)
    }

    /// Whether nothing is to be done at the end of the request.
    pub(crate) fn has_nothing_to_finish(&self) -> bool {
        self.scope.is_unused()
    }

    pub(crate) fn into_scope(self) -> RequestScope {
        self.scope
    }
}

impl std::fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestContext")
            .field("method", self.method())
            .field("uri", self.uri())
            .field("details", &self.details)
            .finish_non_exhaustive()
    }
}

fn place_rank(place: Option<&Loc>) -> usize {
    const ORDER: [&str; 5] = ["path", "query", "header", "cookie", "body"];
    match place {
        Some(Loc::Key(key)) => ORDER.iter().position(|place| place == key).unwrap_or(ORDER.len()),
        Some(Loc::Index(_) | Loc::Branch(_)) | None => ORDER.len(),
    }
}
