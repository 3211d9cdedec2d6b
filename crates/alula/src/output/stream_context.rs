//! The request that a body belongs to, for its errors and for the log.

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;

use super::ResponseContext;
use crate::error::{ErrorPolicy, HttpError, Noted};

/// What an answer that outlives its endpoint remembers of its request.
#[derive(Debug, Clone)]
pub struct StreamContext {
    request: Noted,
    errors: Arc<ErrorPolicy>,
}

impl StreamContext {
    pub(super) fn of(cx: &ResponseContext<'_>) -> Self {
        Self { request: Noted::of(cx.head).for_long(), errors: cx.errors.clone() }
    }

    /// The body that the client would have been answered, had the error come in time. The error
    /// is logged as any other.
    pub fn last_words(&self, error: HttpError) -> Bytes {
        self.request.with(|cx| self.errors.last_words(error, cx))
    }

    /// The last words of a stream that ends because the server does, which is no failure.
    pub(super) fn farewell(&self, error: HttpError) -> Bytes {
        self.request.with(|cx| self.errors.unlogged_words(error, cx))
    }

    /// Logs why a body ends before its time, where there is no room to tell the client.
    pub(super) fn broke_off(&self, error: &dyn Display) {
        let (method, path) = (self.request.method(), self.request.path());
        let request_id = self.request.request_id();
        tracing::error!(request_id, %method, path, %error, "the answer broke off");
    }
}

#[cfg(test)]
impl StreamContext {
    /// That of no request.
    pub(super) fn nowhere() -> Self {
        let shutdown = crate::serve::Shutdown::new();
        let errors = ErrorPolicy::new(crate::error::Errors::default(), &shutdown);
        Self { request: Noted::nothing(), errors }
    }
}
