//! The request that a body belongs to, for its errors and for the log.

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Uri};

use super::ResponseContext;
use crate::{
    error::{ErrorContext, ErrorPolicy, HttpError, RequestHead},
    input::RequestId,
};

/// What an answer that outlives its endpoint remembers of its request.
#[derive(Debug, Clone)]
pub struct StreamContext {
    request_id: Option<RequestId>,
    method: Method,
    uri: Uri,
    errors: Arc<ErrorPolicy>,
}

impl StreamContext {
    pub(super) fn of(cx: &ResponseContext<'_>) -> Self {
        let head = cx.head;
        Self {
            request_id: head.extensions.get().cloned(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            errors: cx.errors.clone(),
        }
    }

    /// The body that the client would have been answered, had the error come in time. The error
    /// is logged as any other.
    pub fn last_words(&self, error: HttpError) -> Bytes {
        self.with(|cx| self.errors.last_words(error, cx))
    }

    /// The last words of a stream that ends because the server does, which is no failure.
    pub(super) fn farewell(&self, error: HttpError) -> Bytes {
        self.with(|cx| self.errors.unlogged_words(error, cx))
    }

    /// Logs why a body ends before its time, where there is no room to tell the client.
    pub(super) fn broke_off(&self, error: &dyn Display) {
        let request_id = self.request_id.as_ref().map_or("", RequestId::as_str);
        let (method, path) = (&self.method, self.uri.path());
        tracing::error!(request_id, %method, path, %error, "the answer broke off");
    }

    fn with<T>(&self, work: impl FnOnce(&ErrorContext<'_>) -> T) -> T {
        let headers = HeaderMap::new();
        let mut extensions = Extensions::new();
        if let Some(id) = &self.request_id {
            extensions.insert(id.clone());
        }
        let head = RequestHead {
            method: &self.method,
            uri: &self.uri,
            headers: &headers,
            extensions: &extensions,
        };
        work(&ErrorContext::new(head, None))
    }
}

#[cfg(test)]
impl StreamContext {
    /// That of no request.
    pub(super) fn nowhere() -> Self {
        let shutdown = crate::serve::Shutdown::new();
        let errors = ErrorPolicy::new(crate::error::Errors::default(), &shutdown);
        Self { request_id: None, method: Method::GET, uri: Uri::default(), errors }
    }
}
