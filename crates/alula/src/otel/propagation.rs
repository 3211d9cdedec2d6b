//! The trace beyond one request.

use http::HeaderMap;
use opentelemetry::{global, trace::TraceContextExt as _};
use opentelemetry_http::HeaderInjector;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that names a span.
#[cfg(feature = "jobs")]
pub(super) const PARENT: http::HeaderName = http::HeaderName::from_static("traceparent");

/// The headers `traceparent` and `tracestate` of the current span, for a call to another service.
///
/// Empty without a span that is recorded.
///
/// ```
/// # async fn call(http: reqwest::Client) -> reqwest::Result<()> {
/// let request = http.get("http://inventory.internal/items");
/// request.headers(alula::otel::trace_headers()).send().await?;
/// # Ok(())
/// # }
/// ```
pub fn trace_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|known| {
        known.inject_context(&context, &mut HeaderInjector(&mut headers));
    });
    headers
}

/// The `traceparent` of the current span, if there is one that is recorded.
#[cfg(feature = "jobs")]
pub(crate) fn traceparent() -> Option<String> {
    trace_headers().get(PARENT)?.to_str().ok().map(str::to_owned)
}

/// A span for what happens after the response: in the same trace, but the request's span does not
/// wait for its end.
pub(crate) fn after_response() -> Span {
    let request = Span::current();
    if request.is_disabled() {
        return Span::none();
    }
    let span = tracing::debug_span!(target: "alula::request", parent: None, "after response");
    let context = request.context();
    if !span.is_disabled() && context.span().span_context().is_valid() {
        // It fails only for a span that has begun.
        let _ = span.set_parent(context);
    }
    span
}

/// A span for a dependency.
pub(crate) fn dependency<D>() -> Span {
    let name = std::any::type_name::<D>();
    tracing::debug_span!(target: "alula::request", "dependency", otel.name = name, name)
}
