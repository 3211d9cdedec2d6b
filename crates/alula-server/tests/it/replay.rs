//! Recordings as a provider.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use alula_llm::testing::Cassettes;
use serde_json::{Value, json};

use crate::{
    client::joined,
    process::{replay, serve_openai},
    recordings::{fixtures, root},
};

fn anthropic_question() -> Value {
    json!({"model": "claude-test", "max_tokens": 10,
        "messages": [{"role": "user", "content": "What is an alula?"}]})
}

fn openai_question() -> Value {
    json!({"model": "gpt-test", "messages": [{"role": "user", "content": "Hi"}],
        "stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn recordings_are_replayed_byte_by_byte() {
    for dir in [Some(fixtures()), root()].into_iter().flatten() {
        let provider = replay(&dir, &[]).listen();
        for call in Cassettes::load(&dir).unwrap().iter() {
            if call.method != "POST" {
                continue;
            }
            let answer = provider.post(&call.path, &call.request).await;
            let file = call.file.display();
            assert_eq!(answer.status, call.status, "{file}");
            assert_eq!(answer.header("content-type"), call.header("content-type").unwrap());
            assert!(answer.text.as_bytes() == call.body, "{file}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_request_is_found_however_it_is_spelled() {
    let provider = replay(&fixtures(), &[]).listen();
    let answer = provider.post("/v1/messages?beta=true", &anthropic_question()).await;
    assert_eq!(answer.is(200)["content"][0]["text"], "A small feather.");
    assert_eq!(answer.header("x-recorded"), "yes");
    assert_eq!(answer.header("content-encoding"), "", "the recording is not compressed any more");
}

#[tokio::test]
async fn a_miss_names_the_nearest_recording_and_what_differs() {
    let provider = replay(&fixtures(), &[]).listen();
    let mut question = anthropic_question();
    question["messages"][0]["content"] = "What is a wing?".into();
    question["top_k"] = 5.into();
    let detail = provider.post("/v1/messages", &question).await.detail(404);
    let file = fixtures().join("whole.yaml");
    assert_eq!(
        detail,
        format!(
            "no recording of POST /v1/messages matches; the nearest is {}\n  \
             /messages/0/content: expected \"What is an alula?\", got \"What is a wing?\"\n  \
             /top_k: expected nothing, got 5",
            file.display()
        )
    );
    let detail = provider.post("/v1/nothing", &question).await.detail(404);
    assert_eq!(detail, "there is no recording of POST /v1/nothing");
    let detail = provider.post_text("/v1/messages", "{\"model\":").await.detail(400);
    assert!(detail.starts_with("the body is not JSON"), "{detail}");
}

#[tokio::test]
async fn the_events_of_a_stream_come_one_by_one() {
    let provider = replay(&fixtures(), &["--delay-ms", "50"]).listen();
    let start = Instant::now();
    let answer = provider.post("/v1/chat/completions", &openai_question()).await;
    assert_eq!(answer.status, 200);
    // Four pieces: the comment, two events, and the end without a blank line.
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn it_is_a_provider_for_the_server() {
    let provider = replay(&fixtures(), &[]).listen();
    let alula = serve_openai(&provider.url("")).env("ALULA_MODEL", "openai/gpt-test").listen();
    let (text, summary) =
        joined(&alula.post("/chat/stream", &json!({"message": "Hi"})).await.events());
    assert_eq!((&*text, &summary["model"]), ("Café", &json!("gpt-test-1")));
    // What was not recorded is told in the provider's words.
    let missing = alula.post("/chat", &json!({"message": "Ho"})).await;
    assert!(missing.detail(404).contains("/messages/0/content"), "{missing:?}");
}

/// The cassettes that alula-llm has recorded, among them an answer that broke off.
#[tokio::test]
async fn cassettes_of_our_own_are_recordings_too() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alula-llm/tests/cassettes");
    let provider = replay(&dir, &[]).listen();
    let alula = serve_openai(&provider.url("")).env("ALULA_MODEL", "openai/fake-model").listen();
    let whole = alula.post("/chat", &json!({"message": "Hi"})).await;
    assert_eq!(whole.is(200)["response"], "Hello!");
    let events = alula.post("/chat/stream", &json!({"message": "Hi"})).await.events();
    assert!(events.iter().any(|event| event.data.contains("Hel")), "{events:?}");
    assert_eq!(events.last().unwrap().name, "error", "{events:?}");
}

#[tokio::test]
async fn a_file_that_is_no_recording_is_skipped_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| fs::copy(fixtures().join(name), folder.path().join(name)).unwrap();
    copy("whole.yaml");
    let strange = folder.path().join("compose.yaml");
    fs::write(&strange, "services: {}\n").unwrap();
    let provider = replay(folder.path(), &[]).listen();
    provider.logged(&format!("skipped {}: it has no list of interactions", strange.display()));
    provider.post("/v1/messages", &anthropic_question()).await.is(200);

    fs::remove_file(folder.path().join("whole.yaml")).unwrap();
    let ended = replay(folder.path(), &[]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("it has no list of interactions"), "{}", ended.stderr);
}
