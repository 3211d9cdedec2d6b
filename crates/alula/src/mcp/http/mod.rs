//! MCP over HTTP: one path, that of [`App::mcp`](crate::App::mcp).

mod guard;
pub(super) mod headers;
mod metadata;
mod stream;

use std::sync::{Arc, OnceLock};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    routing::{MethodFilter, MethodRouter, on},
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use tokio::sync::mpsc;

pub(crate) use metadata::{mistake as metadata_mistake, routes as metadata_routes};

use self::stream::{Begun, MESSAGES_MAX};
use super::{
    access::Access,
    context::Outbox,
    engine::{Answer, Caller, Engine, changes},
    message::{Id, Incoming, Params, Request as RpcRequest, RpcError},
    session::Session,
};
use crate::{
    dependency::{Outcome, RequestScope},
    error::{HttpError, Result},
    input::{Rejection, RequestContext, RequestId},
    openapi::Operation,
    routing::{PlanEndpoint, Route, Settings, fail, route},
};

/// Where the engine will be, once the application is built.
pub(crate) type Slot = Arc<OnceLock<Arc<Engine>>>;

/// The routes of the endpoint.
pub(crate) fn routes(path: &str, slot: &Slot) -> [Route; 3] {
    [Method::POST, Method::GET, Method::DELETE].map(|method| {
        let endpoint = McpEndpoint { method: method.clone(), slot: slot.clone() };
        route(method, path, "mcp", Box::new(endpoint)).hidden()
    })
}

struct McpEndpoint {
    method: Method,
    slot: Slot,
}

impl PlanEndpoint for McpEndpoint {
    fn plan(
        self: Box<Self>,
        _: &mut Operation<'_>,
        settings: Settings,
        filter: MethodFilter,
    ) -> MethodRouter {
        let Self { method, slot } = *self;
        let planned = Arc::new(Planned { method, slot, settings });
        on(filter, move |request: Request| planned.clone().run(request))
    }
}

struct Planned {
    method: Method,
    slot: Slot,
    settings: Settings,
}

impl Planned {
    /// Answers a request, in the time that its route has for the head of the answer.
    async fn run(self: Arc<Self>, request: Request) -> Response<Body> {
        let Some(limit) = self.settings.timeout else { return self.handle(request).await };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let head = head(method, uri, request.extensions().get::<RequestId>());
        match tokio::time::timeout(limit, Box::pin(self.handle(request))).await {
            Ok(response) => response,
            Err(_) => {
                let scope = RequestScope::new(self.settings.shutdown.clone());
                let cx = RequestContext::new(head, self.settings.limits, scope);
                let detail = format!("The server did not answer within {limit:?}");
                self.fail(None, cx, HttpError::new(504, detail)).await
            }
        }
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        let scope = RequestScope::new(self.settings.shutdown.clone());
        let Some(engine) = self.slot.get() else {
            // An application that has started has one.
            let cx = RequestContext::new(request, self.settings.limits, scope);
            return self.fail(None, cx, HttpError::of_status(503)).await;
        };
        let mut cx = RequestContext::new(request, engine.limits, scope);
        let access = match self.admit(engine, &mut cx).await {
            Ok(access) => access,
            Err(error) => return self.fail(Some(engine), cx, error).await,
        };
        match self.method {
            Method::POST => self.post(engine, cx, access).await,
            Method::GET => match open(engine, &cx, &access) {
                Ok(response) => finished(cx, response),
                Err(error) => self.fail(Some(engine), cx, error).await,
            },
            _ => match close(engine, &cx, &access) {
                Ok(response) => finished(cx, response),
                Err(error) => self.fail(Some(engine), cx, error).await,
            },
        }
    }

    /// Who calls, if the request may be made at all.
    async fn admit(&self, engine: &Engine, cx: &mut RequestContext) -> Result<Arc<Access>> {
        guard::check(engine, cx)?;
        for guard in &self.settings.guards {
            match guard.check(cx).await {
                Err(Rejection::Error(error)) => return Err(error),
                // Nothing else tells the client what is missing.
                Err(Rejection::Invalid) => return Err(HttpError::validation(cx.take_details())),
                Ok(()) if cx.details_len() > 0 => {
                    return Err(HttpError::validation(cx.take_details()));
                }
                Ok(()) => {}
            }
        }
        engine.enter(cx).await
    }

    async fn fail(
        &self,
        engine: Option<&Arc<Engine>>,
        cx: RequestContext,
        error: HttpError,
    ) -> Response<Body> {
        let error = match engine.and_then(|engine| engine.auth.as_ref()) {
            Some(auth) => metadata::challenge(auth, error),
            None => error,
        };
        Box::pin(fail(Outcome::Error(error.status()), error, cx, &self.settings.errors)).await
    }

    /// Takes a message.
    async fn post(
        &self,
        engine: &Arc<Engine>,
        mut cx: RequestContext,
        access: Arc<Access>,
    ) -> Response<Body> {
        let session = match session(engine, cx.headers(), &access) {
            Ok(session) => session,
            Err(error) => return self.fail(Some(engine), cx, error).await,
        };
        let takes = Takes::of(cx.headers());
        let bytes = match check_content(cx.headers(), takes).map(|()| cx.bytes()) {
            Ok(bytes) => bytes.await,
            Err(error) => Err(error),
        };
        let message = match bytes {
            Ok(bytes) => Incoming::parse(&bytes),
            Err(error) => return self.fail(Some(engine), cx, error).await,
        };
        match message {
            Ok(Incoming::Request(request)) => {
                self.answer(engine, request, cx, (access, session, takes)).await
            }
            Ok(Incoming::Notification { method, params }) => {
                if let Some(session) = session.filter(|_| method == "notifications/cancelled") {
                    cancel(&session, &params);
                }
                finished(cx, empty(StatusCode::ACCEPTED))
            }
            Ok(Incoming::Response { id, result }) => {
                if let Some(session) = session {
                    session.answer(&id, result);
                }
                finished(cx, empty(StatusCode::ACCEPTED))
            }
            Err(malformed) => json(StatusCode::BAD_REQUEST, malformed.response()),
        }
    }

    async fn answer(
        &self,
        engine: &Arc<Engine>,
        request: RpcRequest,
        mut cx: RequestContext,
        (access, session, takes): (Arc<Access>, Option<Arc<Session>>, Takes),
    ) -> Response<Body> {
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        // Changes come by a stream only, whatever the client says that it takes.
        let streams = takes.streams || request.method == "subscriptions/listen";
        let running = session.as_ref().map(|session| session.begin(&request.id));
        let caller = Caller {
            access,
            session,
            out: Outbox(streams.then_some(sender)),
            is_http: true,
            cancelled: running.as_ref().map(|running| running.token.clone()),
        };
        let (method, uri) = (cx.method().clone(), cx.uri().clone());
        let head = head(method, uri, cx.extensions().get::<RequestId>());
        // What functions set there.
        let added = cx.head();
        let (engine_too, id) = (engine.clone(), request.id.clone());
        let call = Box::pin(async move {
            let answer = engine_too.answer(request, cx, caller).await;
            drop(running);
            answer
        });
        let mut response = match stream::begin(call, messages, &engine.shutdown, id.clone()).await {
            Begun::Streaming(stream) => stream.response(),
            Begun::Answered(Answer { refused: Some(error), .. }) => {
                let scope = RequestScope::new(self.settings.shutdown.clone());
                let cx = RequestContext::new(head, engine.limits, scope);
                return self.fail(Some(engine), cx, error).await;
            }
            Begun::Answered(answer) => answered(engine, answer, &id),
        };
        added.add_to(response.headers_mut());
        response
    }
}

/// An answer, after which what has begun with the request ends.
fn finished(cx: RequestContext, response: Response<Body>) -> Response<Body> {
    cx.into_scope().finish(Outcome::Ok, true);
    response
}

/// What an error is told of, once the rest of the request is gone.
fn head(method: Method, uri: Uri, id: Option<&RequestId>) -> Request {
    let mut head = Request::new(Body::empty());
    *head.method_mut() = method;
    *head.uri_mut() = uri;
    if let Some(id) = id {
        head.extensions_mut().insert(id.clone());
    }
    head
}

/// What the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Takes {
    json: bool,
    streams: bool,
}

impl Takes {
    fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        if values.peek().is_none() {
            return Self { json: true, streams: true };
        }
        let kinds = values.filter_map(|value| value.to_str().ok());
        let kinds: Vec<&str> = kinds.flat_map(|value| value.split(',')).map(kind).collect();
        let takes = |one: &str, all: &str| {
            kinds
                .iter()
                .any(|kind| kind.eq_ignore_ascii_case(one) || *kind == all || *kind == "*/*")
        };
        Self {
            json: takes("application/json", "application/*"),
            streams: takes("text/event-stream", "text/*"),
        }
    }
}

/// A media type without its parameters.
fn kind(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn check_content(headers: &HeaderMap, takes: Takes) -> Result<()> {
    if !takes.json && !takes.streams {
        let detail = "The client has to accept application/json and text/event-stream";
        return Err(HttpError::new(406, detail));
    }
    let content = headers.get(header::CONTENT_TYPE).and_then(|content| content.to_str().ok());
    match content.map(kind) {
        Some(content) if content.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(HttpError::new(415, "A message is sent as application/json")),
    }
}

/// The session that a request names, if it is of a revision that has sessions.
fn session(engine: &Engine, headers: &HeaderMap, access: &Access) -> Result<Option<Arc<Session>>> {
    let is_modern =
        headers.get(headers::VERSION).is_some_and(|version| version == super::message::MODERN);
    let Some(id) = headers.get(headers::SESSION).filter(|_| !is_modern) else { return Ok(None) };
    let session = id.to_str().ok().and_then(|id| engine.sessions.find(id, access.owner_name()));
    // So the client knows that it has to begin another one.
    session.map(Some).ok_or_else(|| HttpError::not_found("There is no such session"))
}

/// The stream of changes of a session.
fn open(engine: &Arc<Engine>, cx: &RequestContext, access: &Access) -> Result<Response<Body>> {
    let session = session(engine, cx.headers(), access)?;
    let not_allowed = || HttpError::new(405, "Method Not Allowed");
    let session = session.filter(|_| Takes::of(cx.headers()).streams).ok_or_else(not_allowed)?;
    let (sender, messages) = mpsc::channel(MESSAGES_MAX);
    let stream = session.open_stream();
    let changes = changes::forward(engine.mcp.listen(), session, Outbox(Some(sender)));
    let must_end = engine.shutdown.streams_must_end();
    let until = async move {
        tokio::select! {
            () = must_end => {}
            () = stream.ended.cancelled() => {}
        }
    };
    Ok(stream::of_messages(messages, until, Box::pin(changes)))
}

/// Ends a session.
fn close(engine: &Engine, cx: &RequestContext, access: &Access) -> Result<Response<Body>> {
    let id = cx.headers().get(headers::SESSION).and_then(|id| id.to_str().ok());
    match (session(engine, cx.headers(), access)?, id) {
        (Some(_), Some(id)) => {
            engine.sessions.remove(id);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        _ => Err(HttpError::new(405, "Method Not Allowed")),
    }
}

fn cancel(session: &Session, params: &[u8]) {
    let params = Params::parse(params).unwrap_or_default();
    if let Some(id) = params.request_id {
        session.cancel(&Id::of(id));
    }
}

fn answered(engine: &Engine, answer: Answer, id: &Id) -> Response<Body> {
    let Answer { json: body, status, session, .. } = answer;
    if body.is_empty() {
        // The client has cancelled the call, and waits for nothing.
        return empty(StatusCode::NO_CONTENT);
    }
    let Some(session) = session.filter(|_| engine.has_sessions) else {
        return json(status, body);
    };
    let Some(session) = engine.sessions.add(session) else {
        let error = RpcError::new(RpcError::REFUSED, "There are too many sessions");
        return json(StatusCode::SERVICE_UNAVAILABLE, error.response(Some(id)));
    };
    let mut response = json(status, body);
    if let Ok(session) = HeaderValue::try_from(session) {
        response.headers_mut().insert(headers::SESSION, session);
    }
    response
}

fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl RpcError {
    /// The status that it is answered with in the newest revision.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            Self::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            Self::PARSE
            | Self::INVALID_REQUEST
            | Self::HEADER_MISMATCH
            | Self::MISSING_CAPABILITY
            | Self::UNSUPPORTED_VERSION => StatusCode::BAD_REQUEST,
            // The request is not even of this revision.
            Self::INVALID_PARAMS
                if self.data.as_ref().is_some_and(|data| data.get("missing").is_some()) =>
            {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::OK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_takes_is_in_its_header() {
        let takes = |accept: &'static str| {
            let accept = HeaderValue::from_static(accept);
            let takes = Takes::of(&HeaderMap::from_iter([(header::ACCEPT, accept)]));
            (takes.json, takes.streams)
        };
        assert_eq!(takes("application/json, text/event-stream"), (true, true));
        assert_eq!(takes("application/json"), (true, false));
        assert_eq!(takes("text/event-stream;q=0.5"), (false, true));
        assert_eq!(takes("*/*"), (true, true));
        assert_eq!(takes("text/html"), (false, false));
        let nothing = Takes::of(&HeaderMap::new());
        assert!(nothing.json && nothing.streams);
    }
}
