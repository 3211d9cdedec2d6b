//! A client that leaves takes its call to the provider with it.

use std::time::Duration;

use serde_json::json;

use crate::{
    client::http,
    process::{Alula, serve_openai},
    upstream::{Call, STREAM_HEAD, Upstream},
};

/// How soon the connection to the provider must be closed.
const SOON: Duration = Duration::from_secs(1);

/// Sends a question in a task that a test can abort, which closes the client's connection.
fn ask(alula: &Alula, path: &str) -> tokio::task::JoinHandle<()> {
    let request = http().post(alula.url(path)).json(&json!({"message": "Hi"}));
    #[expect(clippy::disallowed_methods, reason = "the test aborts it")]
    tokio::spawn(async move {
        let answer = request.send().await;
        panic!("nobody answers, but there was {answer:?}");
    })
}

async fn leaves_early(path: &str, head: Option<&str>) {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let client = ask(&alula, path);
    let mut call: Call = upstream.call().await;
    if let Some(head) = head {
        call.send(head).await;
    }
    assert!(!client.is_finished());
    client.abort();
    let took = call.closed().await;
    assert!(took < SOON, "{path}: it took {took:?}");
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let (call, mut stream) = alula.begun_stream(&upstream).await;
    assert_eq!(stream.next().await.unwrap().json(), json!({"token": "first"}));
    drop(stream);
    let took = call.closed().await;
    assert!(took < SOON, "it took {took:?}");
}

#[tokio::test]
async fn before_the_first_token() {
    leaves_early("/chat/stream", Some(STREAM_HEAD)).await;
}

#[tokio::test]
async fn before_the_provider_has_answered_at_all() {
    leaves_early("/chat/stream", None).await;
}

#[tokio::test]
async fn from_a_call_without_a_stream() {
    leaves_early("/chat", None).await;
}

#[tokio::test]
async fn from_a_batch() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let questions = json!([{"message": "one"}, {"message": "two"}]);
    let request = http().post(alula.url("/batch")).json(&questions);
    #[expect(clippy::disallowed_methods, reason = "the test aborts it")]
    let client = tokio::spawn(request.send());
    let (one, two) = (upstream.call().await, upstream.call().await);
    client.abort();
    for call in [one, two] {
        let took = call.closed().await;
        assert!(took < SOON, "it took {took:?}");
    }
}
