//! A request that is gone when its error is answered.

use http::{Extensions, HeaderMap, Method, Uri};

use super::{ErrorContext, RequestHead};
use crate::input::RequestId;

/// What is noted of a request, for an error that is found when it is gone: all but its headers.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    request_id: Option<RequestId>,
    method: Method,
    uri: Uri,
}

impl Noted {
    pub(crate) fn new(request_id: RequestId, method: Method, uri: Uri) -> Self {
        Self { request_id: Some(request_id), method, uri }
    }

    pub(crate) fn of(head: RequestHead<'_>) -> Self {
        Self {
            request_id: head.extensions.get().cloned(),
            method: head.method.clone(),
            uri: head.uri.clone(),
        }
    }

    /// The same for who keeps it for long. The parts of a head share the buffer that it came in,
    /// and whoever keeps one of them has the connection allocate another buffer.
    pub(crate) fn for_long(self) -> Self {
        let copy = self.uri.to_string().parse();
        Self { uri: copy.unwrap_or(self.uri), ..self }
    }

    #[cfg(test)]
    pub(crate) fn nothing() -> Self {
        Self { request_id: None, method: Method::GET, uri: Uri::default() }
    }

    pub(crate) fn request_id(&self) -> &str {
        self.request_id.as_ref().map_or("", RequestId::as_str)
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Does something that needs the request.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&ErrorContext<'_>) -> T) -> T {
        let headers = HeaderMap::new();
        let mut extensions = Extensions::new();
        if let Some(id) = &self.request_id {
            extensions.insert(id.clone());
        }
        let (method, uri) = (&self.method, &self.uri);
        let head = RequestHead { method, uri, headers: &headers, extensions: &extensions };
        work(&ErrorContext::new(head, None))
    }
}
