//! The cassettes of this crate. They were recorded from the servers below:
//! `ALULA_CASSETTE=record-all cargo nextest run -p alula-llm own_cassette` does so again.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use alula_llm::{
    ChatEvent, ChatRequest, ErrorKind, Llm, Provider,
    testing::{Cassette, Cassettes, End, Outcome, check},
};
use futures_util::StreamExt;
use serde_json::json;

use super::{chunk, head};
use crate::server::{Server, Step, send};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cassettes")
}

async fn cassette(name: &str, upstream: &Server) -> Cassette {
    Cassette::replay(dir().join(name)).upstream(upstream.url()).start().await.unwrap()
}

fn llm(provider: impl Provider + 'static) -> Llm {
    Llm::builder().provider(provider).build().unwrap()
}

fn hi() -> ChatRequest {
    ChatRequest::new("fake-model").user("Hi")
}

async fn hello() -> Server {
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"},
            "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    });
    let head = "200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1";
    Server::answer(head, answer.to_string()).await
}

#[tokio::test]
async fn own_cassette_hello() {
    let server = hello().await;
    let cassette = cassette("hello.jsonl", &server).await;
    let answer = llm(cassette.openai("sk-fake-key")).chat(hi()).await.unwrap();
    assert_eq!(answer.text(), "Hello!");
    cassette.finish();
}

/// Pieces that end in the middle of a line and of a letter.
fn anthropic_stream() -> Vec<Step> {
    let event = |event: serde_json::Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
    };
    let said = |text: &str| {
        event(json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": text}}))
    };
    let text = [
        event(json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
            "role": "assistant", "model": "fake-model", "content": [], "stop_reason": null,
            "usage": {"input_tokens": 8, "output_tokens": 1}}})),
        event(json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}})),
        said("Grüezi"),
        said(" mitenand"),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 5}})),
        event(json!({"type": "message_stop"})),
    ]
    .concat();
    let umlaut = text.find('ü').unwrap();
    let (start, end) = text.as_bytes().split_at(umlaut + 1);
    let piece = |bytes: &[u8]| {
        let size = format!("{:x}\r\n", bytes.len());
        Step::Send([size.as_bytes(), bytes, b"\r\n"].concat())
    };
    let (middle, end) = end.split_at(40);
    vec![head(), piece(start), piece(middle), piece(end), send("0\r\n\r\n")]
}

#[tokio::test]
async fn own_cassette_stream() {
    let server = Server::start(anthropic_stream(), false).await;
    let cassette = cassette("stream.jsonl", &server).await;
    let stream = llm(cassette.anthropic("sk-ant-fake")).stream(hi()).await.unwrap();
    assert_eq!(stream.accumulate().await.unwrap().text(), "Grüezi mitenand");
    cassette.finish();
}

#[tokio::test]
async fn own_cassette_broken() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";
    let server = Server::start(vec![head(), chunk(text)], true).await;
    let cassette = cassette("broken.jsonl", &server).await;
    let events: Vec<_> =
        llm(cassette.openai("sk-fake-key")).stream(hi()).await.unwrap().collect().await;
    assert!(matches!(&events[1], Ok(ChatEvent::Text { text, .. }) if text == "Hel"), "{events:?}");
    let error = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Stream { events_seen: 1 });
    cassette.finish();
}

#[tokio::test]
async fn own_cassette_turns() {
    let server = hello().await;
    let cassette = cassette("turns.jsonl", &server).await;
    let llm = llm(cassette.openai("sk-fake-key"));
    for text in ["one", "two", "one"] {
        let request = ChatRequest::new("fake-model").user(text);
        assert_eq!(llm.chat(request).await.unwrap().text(), "Hello!");
    }
    cassette.finish();
}

/// The variable is of the whole process, so that one of the tests above runs in its own.
#[test]
fn the_environment_says_what_to_do() {
    let hello = |mode: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "cassette::own::own_cassette_hello"]).env("ALULA_CASSETTE", mode);
        let output = command.output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    let (passed, told) = hello("once");
    assert!(!passed && told.contains("ALULA_CASSETTE is \"once\"; it may be replay"), "{told}");
    for mode in ["replay", "record-missing", "verify"] {
        let (passed, told) = hello(mode);
        assert!(passed && told.contains("1 passed"), "{told}");
    }
}

#[tokio::test]
async fn they_are_recordings_like_others() {
    let cassettes = Cassettes::load(dir()).unwrap();
    assert!(cassettes.skipped().is_empty());
    let ends: Vec<End> = cassettes.iter().map(|call| call.end).collect();
    assert_eq!(ends, [End::Reset, End::Eof, End::Eof, End::Eof, End::Eof, End::Eof]);
    for call in cassettes.iter() {
        assert_eq!(check(call).await, Outcome::Passed, "{}", call.file.display());
    }
    let stream = cassettes.iter().find(|call| call.file.ends_with("stream.jsonl")).unwrap();
    assert_eq!(stream.chunks().len(), 3);
}
