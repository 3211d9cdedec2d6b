//! How errors are answered: by which handlers, in which form, below which path.

use std::{
    cmp::Reverse,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};

use super::{
    ErrorContext, ErrorFormat as _, FastApi, HttpError, Panic,
    context::RequestHead,
    format::AnyFormat,
    handlers::{ErrorHandlers, Handled, log},
};
use crate::{output::ResponseContext, serve::Shutdown};

/// How the errors of a route, or of a part of the application, are answered.
#[derive(Clone)]
pub(crate) struct ErrorPolicy {
    pub(crate) format: Arc<dyn AnyFormat>,
    /// Those of the innermost router first.
    handlers: Vec<Arc<ErrorHandlers>>,
    shutdown: Shutdown,
}

impl ErrorPolicy {
    pub(crate) fn new(own: Errors, shutdown: &Shutdown) -> Arc<Self> {
        let format = own.format.unwrap_or_else(|| Arc::new(FastApi));
        Arc::new(Self { format, handlers: own.handlers, shutdown: shutdown.clone() })
    }

    /// Lets the handlers have an error. What they make of it they do not see again.
    pub(crate) fn handle(self: &Arc<Self>, error: HttpError, cx: &ErrorContext<'_>) -> Handled {
        let response = ResponseContext::new(cx.head(), &self.shutdown, error.status(), self);
        let mut handlers = self.handlers.iter();
        let answer = handlers.find_map(|handlers| handlers.run(&error, cx, &response));
        Handled::new(error, answer)
    }

    /// The answer that a handler made, or that the format makes.
    pub(crate) fn response(&self, handled: Handled, cx: &ErrorContext<'_>) -> Response<Body> {
        handled.response.unwrap_or_else(|| respond(&*self.format, &handled.error, cx))
    }

    /// Handles, logs and answers an error outside of endpoints.
    pub(crate) fn answer(
        self: &Arc<Self>,
        error: HttpError,
        cx: &ErrorContext<'_>,
    ) -> Response<Body> {
        let handled = self.handle(error, cx);
        handled.log(cx);
        self.response(handled, cx)
    }

    /// The body of an error, for a stream that has begun. The handlers may have their say; a
    /// response of theirs comes too late.
    pub(crate) fn last_words(self: &Arc<Self>, error: HttpError, cx: &ErrorContext<'_>) -> Bytes {
        let handled = self.handle(error, cx);
        handled.log(cx);
        words(&*self.format, &handled.error, cx)
    }

    /// The same for what the log need not know.
    pub(crate) fn unlogged_words(
        self: &Arc<Self>,
        error: HttpError,
        cx: &ErrorContext<'_>,
    ) -> Bytes {
        words(&*self.format, &self.handle(error, cx).error, cx)
    }
}

impl fmt::Debug for ErrorPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPolicy")
            .field("media_type", &self.format.media_type())
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

/// The answer to an error in FastAPI's form, where no application is known.
pub(crate) fn error_response(error: &HttpError) -> Response<Body> {
    let (method, uri, headers) = (Method::GET, Uri::default(), HeaderMap::new());
    let extensions = http::Extensions::new();
    let head =
        RequestHead { method: &method, uri: &uri, headers: &headers, extensions: &extensions };
    respond(&FastApi, error, &ErrorContext::new(head, None))
}

fn respond(format: &dyn AnyFormat, error: &HttpError, cx: &ErrorContext<'_>) -> Response<Body> {
    let Some((media_type, body)) = written(format, error, cx) else { return plain() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    for (name, value) in error.headers() {
        // As an answer of another server has them, whose headers are passed on.
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name) {
            continue;
        }
        match *name == header::CONTENT_TYPE {
            true => drop(headers.insert(name, value.clone())),
            false => drop(headers.append(name, value.clone())),
        }
    }
    response
}

/// What is answered where a format fails. It is not asked again, and neither is a handler: they
/// would fail for this error, too.
const PLAIN: &[u8] = br#"{"detail":"Internal Server Error"}"#;

fn plain() -> Response<Body> {
    let mut response = Response::new(Body::from(PLAIN));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let media_type = HeaderValue::from_static(FastApi::MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// The body of an error where its answer has begun.
fn words(format: &dyn AnyFormat, error: &HttpError, cx: &ErrorContext<'_>) -> Bytes {
    written(format, error, cx).map_or(Bytes::from_static(PLAIN), |(_, body)| body)
}

/// What a format makes of an error. It is the program's own, so it may panic or make nonsense;
/// that is logged.
fn written(
    format: &dyn AnyFormat,
    error: &HttpError,
    cx: &ErrorContext<'_>,
) -> Option<(HeaderValue, Bytes)> {
    let write = || Ok((HeaderValue::try_from(format.media_type())?, format.write(error, cx)?));
    let written = catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|panic| Err(HttpError::internal(Panic::of(&*panic))));
    let logged = written.inspect_err(|failure: &HttpError| {
        let (request_id, path) = (cx.request_id(), cx.uri().path());
        tracing::error!(request_id, path, %failure, "the form of errors failed; answering in the default one");
    });
    logged.ok()
}

/// What a route, a router or the application says about errors.
#[derive(Clone, Default)]
pub(crate) struct Errors {
    pub(crate) format: Option<Arc<dyn AnyFormat>>,
    pub(crate) handlers: Vec<Arc<ErrorHandlers>>,
}

impl Errors {
    pub(crate) fn is_empty(&self) -> bool {
        self.format.is_none() && self.handlers.is_empty()
    }

    /// Whether both answer every error in the same way, because they are the same.
    fn is(&self, other: &Self) -> bool {
        let format = match (&self.format, &other.format) {
            (Some(one), Some(other)) => std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other)),
            (one, other) => one.is_none() && other.is_none(),
        };
        format
            && self.handlers.len() == other.handlers.len()
            && self.handlers.iter().zip(&other.handlers).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// Adds what the router around says: its format where there is none, its handlers behind.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        if self.format.is_none() {
            self.format.clone_from(&outer.format);
        }
        self.handlers.extend(outer.handlers.iter().cloned());
    }
}

/// A part of the application with errors of its own: below a prefix, or at a path.
#[derive(Clone)]
pub(crate) struct Area {
    pub(crate) path: String,
    /// Whether what is below the path belongs to it.
    pub(crate) is_prefix: bool,
    pub(crate) errors: Errors,
}

/// The policies of an application, for errors that no endpoint answers.
#[derive(Debug)]
pub(crate) struct ErrorPolicies {
    default: Arc<ErrorPolicy>,
    /// The longest path first.
    areas: Vec<(String, bool, Arc<ErrorPolicy>)>,
}

/// The routers and routes of an application with errors of their own.
#[derive(Default)]
pub(crate) struct Areas {
    default: Errors,
    areas: Vec<Area>,
}

impl Areas {
    /// Those of an application that is mounted at a prefix, empty for the outermost.
    pub(crate) fn new(default: Errors, mut areas: Vec<Area>, prefix: &str) -> Self {
        for area in &mut areas {
            area.path.insert_str(0, prefix);
        }
        let mut sorted = Self { default, areas };
        sorted.sort();
        sorted
    }

    /// Adds a route, for requests to its path that do not reach it, unless it has the errors that
    /// its path has anyway.
    pub(crate) fn add_route(&mut self, path: &str, errors: &Errors) {
        let area = self.areas.iter().find(|area| covers(&area.path, area.is_prefix, path));
        if !area.map_or(&self.default, |area| &area.errors).is(errors) {
            let (path, errors) = (path.to_owned(), errors.clone());
            self.areas.push(Area { path, is_prefix: false, errors });
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.areas.sort_by_key(|area| {
            let (parts, names) = (area.path.split('/').count(), area.path.matches('{').count());
            // As a router does, what is written out before what is a parameter.
            (Reverse(parts), area.is_prefix, names)
        });
    }

    /// The policies; none where all errors are answered as usual.
    pub(crate) fn finish(self, shutdown: &Shutdown) -> Option<Arc<ErrorPolicies>> {
        if self.default.is_empty() && self.areas.is_empty() {
            return None;
        }
        let policy =
            |area: Area| (area.path, area.is_prefix, ErrorPolicy::new(area.errors, shutdown));
        let areas = self.areas.into_iter().map(policy).collect();
        Some(Arc::new(ErrorPolicies { default: ErrorPolicy::new(self.default, shutdown), areas }))
    }
}

/// The answer to an error that a middleware finds, or that no route has.
pub(crate) fn answer_for<B>(request: &Request<B>, error: HttpError) -> Response<Body> {
    answer(error, &ErrorContext::new(RequestHead::of_request(request), None))
}

/// Handles, logs and answers an error as the application of the request does.
pub(crate) fn answer(error: HttpError, cx: &ErrorContext<'_>) -> Response<Body> {
    let Some(policies) = cx.head().policies() else {
        log(&error, error.status(), cx);
        return respond(&FastApi, &error, cx);
    };
    policies.of(cx.uri().path()).answer(error, cx)
}

impl ErrorPolicies {
    /// The policy of a path.
    pub(crate) fn of(&self, path: &str) -> &Arc<ErrorPolicy> {
        let is_its_area = |(template, is_prefix, _): &&(String, bool, Arc<ErrorPolicy>)| {
            covers(template, *is_prefix, path)
        };
        self.areas.iter().find(is_its_area).map_or(&self.default, |(.., policy)| policy)
    }
}

/// Whether a path is that of the template, or below it if that is a prefix.
fn covers(template: &str, is_prefix: bool, path: &str) -> bool {
    let mut parts = path.split('/');
    for expected in template.split('/') {
        if expected.starts_with("{*") {
            return true;
        }
        match parts.next() {
            Some(part) if part == expected || (expected.contains('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
    is_prefix || parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_covers_whole_segments() {
        assert!(covers("/v1", true, "/v1") && covers("/v1", true, "/v1/chat"));
        assert!(!covers("/v1", true, "/v10") && !covers("/v1", true, "/"));
        assert!(covers("/v1/{id}", false, "/v1/7") && !covers("/v1/{id}", false, "/v1/7/a"));
        assert!(!covers("/v1/{id}", false, "/v1/"));
        assert!(covers("/{tenant}/api", true, "/a/api/b") && !covers("/{tenant}/api", true, "/a"));
        assert!(covers("/files/{*rest}", false, "/files/a/b"));
    }
}
