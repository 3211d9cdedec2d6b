//! Spans, by OpenTelemetry's [conventions for generative AI][conventions].
//!
//! [conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/

use tracing::{Level, Span, field::Empty};

use super::{CallRecord, Outcome, Server};
use crate::{BreakerState, ChatRequest, StopReason, Usage};

/// Under which spans are filtered.
const TARGET: &str = "alula_llm::call";

/// Whether anybody wants spans of calls.
pub(super) fn is_wanted() -> bool {
    tracing::span_enabled!(target: TARGET, Level::INFO)
}

/// The span of a call with all its attempts. What is asked is in it, and nothing that anybody
/// wrote.
pub(super) fn of_call(record: &CallRecord, request: Option<&ChatRequest>) -> Span {
    let model = record.model.as_deref().unwrap_or(&record.asked);
    tracing::info_span!(
        target: TARGET,
        "llm",
        otel.name = %format_args!("{} {model}", record.operation),
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        gen_ai.operation.name = record.operation,
        gen_ai.provider.name = Empty,
        gen_ai.request.model = Empty,
        gen_ai.request.stream = record.streamed.then_some(true),
        gen_ai.request.max_tokens = request.and_then(|it| whole(it.max_tokens?)),
        gen_ai.request.temperature = request.and_then(|it| it.temperature),
        gen_ai.request.top_p = request.and_then(|it| it.top_p),
        gen_ai.request.top_k = request.and_then(|it| whole(it.top_k?)),
        gen_ai.request.seed = request.and_then(|it| it.seed),
        gen_ai.request.choice.count = request.and_then(|it| whole(it.n.filter(|n| *n != 1)?)),
        gen_ai.request.frequency_penalty = request.and_then(|it| it.frequency_penalty),
        gen_ai.request.presence_penalty = request.and_then(|it| it.presence_penalty),
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.response.time_to_first_chunk = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        server.address = Empty,
        server.port = Empty,
        alula.attempts = Empty,
        alula.breaker.open = Empty,
        alula.cached = Empty,
        alula.cost.micro_usd = Empty,
        alula.time_per_output_chunk = Empty,
    )
}

/// The span of one attempt: from the wait for its turn until it is answered, or its stream has
/// begun.
pub(super) fn of_attempt(
    call: &Span,
    provider: &str,
    model: &str,
    server: Option<&Server>,
    breaker: BreakerState,
    number: u32,
) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: call,
        "attempt",
        otel.kind = "internal",
        otel.status_code = Empty,
        "error.type" = Empty,
        alula.attempt = i64::from(number),
        alula.provider = provider,
        alula.model = model,
        alula.breaker = state_name(breaker),
        server.address = server.map(|it| it.address.as_str()),
        server.port = server.map(|it| i64::from(it.port)),
    )
}

pub(super) fn failed(span: &Span, error_type: &str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}

/// What is known at the end; also which target it was, as an attribute can be set only once.
pub(super) fn finish(span: &Span, record: &CallRecord, server: Option<&Server>) {
    if span.is_disabled() {
        return;
    }
    match (&record.outcome, record.error_type()) {
        (Outcome::Failed(_), Some(error_type)) => failed(span, error_type),
        (_, error_type) => {
            span.record("error.type", error_type);
        }
    }
    let model = record.model.as_deref().unwrap_or(&record.asked);
    span.record("gen_ai.provider.name", record.provider.as_deref().map(well_known));
    span.record("gen_ai.request.model", model);
    span.record("server.address", server.map(|it| it.address.as_str()));
    span.record("server.port", server.map(|it| i64::from(it.port)));
    span.record("gen_ai.response.id", record.id.as_deref());
    span.record("gen_ai.response.model", record.answered_by.as_deref());
    span.record("alula.attempts", i64::from(record.attempts));
    if !record.passed_over.is_empty() {
        span.record("alula.breaker.open", record.passed_over.join(","));
    }
    span.record("alula.cached", record.is_cached.then_some(true));
    let seconds = record.first_token.map(|it| it.as_secs_f64());
    span.record("gen_ai.response.time_to_first_chunk", seconds);
    span.record("alula.time_per_output_chunk", record.per_piece.map(|it| it.as_secs_f64()));
    let cost = record.cost.and_then(|cost| whole(cost.total().get()));
    span.record("alula.cost.micro_usd", cost);
    if let Some(usage) = &record.usage {
        record_usage(span, usage);
    }
    record_stops(span, &record.stops);
}

fn record_usage(span: &Span, usage: &Usage) {
    span.record("gen_ai.usage.input_tokens", whole(usage.input));
    span.record("gen_ai.usage.output_tokens", whole(usage.output));
    span.record("gen_ai.usage.cache_read.input_tokens", usage.cache_read.and_then(whole));
    span.record("gen_ai.usage.cache_creation.input_tokens", usage.cache_write.and_then(whole));
    span.record("gen_ai.usage.reasoning.output_tokens", usage.reasoning.and_then(whole));
}

#[cfg(feature = "otel")]
fn record_stops(span: &Span, stops: &[StopReason]) {
    use opentelemetry::{Array, StringValue, Value};
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    if !stops.is_empty() {
        let names = stops.iter().map(|stop| StringValue::from(stop.name().to_owned()));
        let names = Value::Array(Array::String(names.collect()));
        span.set_attribute("gen_ai.response.finish_reasons", names);
    }
}

/// `tracing` has no lists.
#[cfg(not(feature = "otel"))]
fn record_stops(span: &Span, stops: &[StopReason]) {
    if !stops.is_empty() {
        let names: Vec<&str> = stops.iter().map(StopReason::name).collect();
        span.record("gen_ai.response.finish_reasons", names.join(","));
    }
}

/// The conventions' own names of some providers.
pub(super) fn well_known(provider: &str) -> &str {
    match provider {
        "azure" => "azure.ai.openai",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
}

fn state_name(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half_open",
    }
}

/// Numbers are signed here.
fn whole(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}
