//! The span of an attempt at a job.

use alula_jobs::{Failure, JobContext};
use http::{HeaderMap, HeaderValue};
use opentelemetry::{
    Context, global,
    trace::{SpanContext, Status, TraceContextExt as _},
};
use opentelemetry_http::HeaderExtractor;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::propagation::PARENT;

/// Makes an attempt at a job, and tells of it in the span of its worker, which is the current one.
///
/// The name of the span is `process {job}`, and it is linked to what has enqueued the job. An attempt
/// that fails, panics or is stopped is an error.
///
/// Functions with `#[job]` have it; this is for a [`Handler`](crate::jobs::Handler) of one's own.
///
/// ```
/// use alula::{
///     jobs::{Failure, Handler, JobContext},
///     otel::traced_attempt,
/// };
///
/// let double = Handler::new("double.v1", |number: u32, job: JobContext| async move {
///     traced_attempt(&job, async { Ok::<_, Failure>(number * 2) }).await
/// });
/// # assert_eq!(double.step().name, "double.v1");
/// ```
pub async fn traced_attempt<T>(
    job: &JobContext,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let span = Span::current();
    if span.is_disabled() {
        return attempt.await;
    }
    describe(&span, job);
    let mut outcome = Outcome { span, is_good: false };
    let result = attempt.await;
    outcome.is_good = result.is_ok();
    result
}

/// What has become of an attempt when it is over, or dropped.
struct Outcome {
    span: Span,
    is_good: bool,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if !self.is_good {
            self.span.set_status(Status::error(""));
        }
    }
}

/// By OpenTelemetry's conventions for messages, as far as they fit.
fn describe(span: &Span, job: &JobContext) {
    let step = job.step();
    // The field `otel.name` counts only until a span has begun.
    span.context().span().update_name(format!("process {}", step.name));
    span.set_attribute("messaging.system", "alula");
    span.set_attribute("messaging.operation.type", "process");
    span.set_attribute("messaging.destination.name", step.queue.clone());
    span.set_attribute("messaging.message.id", job.id().to_string());
    span.set_attribute("alula.job.name", step.name.clone());
    span.set_attribute("alula.job.attempt", i64::from(job.attempt()));
    if let Some(enqueued) = job.trace().and_then(context) {
        span.add_link(enqueued);
    }
}

/// The span that a `traceparent` names.
fn context(parent: &str) -> Option<SpanContext> {
    let headers = HeaderMap::from_iter([(PARENT, HeaderValue::from_str(parent).ok()?)]);
    let headers = HeaderExtractor(&headers);
    let known = global::get_text_map_propagator(|known| {
        // What is no trace must not become the one that is current.
        known.extract_with_context(&Context::new(), &headers)
    });
    Some(known.span().span_context().clone()).filter(SpanContext::is_valid)
}
