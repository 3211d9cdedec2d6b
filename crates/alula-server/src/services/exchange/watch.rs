//! A request that is under way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alula::{
    Body, RequestId,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
    middleware::RouteTemplate,
};
use tracing::{Level, Span};

use super::{Exchange, trace};
use crate::{
    logging::{ACCESS, REQUEST},
    services::metrics::{Ended, HttpMetrics},
};

/// The route of requests that have none.
const NO_ROUTE: &str = "none";

/// Probes come every few seconds: the log has them only if they fail.
const PROBES: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];

/// What is known of a request. It is told when this is dropped, which is when its last byte was
/// taken, or its client has left.
#[derive(Debug)]
pub(super) struct Watch {
    exchange: Exchange,
    metrics: Arc<HttpMetrics>,
    span: Span,
    route: Option<RouteTemplate>,
    /// The method and the path for the log, if anybody reads it. The path is a copy: a part of a
    /// head keeps the whole buffer that it came in, as long as the answer streams.
    asked: Option<(Method, Box<str>)>,
    method: &'static str,
    begun: Instant,
    status: Option<StatusCode>,
    /// To the first byte of a stream.
    first: Option<Duration>,
    is_stream: bool,
    bytes: u64,
    end: End,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client did not wait for it.
    ClientLeft,
    BrokeOff,
    Complete,
}

impl Watch {
    pub(super) fn begin(
        request: &mut Request<Body>,
        metrics: Arc<HttpMetrics>,
        has_spans: bool,
    ) -> Box<Self> {
        metrics.came();
        let extensions = request.extensions();
        let route = RouteTemplate::of(extensions);
        let id = extensions.get::<RequestId>().cloned();
        let exchange = match has_spans {
            true => Exchange::new(id, HeaderMap::new()),
            false => Exchange::without_spans(id, trace::of_client(request.headers())),
        };
        let span = match has_spans {
            true => Span::none(),
            false => tracing::info_span!(target: REQUEST, "request", request_id = exchange.id()),
        };
        let is_logged = tracing::enabled!(target: ACCESS, Level::INFO);
        let asked = is_logged.then(|| (request.method().clone(), request.uri().path().into()));
        let method = known_method(request.method());
        request.extensions_mut().insert(exchange.clone());
        Box::new(Self {
            exchange,
            metrics,
            span,
            route,
            asked,
            method,
            begun: Instant::now(),
            status: None,
            first: None,
            is_stream: false,
            bytes: 0,
            end: End::ClientLeft,
        })
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// The head of the answer is there.
    pub(super) fn answered(&mut self, response: &Response<Body>) {
        self.status = Some(response.status());
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_events = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if is_events {
            self.is_stream = true;
            self.metrics.streams();
        }
        // Nobody takes the body of these.
        if self.method == "HEAD"
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            self.end = End::Complete;
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        if self.is_stream && self.first.is_none() {
            self.first = Some(self.begun.elapsed());
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    pub(super) fn complete(&mut self) {
        if self.end == End::ClientLeft {
            self.end = End::Complete;
        }
    }

    pub(super) fn broke_off(&mut self) {
        self.end = End::BrokeOff;
    }

    fn write_line(&self, (method, path): &(Method, Box<str>), route: &str, took: Duration) {
        let is_failure = self.status.is_none_or(|status| status.is_server_error());
        if PROBES.contains(&route) && !is_failure {
            return;
        }
        let end = match self.end {
            End::Complete => "complete",
            End::ClientLeft => "client_left",
            End::BrokeOff => "broke_off",
        };
        tracing::info!(
            target: ACCESS,
            %method,
            route,
            path = &**path,
            status = self.status.map(|status| status.as_u16()),
            milliseconds = milliseconds(took),
            first_token_milliseconds = self.first.map(milliseconds),
            bytes = self.bytes,
            key = self.exchange.key(),
            end,
            "request"
        );
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let route = self.route.as_ref().map_or(NO_ROUTE, RouteTemplate::as_str);
        let status = self.status.map(|status| status.as_u16());
        let (method, bytes) = (self.method, self.bytes);
        self.metrics.ended(Ended { method, route, status, took, bytes }, self.is_stream);
        if let Some(asked) = &self.asked {
            let _entered = self.span.enter();
            self.write_line(asked, route, took);
        }
    }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "to the microsecond for centuries")]
    let microseconds = time.as_micros() as f64;
    microseconds / 1000.0
}

/// Methods are few; those that clients make up are one.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use alula::{Bytes, http::Uri};

    use super::*;

    /// The target of a request, as a connection reads it.
    struct Read(Arc<[u8]>);

    impl AsRef<[u8]> for Read {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn a_request_under_way_holds_nothing_of_the_buffer_that_it_came_in() {
        let buffer: Arc<[u8]> = Arc::from(&b"/v1/models?limit=2"[..]);
        let read = Bytes::from_owner(Read(buffer.clone()));
        let uri = Uri::from_maybe_shared(read).unwrap();
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        let watch = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            Watch::begin(&mut request, Arc::new(HttpMetrics::new()), false)
        });
        drop(request);
        assert_eq!(watch.asked.as_ref().map(|(_, path)| &**path), Some("/v1/models"));
        assert_eq!(Arc::strong_count(&buffer), 1);
    }
}
