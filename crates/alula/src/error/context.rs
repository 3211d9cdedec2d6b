//! What is known of a request that failed.

use std::sync::Arc;

use axum::body::Bytes;
use http::{Extensions, HeaderMap, Method, Request, Uri, request::Parts};

use super::ErrorPolicies;
use crate::input::RequestId;

/// The head of a request, wherever its parts are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of_request<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    pub(crate) fn of(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }

    /// How the application answers errors, if not as usual.
    pub(super) fn policies(&self) -> Option<&'a Arc<ErrorPolicies>> {
        self.extensions.get::<RequestId>().and_then(RequestId::errors)
    }

    pub(crate) fn request_id(&self) -> &'a str {
        self.extensions.get::<RequestId>().map_or("", RequestId::as_str)
    }
}

/// The request that an error is answered to, for handlers of errors and for [`ErrorFormat`]s.
///
/// [`ErrorFormat`]: crate::ErrorFormat
#[derive(Debug, Clone, Copy)]
pub struct ErrorContext<'a> {
    head: RequestHead<'a>,
    body: Option<&'a Bytes>,
}

impl<'a> ErrorContext<'a> {
    pub(crate) fn new(head: RequestHead<'a>, body: Option<&'a Bytes>) -> Self {
        Self { head, body }
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.head.method
    }

    /// The target of the request.
    pub fn uri(&self) -> &'a Uri {
        self.head.uri
    }

    /// The headers of the request. There are none where a stream fails after it has begun, a
    /// middleware panics, or one by [`from_fn`](crate::middleware::from_fn) returns an error, as
    /// nobody has kept them.
    pub fn headers(&self) -> &'a HeaderMap {
        self.head.headers
    }

    /// The id of the request, as the answer's `x-request-id` says it.
    pub fn request_id(&self) -> &'a str {
        self.head.request_id()
    }

    /// The body, if it had been read whole when the error was found.
    pub fn body(&self) -> Option<&'a Bytes> {
        self.body
    }

    pub(super) fn head(&self) -> RequestHead<'a> {
        self.head
    }
}
