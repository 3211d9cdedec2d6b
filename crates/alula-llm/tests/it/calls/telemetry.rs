//! Spans and measurements, as a collector gets them.

use std::{collections::BTreeMap, time::Duration};

use alula_llm::{BreakerPolicy, ChatRequest, ErrorKind, LlmBuilder, RetryPolicy, Route};
use futures_util::StreamExt;
use opentelemetry::{
    Value,
    metrics::MeterProvider as _,
    trace::{SpanKind, Status, TracerProvider as _},
};
use opentelemetry_sdk::{
    metrics::{
        InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
        data::{AggregatedMetrics, MetricData, ResourceMetrics},
    },
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use tracing::{Instrument, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Scripted, Step, Told, answer, builder, failure, request, start, text, usage};

/// What has been recorded in this thread.
struct Collector {
    spans: InMemorySpanExporter,
    points: InMemoryMetricExporter,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    _guard: DefaultGuard,
}

fn collector() -> Collector {
    let (spans, points) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
    let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let reader = PeriodicReader::builder(points.clone()).build();
    let metrics = SdkMeterProvider::builder().with_reader(reader).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("test"))
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    Collector { spans, points, traces, metrics, _guard: guard }
}

impl Collector {
    fn builder(&self, calls: impl IntoIterator<Item = Vec<Step>>) -> LlmBuilder {
        builder(&Told::default(), calls).meter(&self.metrics.meter("test"))
    }

    /// The span of the only call, and those of its attempts.
    fn call(&self) -> (SpanData, Vec<SpanData>) {
        self.traces.force_flush().unwrap();
        let spans = self.spans.get_finished_spans().unwrap();
        let (attempts, mut others): (Vec<_>, Vec<_>) =
            spans.into_iter().partition(|span| span.name == "attempt");
        assert_eq!(others.len(), 1, "{others:?}");
        (others.remove(0), attempts)
    }

    fn points(&self) -> Vec<ResourceMetrics> {
        self.metrics.force_flush().unwrap();
        self.points.get_finished_metrics().unwrap()
    }
}

/// The attributes of a span; none is there twice.
#[track_caller]
fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let all: BTreeMap<_, _> =
        span.attributes.iter().map(|it| (it.key.to_string(), it.value.to_string())).collect();
    assert_eq!(all.len(), span.attributes.len(), "{:?}", span.attributes);
    all
}

#[track_caller]
fn check(span: &SpanData, expected: &[(&str, &str)]) {
    let all = attributes(span);
    let all: Vec<_> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_span_by_the_conventions() {
    let collector = collector();
    let llm = collector.builder([answer()]).build().unwrap();
    let request = request().max_tokens(64).temperature(0.5);
    let request = ChatRequest { top_k: Some(3), seed: Some(7), n: Some(2), ..request };
    let events = llm.stream(request).await.unwrap();
    assert!(collector.spans.get_finished_spans().unwrap().iter().all(|it| it.name == "attempt"));
    events.collect::<Vec<_>>().await;

    let (call, attempts) = collector.call();
    assert_eq!(call.name, "chat large");
    assert_eq!(call.span_kind, SpanKind::Client);
    assert_eq!(call.status, Status::Unset);
    check(
        &call,
        &[
            ("alula.attempts", "1"),
            ("alula.cost.micro_usd", "1310"),
            ("alula.time_per_output_chunk", "0.5"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "one"),
            ("gen_ai.request.choice.count", "2"),
            ("gen_ai.request.max_tokens", "64"),
            ("gen_ai.request.model", "large"),
            ("gen_ai.request.seed", "7"),
            ("gen_ai.request.stream", "true"),
            ("gen_ai.request.temperature", "0.5"),
            ("gen_ai.request.top_k", "3"),
            ("gen_ai.response.finish_reasons", "[\"stop\"]"),
            ("gen_ai.response.id", "id-1"),
            ("gen_ai.response.model", "large-2026-01-01"),
            ("gen_ai.response.time_to_first_chunk", "1"),
            ("gen_ai.usage.cache_read.input_tokens", "10"),
            ("gen_ai.usage.input_tokens", "100"),
            ("gen_ai.usage.output_tokens", "20"),
            ("server.address", "api.example.com"),
            ("server.port", "443"),
        ],
    );
    let number = call.attributes.iter().find(|it| it.key.as_str() == "gen_ai.usage.input_tokens");
    assert_eq!(number.unwrap().value, Value::I64(100));
    let [attempt] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert_eq!(attempt.parent_span_id, call.span_context.span_id());
    check(
        attempt,
        &[
            ("alula.attempt", "1"),
            ("alula.breaker", "closed"),
            ("alula.model", "large"),
            ("alula.provider", "one"),
            ("server.address", "api.example.com"),
            ("server.port", "443"),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_are_parts_of_the_call_and_the_call_of_its_caller() {
    let collector = collector();
    let two = Scripted::new("gemini", [answer()]);
    let failures = [failure(ErrorKind::Unavailable), failure(ErrorKind::Auth)];
    let llm = collector.builder(failures).provider(two);
    let llm = llm.route("best", Route::to("one/large").fallback("gemini/pro")).build().unwrap();
    let outer = tracing::info_span!("outer");
    llm.chat(ChatRequest::new("best").user("hi")).instrument(outer.clone()).await.unwrap();
    drop(outer);

    let spans = collector.spans.get_finished_spans().unwrap();
    let outer = spans.iter().find(|span| span.name == "outer").unwrap();
    let call = spans.iter().find(|span| span.name == "chat large").unwrap();
    assert_eq!(call.parent_span_id, outer.span_context.span_id());
    let all = attributes(call);
    assert_eq!(all["gen_ai.provider.name"], "gcp.gemini");
    assert_eq!(all["gen_ai.request.model"], "pro");
    assert_eq!(all["alula.attempts"], "3");
    assert_eq!(call.status, Status::Unset, "it was answered in the end");
    let attempts = spans.iter().filter(|span| span.name == "attempt").map(|span| {
        assert_eq!(span.parent_span_id, call.span_context.span_id());
        let all = attributes(span);
        (all["alula.provider"].clone(), all.get("error.type").cloned())
    });
    let error = |name: &str| Some(name.to_owned());
    assert_eq!(
        attempts.collect::<Vec<_>>(),
        [
            ("one".to_owned(), error("unavailable")),
            ("one".to_owned(), error("auth")),
            ("gemini".to_owned(), None),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn failures_and_callers_that_leave_are_told_apart() {
    let failed = collector();
    let llm = failed.builder([failure(ErrorKind::Auth)]).build().unwrap();
    llm.chat(request()).await.unwrap_err();
    let (call, _) = failed.call();
    assert_eq!(attributes(&call)["error.type"], "auth");
    assert_eq!(call.status, Status::error(""));
    drop(failed);

    let left = collector();
    let steps = vec![start(), usage(100, 1), text("a"), text("b"), Step::Wait(Duration::MAX)];
    let llm = left.builder([steps]).build().unwrap();
    let mut events = llm.stream(request()).await.unwrap();
    events.next().await.unwrap().unwrap();
    events.next().await.unwrap().unwrap();
    drop(events);
    let (call, _) = left.call();
    let all = attributes(&call);
    assert_eq!(all["error.type"], "client_disconnected");
    assert_eq!(all["gen_ai.usage.output_tokens"], "1", "what it had used");
    assert_eq!(call.status, Status::Unset, "nothing went wrong");
    drop(left);

    let nobody = collector();
    let llm = nobody.builder([]).provider(alula_llm::Demo::new()).build().unwrap();
    llm.chat(ChatRequest::new("unknown/model")).await.unwrap_err();
    let (call, attempts) = nobody.call();
    assert_eq!((&*call.name, attempts.len()), ("chat unknown/model", 0));
    assert_eq!(attributes(&call)["error.type"], "not_found");
}

/// The sums and counts of a histogram, by the attribute `key`.
#[track_caller]
fn histogram(points: &[ResourceMetrics], name: &str, key: &str) -> BTreeMap<String, (f64, u64)> {
    let scopes = points.last().unwrap().scope_metrics();
    let metric = scopes.flat_map(|scope| scope.metrics()).find(|metric| metric.name() == name);
    let mut found = BTreeMap::new();
    let mut add = |attributes: Vec<(String, String)>, sum: f64, count: u64| {
        let value = attributes.into_iter().find(|(name, _)| name == key);
        found.insert(value.map_or(String::new(), |(_, value)| value), (sum, count));
    };
    match metric.unwrap().data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            for point in histogram.data_points() {
                let bounds: Vec<_> = point.bounds().collect();
                assert_eq!((bounds[0], bounds.len()), (0.01, 14));
                let all = point.attributes().map(|it| (it.key.to_string(), it.value.to_string()));
                add(all.collect(), point.sum(), point.count());
            }
        }
        AggregatedMetrics::U64(MetricData::Histogram(histogram)) => {
            for point in histogram.data_points() {
                let bounds: Vec<_> = point.bounds().collect();
                assert!([(1.0, 14), (0.0, 7)].contains(&(bounds[0], bounds.len())), "{bounds:?}");
                let all = point.attributes().map(|it| (it.key.to_string(), it.value.to_string()));
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                add(all.collect(), point.sum() as f64, point.count());
            }
        }
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            for point in sum.data_points() {
                let all = point.attributes().map(|it| (it.key.to_string(), it.value.to_string()));
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                add(all.collect(), point.value() as f64, 1);
            }
        }
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
            for point in gauge.data_points() {
                let all = point.attributes().map(|it| (it.key.to_string(), it.value.to_string()));
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                add(all.collect(), point.value() as f64, 1);
            }
        }
        other => panic!("{other:?}"),
    }
    found
}

#[tokio::test(start_paused = true)]
async fn attempts_costs_and_breakers_are_measured() {
    let collector = collector();
    let two = Scripted::new("two", [answer(), answer()]);
    let llm = collector
        .builder([failure(ErrorKind::Unavailable), failure(ErrorKind::Unavailable)])
        .provider(two)
        .route("best", Route::to("one/large").fallback("two/large"))
        .retry(RetryPolicy::default().attempts(2))
        .breaker(BreakerPolicy::default().failures(1))
        .build()
        .unwrap();
    let ask = || llm.chat(ChatRequest::new("best").user("hi"));
    ask().await.unwrap();
    let by_provider = |name| histogram(&collector.points(), name, "gen_ai.provider.name");
    assert_eq!(by_provider("alula.llm.attempts")["two"], (3.0, 1));
    let breakers = by_provider("alula.llm.breaker.state");
    assert_eq!((breakers["one"], breakers["two"]), ((2.0, 1), (0.0, 1)));
    // Nobody knows what this provider charges.
    collector.spans.reset();
    ask().await.unwrap();
    assert_eq!(by_provider("alula.llm.attempts")["two"], (4.0, 2));
    let (call, attempts) = collector.call();
    assert_eq!(attributes(&call)["alula.breaker.open"], "one/large");
    assert_eq!(attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_calls_cost_is_added_up() {
    let collector = collector();
    let llm = collector.builder([answer(), answer()]).build().unwrap();
    for _ in 0..2 {
        llm.chat(request()).await.unwrap();
    }
    let cost = histogram(&collector.points(), "alula.llm.cost", "gen_ai.request.model");
    assert_eq!(cost["large"].0, 2.0 * 1310.0);
}

#[tokio::test(start_paused = true)]
async fn calls_are_measured_by_the_conventions() {
    let collector = collector();
    let calls = [answer(), answer(), failure(ErrorKind::Auth)];
    let llm = collector.builder(calls).build().unwrap();
    llm.stream(request()).await.unwrap().collect::<Vec<_>>().await;
    llm.chat(request()).await.unwrap();
    llm.chat(request()).await.unwrap_err();

    let points = collector.points();
    let seconds = "gen_ai.client.operation.duration";
    let by_error = histogram(&points, seconds, "error.type");
    assert_eq!(by_error[""], (4.0, 2));
    assert_eq!(by_error["auth"], (0.0, 1));
    let tokens = histogram(&points, "gen_ai.client.token.usage", "gen_ai.token.type");
    assert_eq!(tokens["input"], (200.0, 2));
    assert_eq!(tokens["output"], (40.0, 2));
    let by_model = |name: &str| histogram(&points, name, "gen_ai.request.model");
    assert_eq!(by_model("gen_ai.client.operation.time_to_first_chunk")["large"], (1.0, 1));
    assert_eq!(by_model("gen_ai.client.operation.time_per_output_chunk")["large"], (1.0, 2));
    for key in ["gen_ai.provider.name", "gen_ai.operation.name", "server.address"] {
        assert!(!histogram(&points, seconds, key).contains_key(""), "{key}");
    }
}
