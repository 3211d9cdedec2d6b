//! What a collector is told, decoded from what it really receives.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alula::{
    Limits, Server, Shutdown, middleware::TrustedProxies, otel::Telemetry, prelude::*,
    testing::TestClient,
};
use axum::{body::Bytes as Body, extract::State as Shared, routing::post as axum_post};
use futures_util::{StreamExt as _, stream};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, metric::Data},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Default)]
struct Received {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

impl Received {
    fn spans(&self) -> Vec<Span> {
        let requests = self.traces.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span `{name}` among {names:?}")).clone()
    }

    /// The last that is known of a metric.
    fn metric(&self, name: &str) -> Metric {
        let requests = self.metrics.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_metrics);
        let scopes = resources.flat_map(|resource| &resource.scope_metrics);
        let mut metrics = scopes.flat_map(|scope| &scope.metrics);
        metrics.rfind(|metric| metric.name == name).unwrap().clone()
    }
}

/// A collector that takes everything.
struct Collector {
    address: String,
    received: Received,
    _server: JoinSet<()>,
}

async fn collector() -> Collector {
    let received = Received::default();
    let traces = async |Shared(received): Shared<Received>, body: Body| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        received.traces.lock().unwrap().push(request);
    };
    let metrics = async |Shared(received): Shared<Received>, body: Body| {
        let request = ExportMetricsServiceRequest::decode(body).unwrap();
        received.metrics.lock().unwrap().push(request);
    };
    let app = axum::Router::new()
        .route("/v1/traces", axum_post(traces))
        .route("/v1/metrics", axum_post(metrics))
        .with_state(received.clone());
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let address = format!("http://{}", server.local_addr());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        server.run(app, Shutdown::new()).await;
    });
    Collector { address, received, _server: tasks }
}

/// What one attribute says, as text.
fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

impl Collector {
    /// Telemetry for this collector, in the log of this thread.
    fn telemetry(&self, level: Level) -> (Telemetry, DefaultGuard) {
        let builder = Telemetry::builder("shop").endpoint(&self.address);
        let telemetry = builder.service_version("1.2.3").level(level).build().unwrap();
        let subscriber = tracing_subscriber::registry().with(telemetry.layer());
        (telemetry, tracing::subscriber::set_default(subscriber))
    }
}

#[get("/items/{id}")]
async fn item(
    Path(id): Path<u32>,
    _caller: Depends<caller>,
    tasks: BackgroundTasks,
) -> Result<Json<u32>> {
    tracing::info!(answer = 42, "looking");
    tasks.add(async { tracing::info!("afterwards") });
    match id {
        0 => Err(std::io::Error::other("disk on fire").into()),
        id => Ok(Json(id)),
    }
}

#[dependency]
async fn caller() -> u8 {
    7
}

/// Where a call to another service would say that it comes from.
#[get("/outgoing")]
async fn outgoing() -> Json<String> {
    let headers = alula::otel::trace_headers();
    Json(headers["traceparent"].to_str().unwrap().to_owned())
}

async fn client(telemetry: Telemetry) -> TestClient {
    let routes = routes![item, outgoing, parts, chat];
    App::new("Shop", "1.0.0").telemetry(telemetry).routes(routes).client().await
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_request_is_a_span_by_the_conventions() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::INFO);
    let client = client(telemetry).await;
    let request = client.get("/items/7?secret=1").header("x-request-id", "r1");
    let request = request.header("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let request = request.header("tracestate", "vendor=1").header("user-agent", "test/1");
    assert_eq!(request.header("host", "shop.example:81").await.json::<u32>(), 7);
    client.shutdown().await;

    let span = collector.received.span("GET /items/{id}");
    assert_eq!(span.kind, 2, "server");
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(span.trace_state, "vendor=1");
    let expected = [
        ("http.request.method", "GET"),
        ("http.route", "/items/{id}"),
        ("http.response.status_code", "200"),
        ("url.path", "/items/7"),
        ("url.scheme", "http"),
        ("server.address", "shop.example"),
        ("server.port", "81"),
        ("user_agent.original", "test/1"),
        ("network.protocol.version", "1.1"),
        ("alula.request_id", "r1"),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(&span.attributes, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(attribute(&span.attributes, "error.type"), None);
    assert_eq!(span.status.unwrap_or_default().code(), StatusCode::Unset);
    let events: Vec<_> = span.events.iter().map(|event| event.name.as_str()).collect();
    assert!(events.contains(&"looking"), "{events:?}");
    assert!(!events.contains(&"afterwards"), "the span ends with the response: {events:?}");

    let requests = collector.received.traces.lock().unwrap();
    let resource = requests[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name").as_deref(), Some("shop"));
    assert_eq!(attribute(&resource.attributes, "service.version").as_deref(), Some("1.2.3"));
}

#[tokio::test]
async fn an_error_of_the_server_is_one_of_the_span() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::INFO);
    let client = client(telemetry).await;
    assert_eq!(client.get("/items/0").await.status(), 500);
    assert_eq!(client.get("/items/x").await.status(), 422);
    assert_eq!(client.get("/nowhere").await.status(), 404);
    client.shutdown().await;

    let spans = collector.received.spans();
    let of = |status: &str| {
        let has = |span: &&Span| {
            attribute(&span.attributes, "http.response.status_code").as_deref() == Some(status)
        };
        spans.iter().find(has).unwrap()
    };
    let failed = of("500");
    assert_eq!(failed.status.clone().unwrap().code(), StatusCode::Error);
    assert_eq!(attribute(&failed.attributes, "error.type").as_deref(), Some("500"));
    let refused = of("422");
    assert_eq!(refused.status.clone().unwrap_or_default().code(), StatusCode::Unset);
    assert_eq!(attribute(&refused.attributes, "error.type"), None);
    let unknown = of("404");
    assert_eq!(
        (unknown.name.as_str(), attribute(&unknown.attributes, "http.route")),
        ("GET", None)
    );
}

#[tokio::test]
async fn what_belongs_to_a_request_is_in_its_trace() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::DEBUG);
    let client = client(telemetry).await;
    client.get("/items/7").await;
    let traceparent = client.get("/outgoing").await.json::<String>();
    client.shutdown().await;

    let request = collector.received.span("GET /items/{id}");
    let spans = collector.received.spans();
    let dependency = spans.iter().find(|span| span.name.ends_with("::caller")).unwrap();
    assert_eq!(dependency.parent_span_id, request.span_id);
    let after = collector.received.span("after response");
    assert_eq!(after.parent_span_id, request.span_id);
    assert_eq!(after.events[0].name, "afterwards");

    let outgoing = collector.received.span("GET /outgoing");
    let expected = format!("00-{}-{}-01", hex(&outgoing.trace_id), hex(&outgoing.span_id));
    assert_eq!(traceparent, expected);
}

/// Two parts, the second once the test has read the first.
#[get("/parts")]
async fn parts() -> JsonLines<impl Stream<Item = u32>> {
    JsonLines::new(stream::iter([1, 2]).inspect(|part| tracing::info!("part {part}")))
}

#[ws("/chat/{room}")]
async fn chat(mut socket: WebSocket, Path(room): Path<u32>) -> Result<()> {
    while let Some(text) = socket.recv_text().await {
        tracing::info!(room, "message {}", text?);
    }
    Ok(())
}

#[tokio::test]
async fn a_span_lasts_until_the_body_or_the_socket_ends() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::INFO);
    let client = client(telemetry).await;
    assert_eq!(client.get("/parts").await.text(), "1\n2\n");
    drop(client.get("/parts").stream().await);
    let mut socket = client.websocket("/chat/1").connect().await.unwrap();
    socket.send_text("hello").await;
    socket.close().await;
    client.shutdown().await;

    let names =
        |span: &Span| span.events.iter().map(|event| event.name.clone()).collect::<Vec<_>>();
    let spans = collector.received.spans();
    let mut parts = spans.iter().filter(|span| span.name == "GET /parts");
    let (whole, left) = (parts.next().unwrap(), parts.next().unwrap());
    assert!(names(whole).ends_with(&["part 1".into(), "part 2".into()]), "{:?}", names(whole));
    assert_eq!(attribute(&whole.attributes, "error.type"), None);
    let error = attribute(&left.attributes, "error.type");
    assert_eq!(error.as_deref(), Some("client_disconnected"));
    let socket = collector.received.span("GET /chat/{room}");
    assert_eq!(attribute(&socket.attributes, "http.response.status_code").as_deref(), Some("101"));
    assert!(names(&socket).contains(&"message hello".to_owned()), "{:?}", names(&socket));
}

#[tokio::test]
async fn requests_are_measured() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::INFO);
    let client = client(telemetry).await;
    client.get("/items/1").await;
    client.get("/items/2").await;
    client.get("/items/0").await;
    client.shutdown().await;

    let duration = collector.received.metric("http.server.request.duration");
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(histogram)) = duration.data else { panic!("a histogram") };
    let mut counts: Vec<_> = histogram
        .data_points
        .iter()
        .map(|point| {
            let of = |key| attribute(&point.attributes, key).unwrap_or_default();
            (of("http.route"), of("http.response.status_code"), of("error.type"), point.count)
        })
        .collect();
    counts.sort();
    let route = "/items/{id}".to_owned();
    assert_eq!(
        counts,
        [(route.clone(), "200".into(), "".into(), 2), (route, "500".into(), "500".into(), 1)]
    );
    let size = collector.received.metric("http.server.response.body.size");
    let Some(Data::Histogram(sizes)) = size.data else { panic!("a histogram") };
    let good = sizes.data_points.iter().find(|point| point.count == 2).unwrap();
    assert_eq!(good.sum, Some(2.0), "one digit each");
    let active = collector.received.metric("http.server.active_requests");
    let Some(Data::Sum(active)) = active.data else { panic!("a sum") };
    assert!(active.data_points.iter().all(|point| {
        use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
        point.value == Some(Value::AsInt(0))
    }));
}

#[tokio::test]
async fn a_server_flushes_at_its_end_and_knows_its_client() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::INFO);
    let app = App::new("Shop", "1.0.0").telemetry(telemetry).routes(routes![item]);
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let (address, shutdown) = (server.local_addr(), Shutdown::new());
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /items/7 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        shutdown.trigger();
    };
    let (served, ()) = tokio::join!(app.serve_on(server, shutdown.clone()), client);
    served.unwrap();
    let span = collector.received.span("GET /items/{id}");
    assert_eq!(attribute(&span.attributes, "client.address").as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_who_asks_and_how() {
    let collector = collector().await;
    let (telemetry, _log) = collector.telemetry(Level::INFO);
    let proxies = TrustedProxies::new(["127.0.0.1"]);
    let app = App::new("Shop", "1.0.0").telemetry(telemetry).layer(proxies).routes(routes![item]);
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let (address, shutdown) = (server.local_addr(), Shutdown::new());
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /items/7 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
            x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n\r\n";
        stream.write_all(request).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        shutdown.trigger();
    };
    let (served, ()) = tokio::join!(app.serve_on(server, shutdown.clone()), client);
    served.unwrap();
    let span = collector.received.span("GET /items/{id}");
    for (key, value) in [("client.address", "203.0.113.9"), ("url.scheme", "https")] {
        assert_eq!(attribute(&span.attributes, key).as_deref(), Some(value), "{key}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_disturbs_nobody() {
    // Nobody listens there any more, and nobody answers there.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = Duration::from_secs(1);
    for address in [closed, silent.local_addr().unwrap()] {
        let endpoint = format!("http://{address}");
        let telemetry =
            Telemetry::builder("shop").endpoint(endpoint).flush(second).build().unwrap();
        let subscriber = tracing_subscriber::registry().with(telemetry.layer());
        let _log = tracing::subscriber::set_default(subscriber);
        let client = client(telemetry).await;
        // More than the queue holds.
        for _ in 0..3000 {
            assert_eq!(client.get("/outgoing").await.status(), 200);
        }
        let shutdown = client.shutdown();
        tokio::time::timeout(10 * second, shutdown).await.expect("it ends in time");
    }
}

#[tokio::test]
async fn without_a_layer_or_a_sampled_trace_nothing_is_sent() {
    let collector = collector().await;
    let (telemetry, log) = collector.telemetry(Level::INFO);
    let client = client(telemetry).await;
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    client.get("/items/1").header("traceparent", &unsampled).await;
    drop(log);
    client.get("/items/2").await;
    client.shutdown().await;
    assert_eq!(collector.received.spans(), []);
}

#[cfg(feature = "jobs")]
mod jobs {
    use alula::jobs::{Failure, Queue, Sqlite};
    use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

    use super::*;

    #[job]
    async fn greet(name: String, job: JobContext) -> Result<String, Failure> {
        match job.attempt() {
            1 => Err(Failure::new("not yet")),
            _ => Ok(name),
        }
    }

    #[post("/greetings")]
    async fn later(jobs: Jobs) -> Result<()> {
        jobs.enqueue(greet, "Ada".to_owned()).await?;
        Ok(())
    }

    #[tokio::test]
    async fn each_attempt_is_a_span_that_is_linked_to_what_has_enqueued_its_job() {
        let collector = collector().await;
        let (telemetry, _log) = collector.telemetry(Level::INFO);
        let app = App::new("Shop", "1.0.0").telemetry(telemetry).routes(routes![later]);
        let queue = Queue::new(Sqlite::in_memory().await.unwrap());
        let client = app.jobs(queue).job(greet).client().await;
        client.post("/greetings").await;
        client.jobs().run_all().await;
        client.shutdown().await;

        let request = collector.received.span("POST /greetings");
        let spans = collector.received.spans();
        let attempts = spans.iter().filter(|span| span.name == "process greet.v1");
        let attempts: Vec<&Span> = attempts.collect();
        assert_eq!(attempts.len(), 2, "{spans:?}");
        for (attempt, number) in attempts.iter().zip(["1", "2"]) {
            assert_eq!(attempt.kind, SpanKind::Consumer as i32);
            assert_ne!(attempt.trace_id, request.trace_id, "it has a trace of its own");
            let [link] = &attempt.links[..] else { panic!("{attempt:?}") };
            assert_eq!((&link.trace_id, &link.span_id), (&request.trace_id, &request.span_id));
            let of = |key| attribute(&attempt.attributes, key);
            assert_eq!(of("alula.job.attempt").as_deref(), Some(number));
            assert_eq!(of("messaging.destination.name").as_deref(), Some("default"));
            let failed = attempt.status.as_ref().is_some_and(|it| it.code() == StatusCode::Error);
            assert_eq!(failed, number == "1");
        }
    }
}
