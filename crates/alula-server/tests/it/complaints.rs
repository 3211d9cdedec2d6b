//! What is said of other gateways, and is tried nowhere else; see
//! `docs/reference/what-gateways-get-wrong.md`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use alula_llm::{
    ErrorKind,
    testing::{FakeProvider, Fault},
};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::{Answer, http},
    process::{Alula, alula, serve, serve_openai},
    upstream::{STREAM_END, STREAM_HEAD, Upstream, answer, token},
};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

fn asked(more: &Value) -> Value {
    let mut body = json!({"model": "openai/m", "max_tokens": 9,
        "messages": [{"role": "user", "content": "a"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A server with a model `both`: the first target, and the second if that fails.
fn with_fallback(first: &str, second: &str) -> (TempDir, Alula) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alula.toml");
    let provider =
        |name, url| format!("[providers.{name}]\nkind = \"openai\"\nbase_url = \"{url}\"\n");
    let models = "[models.both]\ntargets = [\"first/m\"]\nfallbacks = [\"second/m\"]\n";
    fs::write(&path, provider("first", first) + &provider("second", second) + models).unwrap();
    let start = alula(&["serve", "--port", "0", "--config", path.to_str().unwrap()]);
    (dir, start.env("ALULA_ATTEMPTS", "1").env("ALULA_ANSWER_SECONDS", "0.2").listen())
}

/// A stream that is read as far as something in it.
struct Reading {
    response: Response,
    text: String,
}

impl Reading {
    async fn start(alula: &Alula, path: &str, body: &Value) -> Self {
        let response = http().post(alula.url(path)).json(body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        Self { response, text: String::new() }
    }

    async fn until(&mut self, mark: &str) {
        while !self.text.contains(mark) {
            let chunk = self.response.chunk().await.unwrap().expect("more of the stream");
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
    }
}

/// A piece of the call of a tool, as OpenAI streams it: only the first one has an id.
fn piece(call: &Value) -> String {
    let mut call = call.clone();
    call["index"] = 0.into();
    let choice = json!({"index": 0, "delta": {"tool_calls": [call]}});
    format!("data: {}\n\n", json!({"id": "1", "model": "m", "choices": [choice]}))
}

#[tokio::test]
async fn arguments_of_a_tool_come_piece_by_piece() {
    for path in [CHAT, MESSAGES] {
        let upstream = Upstream::start();
        let alula = serve_openai(&upstream.url()).listen();
        let tools = match path {
            CHAT => json!([{"type": "function", "function": {"name": "weather"}}]),
            _ => json!([{"name": "weather", "input_schema": {"type": "object"}}]),
        };
        let usage = json!({"include_usage": true});
        let mut body = asked(&json!({"stream": true, "tools": tools}));
        if path == CHAT {
            body["stream_options"] = usage;
        }
        let first = json!({"id": "call_1", "type": "function",
            "function": {"name": "weather", "arguments": ""}});
        let answering = async {
            let mut call = upstream.call().await;
            call.send(&format!("{STREAM_HEAD}{}", piece(&first))).await;
            call
        };
        let (mut call, mut reading) = tokio::join!(answering, Reading::start(&alula, path, &body));
        reading.until("call_1").await;
        // The provider says no more until the client has what came before.
        for arguments in ["{\"city\":", "\"Bern", "\"}"] {
            call.send(&piece(&json!({"function": {"arguments": arguments}}))).await;
            reading.until(&json!(arguments).to_string()).await;
        }
    }
}

#[tokio::test]
async fn a_stream_goes_to_the_next_target_before_its_first_token() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let (_dir, alula) = with_fallback(&first.url(), &second.url());
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    let answering = async {
        first.call().await.answer(&format!("{STREAM_HEAD}{role}")).await;
        second.call().await.answer(&format!("{STREAM_HEAD}{}{STREAM_END}", token("second"))).await;
    };
    let body = asked(&json!({"model": "both", "stream": true}));
    let ((), answer) = tokio::join!(answering, alula.post(CHAT, &body));
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("second") && !answer.text.contains("error"), "{}", answer.text);
}

/// A silent provider may not keep a fallback from answering until the whole call is over.
#[tokio::test]
async fn a_whole_answer_that_does_not_come_is_asked_of_the_next_target() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let (_dir, alula) = with_fallback(&first.url(), &second.url());
    let whole = json!({"id": "1", "model": "m", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "second"}, "finish_reason": "stop"}]});
    let vectors = json!({"model": "m", "data": [{"index": 0, "embedding": [1.0]}]});
    for (path, body, reply) in [
        ("/chat", json!({"model": "both", "message": "a"}), &whole),
        (CHAT, asked(&json!({"model": "both"})), &whole),
        ("/v1/embeddings", json!({"model": "both", "input": "a"}), &vectors),
    ] {
        let answering = async {
            let silent = first.call().await;
            second.call().await.answer(&answer("200 OK", &reply.to_string())).await;
            silent.closed().await
        };
        let (_, answer) = tokio::join!(answering, alula.post(path, &body));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn no_other_target_goes_on_with_a_stream_that_has_begun() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let (_dir, alula) = with_fallback(&first.url(), &second.url());
    let answering = async {
        first.call().await.answer(&format!("{STREAM_HEAD}{}", token("Hello"))).await;
    };
    let body = asked(&json!({"model": "both", "stream": true}));
    let ((), answer) = tokio::join!(answering, alula.post(CHAT, &body));
    assert_eq!(answer.text.matches("Hello").count(), 1, "{}", answer.text);
    assert!(answer.text.contains("\"error\"") && !answer.text.contains("[DONE]"));
    assert!(second.is_left_alone());
}

#[tokio::test]
async fn the_server_waits_as_long_as_the_provider_asks() {
    const WAIT: Duration = Duration::from_secs(1);
    let fake = FakeProvider::start().await;
    fake.turn().then(Fault::RetryAfter(429, WAIT));
    fake.turn().says("Hello");
    let alula = serve_openai(&fake.url()).listen();
    let start = Instant::now();
    let answer = alula.post(CHAT, &asked(&json!({"stream": true}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(start.elapsed() >= WAIT, "{:?}", start.elapsed());
    fake.finish();
}

/// Failures of every kind of call count for the breaker: whole, before a stream, and in it.
#[tokio::test]
async fn a_provider_that_fails_is_left_alone_whatever_was_asked() {
    let fake = FakeProvider::start().await;
    fake.turn().then(Fault::Status(503));
    fake.turn().says("Hello").then(Fault::CloseAfter(0));
    fake.turn().says(["Hel", "lo"]).then(Fault::CloseAfter(1));
    let alula = serve_openai(&fake.url())
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "3")
        .listen();
    for stream in [false, true, true] {
        alula.post(CHAT, &asked(&json!({"stream": stream}))).await;
    }
    for (path, stream) in [(CHAT, false), (CHAT, true), (MESSAGES, true)] {
        let answer = alula.post(path, &asked(&json!({"stream": stream}))).await;
        assert_eq!(answer.status, if path == CHAT { 503 } else { 529 }, "{answer:?}");
        assert_ne!(answer.header("retry-after"), "");
    }
    assert_eq!(fake.request_count(), 3);
    fake.finish();
}

/// What a provider has no field for is no secret; what is carried out otherwise is no news.
#[tokio::test]
async fn fields_that_were_not_sent_are_named_in_the_log() {
    let fake = FakeProvider::start().await;
    fake.turn().says("Hello");
    let alula =
        serve().env("ANTHROPIC_API_KEY", "k").env("ANTHROPIC_BASE_URL", fake.url()).listen();
    let more = json!({"model": "anthropic/m", "seed": 7, "stream": true,
        "stream_options": {"include_usage": true}});
    assert_eq!(alula.post(CHAT, &asked(&more)).await.status, 200);
    alula.logged("fields that Anthropic messages does not know were not sent dropped=[\"seed\"]");
    fake.finish();
}

#[tokio::test]
async fn an_error_under_a_status_of_success_is_an_error() {
    let fake = FakeProvider::start().await;
    let kind = ErrorKind::RateLimited { retry_after: None };
    fake.always().then(Fault::ErrorInBody(kind));
    let alula = serve_openai(&fake.url()).env("ALULA_ATTEMPTS", "1").listen();
    for path in [CHAT, MESSAGES] {
        for stream in [false, true] {
            let answer = alula.post(path, &asked(&json!({"stream": stream}))).await;
            assert_eq!(answer.is(429)["error"]["type"], "rate_limit_error", "{path}");
        }
    }
}

/// Answers, streams and clients that leave, again and again.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_number_of_calls() {
    const ROUNDS: usize = 5;
    const GROWTH_BYTES_MAX: usize = 4 * 1024 * 1024;
    let fake = FakeProvider::start().await;
    fake.always().says(["Hel", "lo"]).usage(12, 2);
    let alula = serve_openai(&fake.url()).env("ALULA_LOG", "error").listen();
    let client = http();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        for _ in 0..200 {
            for (path, stream) in [(CHAT, false), (CHAT, true), (MESSAGES, true)] {
                let request = client.post(alula.url(path)).json(&asked(&json!({"stream": stream})));
                assert_eq!(Answer::of(request).await.status, 200);
            }
            let request = client.post(alula.url(CHAT)).json(&asked(&json!({"stream": true})));
            drop(request.send().await.unwrap());
        }
        rounds.push(alula.resident_bytes());
    }
    // The first rounds fill pools.
    let growth = rounds[ROUNDS - 1].saturating_sub(rounds[1]);
    assert!(growth < GROWTH_BYTES_MAX, "{rounds:?}");
}

/// The tests that the page names are there.
#[test]
fn the_page_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = root.join("docs/reference/what-gateways-get-wrong.md");
    let page = fs::read_to_string(page).unwrap();
    let mut sources = String::new();
    for name in ["alula", "alula-llm", "alula-server"] {
        gather(&root.join("crates").join(name), &mut sources);
    }
    let spans = page.split('`').skip(1).step_by(2);
    let is_name = |span: &&str| {
        span.contains('_') && span.chars().all(|char| char.is_ascii_lowercase() || char == '_')
    };
    let names: Vec<&str> = spans.filter(is_name).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

fn gather(dir: &Path, sources: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
