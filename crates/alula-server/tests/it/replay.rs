//! Recordings as a provider.

use std::time::{Duration, Instant};

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
