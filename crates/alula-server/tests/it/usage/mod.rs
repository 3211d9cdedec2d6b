//! The ledger: each call is one row, with what it has used and cost.

mod kept;
mod report;

use std::time::{Duration, Instant};

use alula_llm::{
    Usage,
    testing::{FakeProvider, Fault},
};
use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    keys::{Store, id_of},
    process::{Alula, NOBODY, PATIENCE, Start, serve, serve_openai},
    upstream::{STREAM_HEAD, Upstream},
};

const CHAT: &str = "/v1/chat/completions";
/// A model that has a price: 15 cents and 60 cents for a million tokens.
const MODEL: &str = "openai/gpt-4o-mini";

/// A server whose OpenAI and Anthropic are this fake.
fn serve_fake(fake: &FakeProvider) -> Start {
    serve_openai(&fake.url())
        .env("ANTHROPIC_API_KEY", "sk-test")
        .env("ANTHROPIC_BASE_URL", fake.url())
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "0")
}

fn question(model: &str) -> Value {
    json!({"model": model, "message": "Hi"})
}

/// A request in the words of OpenAI or Anthropic.
fn messages(model: &str, stream: bool) -> Value {
    json!({"model": model, "max_tokens": 9, "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}]})
}

impl Alula {
    /// The rows of the ledger, oldest first, once there are so many.
    async fn calls(&self, count: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let answer = self.get("/admin/usage/calls?limit=1000").await.is(200);
            let calls = answer["data"].as_array().unwrap();
            if calls.len() >= count {
                assert_eq!(calls.len(), count, "{answer:#}");
                return calls.iter().rev().cloned().collect();
            }
            assert!(started.elapsed() < PATIENCE, "only {} of {count} calls", calls.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How a call ended, in short.
fn ending(call: &Value) -> (&str, &str, Option<u64>) {
    let text = |name: &str| call[name].as_str().unwrap_or_default();
    (text("status"), text("error"), call["http_status"].as_u64())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_one_row_with_its_tokens_and_its_cost() {
    let fake = FakeProvider::start().await;
    fake.turn().embeds([[0.5_f32, 1.0]]).usage(1_000, 0);
    fake.always().says(["He", "llo"]).usage(1_000, 100);
    let alula = serve_fake(&fake).listen();
    let vectors = json!({"model": "openai/text-embedding-3-small", "input": "a"});
    alula.post("/v1/embeddings", &vectors).await.is(200);
    let asked = alula.post("/chat", &question(MODEL)).await;
    let batch = json!([question(MODEL), question(MODEL)]);
    let input = |stream: bool| json!({"model": MODEL, "input": "Hi", "stream": stream});
    for (path, body) in [
        ("/chat/stream", question(MODEL)),
        ("/batch", batch),
        (CHAT, messages(MODEL, false)),
        // Nobody asks for the usage of this one, and it is known all the same.
        (CHAT, messages(MODEL, true)),
        ("/v1/messages", messages(MODEL, false)),
        ("/v1/messages", messages(MODEL, true)),
        ("/v1/responses", input(false)),
        ("/v1/responses", input(true)),
    ] {
        let answer = alula.post(path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let calls = alula.calls(11).await;
    assert_eq!(
        (&calls[0]["operation"], &calls[0]["input_tokens"], &calls[0]["cost_micro_usd"]),
        (&json!("embeddings"), &json!(1_000), &json!(20))
    );
    assert_eq!(calls[1]["request_id"], asked.header("x-request-id"));
    for call in &calls[1..] {
        assert_eq!(ending(call), ("answered", "", Some(200)));
        for (field, expected) in [
            ("operation", json!("chat")),
            ("asked", json!(MODEL)),
            ("provider", json!("openai")),
            ("model", json!("gpt-4o-mini")),
            ("answered_by", json!("gpt-4o-mini")),
            ("attempts", json!(1)),
            ("cached", json!(false)),
            ("input_tokens", json!(1_000)),
            ("output_tokens", json!(100)),
            ("cost_micro_usd", json!(210)),
            ("cost_usd", json!("0.00021")),
            ("key", json!("")),
        ] {
            assert_eq!(call[field], expected, "{field} of {call:#}");
        }
        assert_eq!(call["first_token_ms"].is_u64(), call["streamed"] == true, "{call:#}");
    }
    let streamed = calls.iter().filter(|call| call["streamed"] == true).count();
    assert_eq!(streamed, 4);
    // Each request to the provider is one of them.
    assert_eq!(fake.request_count(), calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_later_and_conversations_are_calls_too() {
    let fake = FakeProvider::start().await;
    fake.always().says("Hi").usage(1_000, 100);
    let alula = serve_fake(&fake).listen();
    let later = http().post(alula.url("/chat")).header("prefer", "respond-async");
    let accepted = Answer::of(later.json(&question(MODEL))).await;
    accepted.is(202);
    let first = alula.calls(1).await;
    assert_eq!(first[0]["request_id"], accepted.header("x-request-id"));
    let conversation = alula.post("/conversations", &json!({"model": MODEL})).await.is(201);
    let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
    alula.post(&path, &json!({"message": "Hi"})).await.is(200);
    for call in alula.calls(2).await {
        assert_eq!(ending(&call), ("answered", "", Some(200)), "{call:#}");
        assert_eq!(call["cost_micro_usd"], 210);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_that_of_its_key() {
    let store = Store::file();
    let (one, other) = (store.key(&[]), store.key(&["--scopes", "models,admin"]));
    let fake = FakeProvider::start().await;
    fake.always().says("Hi").usage(1_000, 100);
    let alula = store.over(serve_fake(&fake)).listen();
    for key in [&one, &one, &other] {
        alula.with_key(key, "POST", CHAT, Some(&messages(MODEL, false))).await.is(200);
    }
    let started = Instant::now();
    let path = format!("/admin/usage?group_by=key&key={}", id_of(&other));
    let report = loop {
        let report = alula.with_key(&other, "GET", &path, None).await.is(200);
        if report["data"] != json!([]) {
            break report;
        }
        assert!(started.elapsed() < PATIENCE, "{report}");
    };
    let line = &report["data"][0];
    assert_eq!((&line["key"], &line["key_name"]), (&json!(id_of(&other)), &json!("test")));
    assert_eq!(alula.with_key(&one, "GET", &path, None).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_caches_has_its_own_price() {
    let fake = FakeProvider::start().await;
    let usage = Usage {
        input: 1_120,
        cache_read: Some(1_000),
        cache_write: Some(100),
        output: 4,
        ..Usage::default()
    };
    fake.always().says("A feather.").usage_of(usage);
    let alula = serve_fake(&fake).listen();
    let model = "anthropic/claude-sonnet-4-5";
    for path in ["/chat", "/chat/stream"] {
        assert_eq!(alula.post(path, &question(model)).await.status, 200);
    }
    for stream in [false, true] {
        for path in ["/v1/messages", CHAT] {
            assert_eq!(alula.post(path, &messages(model, stream)).await.status, 200);
        }
    }
    for call in alula.calls(6).await {
        assert_eq!(call["input_tokens"], 1_120, "{call:#}");
        assert_eq!(call["cache_read_tokens"], 1_000);
        assert_eq!(call["cache_write_tokens"], 100);
        // 20 at $3, 1000 at $0.30, 100 at $3.75 and 4 at $15 for a million.
        assert_eq!(call["cost_micro_usd"], 60 + 300 + 375 + 60, "{call:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_a_row_too() {
    let fake = FakeProvider::start().await;
    let alula = serve_fake(&fake).env("ALULA_ATTEMPTS", "2").listen();
    fake.turn().then(Fault::Status(401));
    alula.post("/chat", &question(MODEL)).await.is(502);
    fake.turn().then(Fault::Status(503)).times(2);
    alula.post("/v1/messages", &messages(MODEL, false)).await.is(529);
    fake.turn().says(["a", "b", "c"]).then(Fault::CloseAfter(1));
    assert_eq!(alula.post(CHAT, &messages(MODEL, true)).await.status, 200);
    let calls = alula.calls(3).await;
    let endings: Vec<_> = calls.iter().map(ending).collect();
    assert_eq!(
        endings,
        [
            ("failed", "auth", Some(502)),
            ("failed", "overloaded", Some(529)),
            ("failed", "stream", Some(200)),
        ]
    );
    let attempts: Vec<u64> = calls.iter().map(|it| it["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 2, 1]);
    // Nobody knows what they cost, as a provider had them.
    assert!(calls.iter().all(|call| call["cost_micro_usd"].is_null()), "{calls:#?}");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_row_too() {
    let alula = serve_openai(NOBODY).env("ALULA_ATTEMPTS", "1").listen();
    alula.post("/chat", &question(MODEL)).await.is(502);
    assert_eq!(ending(&alula.calls(1).await[0]), ("failed", "connect", Some(502)));
}

#[tokio::test]
async fn a_client_that_leaves_is_a_row_too() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let (call, mut stream) = alula.begun_stream(&upstream).await;
    stream.next().await.unwrap();
    drop(stream);
    call.closed().await;
    let row = alula.calls(1).await;
    assert_eq!(ending(&row[0]), ("abandoned", "", Some(200)));
    for (count, path, body) in [
        (2, "/chat", question(MODEL)),
        (3, CHAT, messages(MODEL, true)),
        (4, "/batch", json!([question(MODEL)])),
    ] {
        let leaving = http().post(alula.url(path)).json(&body).send();
        let mut call = tokio::select! {
            call = upstream.call() => call,
            answer = leaving => panic!("nobody answers: {answer:?}"),
        };
        if path == CHAT {
            call.send(STREAM_HEAD).await;
        }
        call.closed().await;
        let rows = alula.calls(count).await;
        assert_eq!(ending(&rows[count - 1]), ("abandoned", "", None), "{path}");
    }
}

/// The name of a model is the client's: nothing that it sends may spoil the batch that it is in.
#[tokio::test]
async fn a_client_cannot_spoil_the_ledger() {
    let alula = serve().listen();
    let long = "m".repeat(100_000);
    for model in ["\0", "=1+1", "a\nb\"'", "é😀", &long] {
        alula.post(CHAT, &messages(&format!("nobody/{model}"), false)).await;
    }
    let calls = alula.calls(5).await;
    assert_eq!(calls[0]["asked"], "nobody/\u{fffd}");
    assert_eq!(calls[4]["asked"].as_str().unwrap().len(), 200);
}
