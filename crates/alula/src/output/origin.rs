//! The request that an answer belongs to, for the log.

use std::fmt::Display;

use http::{Method, Uri, request::Parts};

use crate::input::RequestId;

/// What an answer that outlives its endpoint remembers of the request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
}

impl Origin {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self {
            request_id: parts.extensions.get().cloned(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
        }
    }

    /// Logs why a body ends before its time, without a word to the client.
    pub(crate) fn broke_off(&self, error: &dyn Display) {
        let request_id = self.request_id.as_ref().map_or("", RequestId::as_str);
        let (method, path) = (&self.method, self.uri.path());
        tracing::error!(request_id, %method, path, %error, "the answer broke off");
    }
}
