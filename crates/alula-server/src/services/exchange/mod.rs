//! Each request from its head to the last byte of its answer: its line in the log, its place in the
//! metrics, and the span that gives whatever is logged meanwhile its id.

mod body;
mod layer;
mod watch;

use std::sync::{Arc, OnceLock};

use alula::{HttpError, Input, Operation, Rejection, RequestContext, RequestId};

pub(crate) use self::layer::ObserveLayer;

/// A request, and what endpoints tell of it. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    id: Option<RequestId>,
    key: OnceLock<Arc<str>>,
}

impl Exchange {
    fn new(id: Option<RequestId>) -> Self {
        Self(Arc::new(Notes { id, key: OnceLock::new() }))
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> &str {
        self.0.id.as_ref().map(RequestId::as_str).unwrap_or_default()
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
        Ok(known.ok_or_else(|| HttpError::internal("the request is not observed"))?)
    }
}
