//! The span of one request.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{middleware::map_request, routing::MethodRouter};
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version, header, uri::Authority};
use opentelemetry::{
    KeyValue, global,
    trace::{Status, TraceContextExt as _},
};
use opentelemetry_http::HeaderExtractor;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{
    Telemetry,
    metrics::{Instruments, Measured},
};
use crate::{
    input::RequestId,
    middleware::{ClientAddr, IsHttps},
};

/// What is known of a request only once it was routed.
struct Routed {
    route: Arc<str>,
    /// Who the proxies say that it is, if they are trusted.
    client: Option<ClientAddr>,
    is_https: Option<bool>,
}

/// Where that is noted.
#[derive(Clone, Default)]
struct RouteSlot(Arc<OnceLock<Routed>>);

/// Puts around the handlers of a path what notes its template, such as `/items/{id}`, in the
/// trace of each request.
pub(crate) fn note_route(handlers: MethodRouter, path: &str) -> MethodRouter {
    let route = Arc::<str>::from(path);
    handlers.layer(map_request(move |request: axum::extract::Request| {
        let extensions = request.extensions();
        if let Some(RouteSlot(slot)) = extensions.get() {
            let is_https = extensions.get::<IsHttps>().map(|is_https| is_https.0);
            let client = ClientAddr::of(extensions);
            // A request is routed once.
            let _ = slot.set(Routed { route: route.clone(), client, is_https });
        }
        std::future::ready(request)
    }))
}

/// A request from its head to the end of its response.
pub(crate) struct RequestTrace {
    span: Span,
    instruments: Arc<Instruments>,
    route: RouteSlot,
    /// What all its measurements have in common.
    common: [KeyValue; 2],
    peer: Option<ClientAddr>,
    protocol: Option<&'static str>,
    start: Instant,
    is_head: bool,
    status: Option<StatusCode>,
    request_bytes: Option<u64>,
    response_bytes: u64,
    error: Option<&'static str>,
    is_complete: bool,
}

impl RequestTrace {
    /// Begins with the head of a request.
    pub(crate) fn begin<B>(
        telemetry: &Telemetry,
        request: &mut Request<B>,
        id: &RequestId,
    ) -> Self {
        let method = known_method(request.method());
        // Whatever the client writes there, it speaks one of the two.
        let scheme = match request.uri().scheme_str() {
            Some("https") => "https",
            _ => "http",
        };
        let route = RouteSlot::default();
        request.extensions_mut().insert(route.clone());
        let span = tracing::info_span!(
            target: "alula::request",
            "request",
            otel.name = method,
            otel.kind = "server",
            request_id = id.as_str(),
        );
        if !span.is_disabled() {
            let headers = HeaderExtractor(request.headers());
            let parent = global::get_text_map_propagator(|known| known.extract(&headers));
            if parent.span().span_context().is_valid() {
                // It fails only for a span that has begun.
                let _ = span.set_parent(parent);
            }
            describe(&span, request, id, method);
        }
        let common =
            [KeyValue::new("http.request.method", method), KeyValue::new("url.scheme", scheme)];
        let instruments = telemetry.instruments().clone();
        instruments.begin(&common);
        Self {
            span,
            instruments,
            route,
            common,
            peer: ClientAddr::of(request.extensions()),
            protocol: protocol(request.version()),
            start: Instant::now(),
            is_head: *request.method() == Method::HEAD,
            status: None,
            request_bytes: content_length(request.headers()),
            response_bytes: 0,
            error: None,
            is_complete: false,
        }
    }

    /// The span, to be entered while something happens for the request.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Notes the head of the response.
    pub(crate) fn responded(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.is_complete = self.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.response_bytes = self.response_bytes.saturating_add(bytes as u64);
    }

    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    pub(super) fn broke_off(&mut self) {
        self.error = Some("response_body");
    }

    /// What the span and the measurements say at the end.
    fn attributes(&self) -> Vec<KeyValue> {
        let [method, scheme] = self.common.clone();
        let routed = self.route.0.get();
        let is_https = routed.and_then(|routed| routed.is_https);
        let scheme = match is_https {
            Some(true) => KeyValue::new("url.scheme", "https"),
            Some(false) => KeyValue::new("url.scheme", "http"),
            None => scheme,
        };
        let status = self.status.map(|status| i64::from(status.as_u16()));
        let rest = [
            self.protocol.map(|version| KeyValue::new("network.protocol.version", version)),
            routed.map(|routed| KeyValue::new("http.route", routed.route.clone())),
            status.map(|status| KeyValue::new("http.response.status_code", status)),
            self.error().map(|error| KeyValue::new("error.type", error)),
        ];
        [method, scheme].into_iter().chain(rest.into_iter().flatten()).collect()
    }

    fn finish_span(&self, attributes: &[KeyValue]) {
        let routed = self.route.0.get();
        if let Some(Routed { route, .. }) = routed {
            let [method, _] = &self.common;
            let name = format!("{} {route}", method.value.as_str());
            // The field `otel.name` counts only until a span has begun.
            self.span.context().span().update_name(name);
        }
        let is_known = |attribute: &&KeyValue| attribute.key.as_str() != "http.request.method";
        for KeyValue { key, value, .. } in attributes.iter().filter(is_known) {
            self.span.set_attribute(key.clone(), value.clone());
        }
        let client = routed.map_or(self.peer, |routed| routed.client);
        if let Some(ClientAddr(client)) = client {
            self.span.set_attribute("client.address", client.to_string());
        }
        let is_error = self.status.is_some_and(|status| status.is_server_error());
        if is_error || self.error.is_some() {
            self.span.set_status(Status::error(""));
        }
    }

    /// What went wrong, if anything: an error of the server by its status.
    fn error(&self) -> Option<String> {
        match (self.error, self.status) {
            (Some(error), _) => Some(error.to_owned()),
            (None, Some(status)) if status.is_server_error() => Some(status.as_str().to_owned()),
            (None, Some(_)) if self.is_complete => None,
            (None, _) => Some("client_disconnected".to_owned()),
        }
    }
}

impl Drop for RequestTrace {
    fn drop(&mut self) {
        self.instruments.end(&self.common);
        let attributes = self.attributes();
        if !self.span.is_disabled() {
            self.finish_span(&attributes);
        }
        let measured = Measured {
            seconds: self.start.elapsed().as_secs_f64(),
            request_bytes: self.request_bytes,
            response_bytes: self.status.map(|_| self.response_bytes),
        };
        self.instruments.record(measured, &attributes);
    }
}

/// What is known before the request is handled, so that a sampler may look at it.
fn describe<B>(span: &Span, request: &Request<B>, id: &RequestId, method: &str) {
    span.set_attribute("http.request.method", method.to_owned());
    if method == OTHER {
        span.set_attribute("http.request.method_original", request.method().to_string());
    }
    span.set_attribute("url.path", request.uri().path().to_owned());
    if let Some(server) = authority(request.headers(), request.uri()) {
        span.set_attribute("server.address", server.host().to_owned());
        if let Some(port) = server.port_u16() {
            span.set_attribute("server.port", i64::from(port));
        }
    }
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    if let Some(agent) = agent {
        span.set_attribute("user_agent.original", agent.to_owned());
    }
    span.set_attribute("alula.request_id", id.as_str().to_owned());
}

/// The method of all requests whose method is not in a standard: there may be any number.
const OTHER: &str = "_OTHER";

fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => OTHER,
    }
}

fn protocol(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

fn authority(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| host.parse().ok()).or_else(|| uri.authority().cloned())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
