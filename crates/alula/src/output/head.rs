//! The head of the answer, for whoever wants to add to it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Body;
#[cfg(feature = "mcp")]
use http::HeaderMap;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::SetCookie;
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// The head of a successful answer: an endpoint or a dependency sets its status, headers and
/// cookies here.
///
/// This is what FastAPI injects as `response: Response`. All of a request share one head. It is
/// put on top of what the endpoint returns, whatever that is; an answer whose type has a status
/// of its own, such as [`Status`](crate::Status) or [`Redirect`](crate::Redirect), keeps it. An
/// error gets nothing of it, as in FastAPI; give an [`HttpError`] its own headers.
///
/// Over MCP, headers and cookies that a function sets before it says anything are those of the HTTP
/// answer, also where a tool has failed; what the protocol says by the status and by headers stays.
///
/// A name or a value that no header can hold is a mistake of the program: the answer is a 500
/// then, and the log says why.
///
/// ```
/// use alula::prelude::*;
///
/// #[post("/log-in")]
/// async fn log_in(head: ResponseHead) -> Json<&'static str> {
///     head.set_cookie(SetCookie::new("session", "6f1c").http_only().secure());
///     head.header("x-remaining", 9);
///     Json("welcome")
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Sessions", "1.0.0").routes(routes![log_in]).client().await;
/// let response = client.post("/log-in").await;
/// let cookie = "session=6f1c; HttpOnly; Path=/; SameSite=lax; Secure";
/// assert_eq!(response.header("set-cookie"), cookie);
/// assert_eq!(response.header("x-remaining"), "9");
/// # });
/// ```
#[derive(Clone, Default)]
pub struct ResponseHead(Arc<Mutex<Head>>);

#[derive(Debug, Default)]
struct Head {
    status: Option<StatusCode>,
    changes: Vec<Change>,
    /// The first mistake of the program.
    mistake: Option<String>,
}

#[derive(Debug)]
struct Change {
    name: HeaderName,
    value: HeaderValue,
    /// Whether it takes the place of what is there.
    replaces: bool,
}

impl ResponseHead {
    /// A head of no request, to call an endpoint in a unit test.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status, from 200 to 599.
    pub fn status(&self, status: u16) {
        match StatusCode::from_u16(status) {
            Ok(valid) if (200..600).contains(&status) => self.lock().status = Some(valid),
            _ => self.mistake(format!("{status} is not an HTTP status of an answer")),
        }
    }

    /// Sets a header, in place of any other of its name.
    ///
    /// The length and the framing of the body are the server's business: `content-length` and
    /// `transfer-encoding` cannot be set.
    pub fn header<N, V>(&self, name: N, value: V)
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.change(name, value, true);
    }

    /// Adds a header beside others of its name.
    pub fn append<N, V>(&self, name: N, value: V)
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.change(name, value, false);
    }

    /// Sets a cookie.
    pub fn set_cookie(&self, cookie: SetCookie) {
        match cookie.into_header_value() {
            Ok(value) => self.push(header::SET_COOKIE, value, false),
            Err(mistake) => self.mistake(mistake),
        }
    }

    /// Has the client forget a cookie that was set for all paths.
    ///
    /// One that was set for another path, or for a domain, is removed by
    /// [`SetCookie::removal`] with the same path and domain.
    pub fn delete_cookie(&self, name: &str) {
        self.set_cookie(SetCookie::removal(name));
    }

    fn change<N, V>(&self, name: N, value: V, replaces: bool)
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let name = name.try_into().map_err(Into::into);
        match (name, value.try_into().map_err(Into::into)) {
            (Ok(name), Ok(_)) if is_framing(&name) => {
                self.mistake(format!("the header `{name}` is set by the server"));
            }
            (Ok(name), Ok(value)) => self.push(name, value, replaces),
            (Ok(name), Err(error)) => self.mistake(format!("the header `{name}`: {error}")),
            (Err(error), _) => self.mistake(format!("a header: {error}")),
        }
    }

    fn push(&self, name: HeaderName, value: HeaderValue, replaces: bool) {
        self.lock().changes.push(Change { name, value, replaces });
    }

    fn mistake(&self, mistake: String) {
        self.lock().mistake.get_or_insert(mistake);
    }

    /// The status that was set, if any.
    pub(crate) fn chosen_status(&self) -> Option<StatusCode> {
        self.lock().status
    }

    /// Puts everything on top of an answer.
    pub(crate) fn apply(&self, mut response: Response<Body>) -> Result<Response<Body>> {
        let mut head = self.lock();
        if let Some(mistake) = head.mistake.take() {
            return Err(HttpError::internal(mistake));
        }
        response.headers_mut().reserve(head.changes.len());
        for Change { name, value, replaces } in head.changes.drain(..) {
            match replaces {
                true => drop(response.headers_mut().insert(name, value)),
                false => drop(response.headers_mut().append(name, value)),
            }
        }
        if head.status.is_some() && has_no_body(response.status()) {
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        Ok(response)
    }

    /// Puts the headers on top of those of an answer whose status and body say something else. What
    /// these have stays, and what tells of a body is left out.
    #[cfg(feature = "mcp")]
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        let mut head = self.lock();
        if let Some(mistake) = head.mistake.take() {
            tracing::error!(mistake, "a header was left out");
        }
        if head.changes.is_empty() {
            return;
        }
        let own: Vec<HeaderName> = headers.keys().cloned().collect();
        for Change { name, value, replaces } in head.changes.drain(..) {
            if own.contains(&name) || name.as_str().starts_with("content-") {
                continue;
            }
            match replaces {
                true => drop(headers.insert(name, value)),
                false => drop(headers.append(name, value)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Head> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_framing(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseHead").field(&*self.lock()).finish()
    }
}

impl Input for ResponseHead {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.needs_request("the head of its answer");
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(cx.head())
    }
}
