//! What an operator sees: log lines, ids of requests, metrics.

use std::time::{Duration, Instant};

use alula_llm::testing::FakeProvider;
use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    collector::{Collector, attribute},
    postgres::Postgres,
    process::{Alula, Ended, PATIENCE, Start, alula, serve, serve_openai},
    upstream::{STREAM_END, STREAM_HEAD, Upstream, answer, token},
};

/// A whole answer of OpenAI's, with usage.
fn whole(model: &str) -> String {
    let body = json!({"id": "1", "object": "chat.completion", "model": model, "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}});
    answer("200 OK", &body.to_string())
}

fn json_log(start: Start) -> Start {
    start.env("ALULA_LOG_FORMAT", "json").env("ALULA_ATTEMPTS", "1")
}

/// The lines of a log of JSON in which a field has this value.
fn lines(ended: &Ended, field: &str, value: &Value) -> Vec<Value> {
    let all = ended.stderr.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    });
    all.filter(|line| line[field] == *value).collect()
}

/// The one line of the access log with this id.
#[track_caller]
fn access(ended: &Ended, id: &str) -> Value {
    let mut lines = lines(ended, "request_id", &json!(id));
    lines.retain(|line| line["target"] == "alula::access");
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

async fn ask(alula: &Alula, path: &str, id: &str, body: &Value) -> Answer {
    let request = http().post(alula.url(path)).header("x-request-id", id).json(body);
    Answer::of(request).await
}

/// A number of the metrics; 0 if it is not there.
fn number(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn each_request_has_a_line_with_its_id_and_what_became_of_it() {
    let upstream = Upstream::start();
    let alula = json_log(serve_openai(&upstream.url())).listen();
    let question = json!({"message": "Hi"});
    let answering = async { upstream.call().await.answer(&whole("m")).await };
    let (_, answered) = tokio::join!(answering, ask(&alula, "/chat?a=b", "id-1", &question));
    assert_eq!((answered.status, answered.header("x-request-id")), (200, "id-1"));
    let nowhere = ask(&alula, "/nowhere", "id-2", &question).await;
    assert_eq!((nowhere.status, nowhere.header("x-request-id")), (404, "id-2"));
    // What cannot be logged is no id.
    let made = alula.get("/chat").await;
    assert_eq!(made.header("x-request-id").len(), 32);
    let ended = alula.end();
    let line = access(&ended, "id-1");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "request");
    assert_eq!((&line["method"], &line["route"]), (&json!("POST"), &json!("/chat")));
    assert_eq!((&line["path"], &line["status"]), (&json!("/chat"), &json!(200)));
    assert_eq!((&line["bytes"], &line["end"]), (&json!(answered.text.len()), &json!("complete")));
    assert!(line["milliseconds"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(access(&ended, "id-2")["route"], "none");
}

#[tokio::test]
async fn a_stream_has_its_line_at_its_end() {
    let upstream = Upstream::start();
    let alula = json_log(serve_openai(&upstream.url())).listen();
    let streamed = async {
        let mut call = upstream.call().await;
        call.send(&format!("{STREAM_HEAD}{}", token("a"))).await;
        call.answer(STREAM_END).await;
    };
    let question = json!({"message": "Hi"});
    tokio::join!(streamed, ask(&alula, "/chat/stream", "whole", &question));
    let (call, stream) = alula.begun_stream(&upstream).await;
    drop(stream);
    call.closed().await;
    alula.logged("client_left");
    let ended = alula.end();
    let line = access(&ended, "whole");
    assert_eq!(line["end"], "complete");
    let milliseconds = |field: &str| line[field].as_f64().unwrap();
    let (first, total) = (milliseconds("first_token_milliseconds"), milliseconds("milliseconds"));
    assert!(0.0 < first && first <= total, "{line}");
    let left = lines(&ended, "end", &json!("client_left"));
    assert_eq!((left.len(), &left[0]["status"]), (1, &json!(200)));
}

#[tokio::test]
async fn what_is_logged_of_a_request_has_its_id() {
    let upstream = Upstream::start();
    let alula = json_log(serve_openai(&upstream.url())).env("ALULA_LOG", "warn").listen();
    let broken = async {
        let mut call = upstream.call().await;
        call.send(&format!("{STREAM_HEAD}{}", token("a"))).await;
        call.answer("data: nonsense\n\n").await;
    };
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let streamed = json!({"model": "m", "messages": messages, "stream": true});
    tokio::join!(broken, ask(&alula, "/v1/chat/completions", "relayed", &streamed));
    let failing = async {
        upstream.call().await.answer(&answer("500 Broken", "{}")).await;
    };
    let batch = json!([{"message": "Hi"}]);
    tokio::join!(failing, ask(&alula, "/batch", "batch", &batch));
    let ended = alula.end();
    for id in ["relayed", "batch"] {
        let lines = lines(&ended, "request_id", &json!(id));
        assert_eq!((lines.len(), &lines[0]["level"]), (1, &json!("WARN")), "{id}: {lines:?}");
    }
}

/// What is passed on, what is translated, and what is asked in the server's own words.
const CALLS: [(&str, &str); 7] = [
    (
        "/v1/chat/completions",
        r#"{"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}]}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}], "stream": true}"#,
    ),
    (
        "/v1/messages",
        r#"{"model": "openai/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}"#,
    ),
    (
        "/v1/messages",
        r#"{"model": "openai/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": true}"#,
    ),
    ("/v1/embeddings", r#"{"model": "openai/m", "input": "Hi"}"#),
    ("/chat", r#"{"message": "Hi", "model": "openai/m"}"#),
    ("/chat/stream", r#"{"message": "Hi", "model": "openai/m"}"#),
];
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Makes all calls, in one trace, each with an id of its own.
async fn call_all(alula: &Alula) {
    for (number, (path, body)) in CALLS.into_iter().enumerate() {
        let request = http().post(alula.url(path)).header("content-type", "application/json");
        let request = request.header("x-request-id", format!("id-{number}")).body(body);
        let request = request.header("traceparent", PARENT).header("tracestate", "a=1");
        let answered = Answer::of(request.header("baggage", "private=1")).await;
        assert_eq!(answered.status, 200, "{path}: {answered:?}");
    }
}

async fn provider() -> FakeProvider {
    let fake = FakeProvider::start().await;
    fake.turn().says("Hello").times(4);
    fake.turn().embeds([[1.0, 2.0]]);
    fake.turn().says("Hello").times(2);
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_told_the_id_and_the_trace_of_every_request() {
    let fake = provider().await;
    let alula = serve_openai(&fake.url()).listen();
    call_all(&alula).await;
    assert_eq!(fake.request_count(), CALLS.len());
    for (number, sent) in fake.requests().enumerate() {
        assert_eq!(sent.header("x-client-request-id"), Some(&*format!("id-{number}")));
        assert_eq!(sent.header("traceparent"), Some(PARENT), "{number}");
        assert_eq!(sent.header("tracestate"), Some("a=1"), "{number}");
        assert_eq!(sent.header("baggage"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_span_of_the_attempt_is_what_a_provider_takes_for_its_parent() {
    let (collector, fake) = (Collector::start().await, provider().await);
    let alula = serve_openai(&fake.url())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("ALULA_LOG", "warn")
        .listen();
    call_all(&alula).await;
    assert_eq!(alula.end().code, Some(0));
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spans = collector.spans();
    let attempts = spans.iter().filter(|span| span.name == "attempt");
    let mut attempts: Vec<_> =
        attempts.map(|it| format!("00-{}-{}-01", hex(&it.trace_id), hex(&it.span_id))).collect();
    let parents = fake.requests().map(|sent| sent.header("traceparent").unwrap().to_owned());
    let mut parents: Vec<_> = parents.collect();
    assert!(parents.iter().all(|parent| parent.contains(TRACE)), "{parents:?}");
    attempts.sort();
    parents.sort();
    assert_eq!((parents.len(), parents), (CALLS.len(), attempts));
}

#[tokio::test]
async fn metrics_tell_what_was_done() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_ATTEMPTS", "1").listen();
    let question = json!({"message": "Hi", "model": "openai/gpt-4o-mini"});
    let answering = async { upstream.call().await.answer(&whole("gpt-4o-mini")).await };
    let (_, answered) = tokio::join!(answering, alula.post("/chat", &question));
    answered.is(200);
    let failing = async { upstream.call().await.answer(&answer("500 Broken", "{}")).await };
    tokio::join!(failing, alula.post("/chat", &question));
    let (call, stream) = alula.begun_stream(&upstream).await;
    let metrics = alula.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = &metrics.text;
    let of = "provider=\"openai\",model=\"gpt-4o-mini\"";
    let has = |name: &str, value: f64| assert_eq!(number(text, name), value, "{name} in\n{text}");
    has(&format!("alula_llm_calls_total{{{of},operation=\"chat\",outcome=\"answered\"}}"), 1.0);
    has(&format!("alula_llm_calls_total{{{of},operation=\"chat\",outcome=\"unavailable\"}}"), 1.0);
    has(&format!("alula_llm_attempts_total{{{of}}}"), 2.0);
    has(&format!("alula_llm_tokens_total{{{of},kind=\"input\"}}"), 1000.0);
    has(&format!("alula_llm_tokens_total{{{of},kind=\"output\"}}"), 100.0);
    has(&format!("alula_llm_cost_micro_usd_total{{{of}}}"), 210.0);
    has(&format!("alula_llm_breaker_state{{{of}}}"), 0.0);
    let of = "method=\"POST\",route=\"/chat\"";
    has(&format!("alula_http_requests_total{{{of},status=\"2xx\"}}"), 1.0);
    has(&format!("alula_http_requests_total{{{of},status=\"5xx\"}}"), 1.0);
    has(&format!("alula_http_request_duration_seconds_count{{{of}}}"), 2.0);
    has("alula_http_open_streams", 1.0);
    has("alula_http_requests_in_flight", 2.0);
    assert!(number(text, "alula_open_connections") >= 1.0, "{text}");
    assert!(number(text, "process_resident_memory_bytes") > 1e6, "{text}");
    drop(stream);
    call.closed().await;
}

#[tokio::test]
async fn a_client_makes_up_no_series() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url())
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "0")
        .listen();
    for number in 0..3 {
        let question = json!({"message": "Hi", "model": format!("openai/made-up-{number}")});
        let failing = async { upstream.call().await.answer(&answer("404 Not Found", "{}")).await };
        tokio::join!(failing, alula.post("/chat", &question));
        alula.get(&format!("/made-up-{number}")).await;
    }
    let metrics = alula.get("/metrics").await.text;
    assert!(!metrics.contains("made-up"), "{metrics}");
    let of_others = "provider=\"openai\",model=\"other\"";
    assert_eq!(number(&metrics, &format!("alula_llm_attempts_total{{{of_others}}}")), 3.0);
    let nowhere = "method=\"GET\",route=\"none\",status=\"4xx\"";
    assert_eq!(number(&metrics, &format!("alula_http_requests_total{{{nowhere}}}")), 3.0);
}

#[tokio::test]
async fn a_typing_mistake_in_a_variable_is_told() {
    let ended = serve().env("ALULA_LOG", "loud").end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("ALULA_LOG=loud: \"loud\" is no level"), "{}", ended.stderr);
    let alula = serve().env("ALULA_ATTEMPS", "1").listen();
    alula.logged("nothing reads ALULA_ATTEMPS; is it meant to be ALULA_ATTEMPTS?");
    assert_eq!(alula.count_logged("nothing reads"), 1);
}

#[tokio::test]
async fn readiness_says_what_is_the_matter() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url())
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "1")
        .env("ALULA_DRAIN_DELAY_SECONDS", "600")
        .listen();
    let well = json!({"status": "healthy", "checks": {"database": {"status": "healthy"},
        "files": {"status": "healthy"}, "models": {"status": "healthy"}, "server": {"status": "healthy"}}});
    assert_eq!(alula.get("/health/ready").await.is(200), well);
    let failing = async { upstream.call().await.answer(&answer("500 Broken", "{}")).await };
    let question = json!({"message": "Hi"});
    tokio::join!(failing, alula.post("/chat", &question));
    // The parts are asked once in a second.
    let mut degraded = alula.get("/health/ready").await.is(200);
    while degraded["status"] == "healthy" {
        tokio::time::sleep(Duration::from_millis(50)).await;
        degraded = alula.get("/health/ready").await.is(200);
    }
    let expected = json!({"status": "degraded", "reason": "no model that was asked answers"});
    assert_eq!(
        (&degraded["status"], &degraded["checks"]["models"]),
        (&json!("degraded"), &expected)
    );
    alula.signal("TERM");
    alula.logged("still accepting");
    let draining = alula.get("/health/ready").await.is(503);
    assert_eq!(draining["status"], "unhealthy");
    assert_eq!(draining["checks"]["server"]["reason"], "it is shutting down");
    alula.signal("TERM");
}

#[tokio::test]
async fn a_database_that_is_away_is_a_reason() {
    let Some(mut postgres) = Postgres::start() else { return };
    let alula = serve().env("DATABASE_URL", postgres.url()).listen();
    alula.get("/health/ready").await.is(200);
    postgres.kill();
    let until = async |status: u16| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = alula.get("/health/ready").await;
            if answer.status == status {
                return answer.json();
            }
            assert!(Instant::now() < deadline, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let away = until(503).await;
    let reason = away["checks"]["database"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("it does not answer"), "{away}");
    postgres.restart();
    assert_eq!(until(200).await["status"], "healthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_its_call_and_its_attempts_are_one_trace() {
    let (collector, upstream) = (Collector::start().await, Upstream::start());
    let alula = serve_openai(&upstream.url())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        // Traces do not hang on the log.
        .env("ALULA_LOG", "warn")
        .listen();
    let question = json!({"message": "What is written", "model": "openai/gpt-4o-mini"});
    let request = http().post(alula.url("/chat")).json(&question).header("x-request-id", "id-1");
    let request = request.header("traceparent", PARENT);
    let answering = async {
        upstream.call().await.answer(&answer("503 Away", "{}")).await;
        upstream.call().await.answer(&whole("gpt-4o-mini")).await;
    };
    let (_, answered) = tokio::join!(answering, Answer::of(request));
    answered.is(200);
    // What is left is sent at the end.
    assert_eq!(alula.end().code, Some(0));
    let spans = collector.spans();
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let of_trace: Vec<_> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    let named =
        |name: &str| of_trace.iter().copied().filter(|it| it.name == name).collect::<Vec<_>>();
    let (request, call, attempts) =
        (named("POST /chat"), named("chat gpt-4o-mini"), named("attempt"));
    assert_eq!((request.len(), call.len(), attempts.len()), (1, 1, 2), "{of_trace:?}");
    assert_eq!(attribute(request[0], "alula.request_id").as_deref(), Some("id-1"));
    assert_eq!(attribute(call[0], "gen_ai.usage.input_tokens").as_deref(), Some("1000"));
    assert_eq!(attribute(call[0], "alula.cost.micro_usd").as_deref(), Some("210"));
    assert_eq!(call[0].parent_span_id, request[0].span_id);
    assert!(attempts.iter().all(|attempt| attempt.parent_span_id == call[0].span_id));
    let metrics = collector.bytes("/v1/metrics").concat();
    let metrics = String::from_utf8_lossy(&metrics);
    for name in ["http.server.request.duration", "gen_ai.client.token.usage"] {
        assert!(metrics.contains(name), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn whichever_worker_is_scraped_answers_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let alula = alula(&["serve", "--port", "0", "--workers", "2"])
        .env("DATABASE_URL", format!("sqlite://{}/alula.db", folder.path().display()))
        .env("TMPDIR", folder.path())
        .listen();
    let of_all = |text: &str| {
        let of = |worker: u8| {
            let name = "alula_http_requests_total";
            let labels = "method=\"GET\",route=\"/health/live\",status=\"2xx\"";
            number(text, &format!("{name}{{worker=\"{worker}\",{labels}}}"))
        };
        of(1) + of(2)
    };
    let (mut asked, deadline) = (0.0, Instant::now() + PATIENCE);
    loop {
        alula.get("/health/live").await.is(200);
        asked += 1.0;
        let text = alula.get("/metrics").await.text;
        assert_eq!(text.matches("# TYPE alula_build_info ").count(), 1, "{text}");
        let has = |worker: u8| text.contains(&format!("alula_build_info{{worker=\"{worker}\""));
        // The numbers of the other may be a second old.
        if has(1) && has(2) && asked >= 10.0 {
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    loop {
        let text = alula.get("/metrics").await.text;
        if of_all(&text) >= asked {
            assert_eq!(of_all(&text), asked, "{text}");
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = alula.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let left: Vec<_> =
        folder.path().read_dir().unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("alula.db")), "{left:?}");
}
