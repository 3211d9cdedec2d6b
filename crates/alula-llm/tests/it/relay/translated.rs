//! Answers of providers that speak another protocol than the client, and the words for failures.

use std::time::Duration;

use alula_llm::{
    Demo, ErrorKind, Llm, OpenAi, RelayRequest, model::Protocol, testing::FakeProvider,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{data, llm, passed_on, stop, text, usage};
use crate::server::{Server, send, stream_head};

#[tokio::test]
async fn an_answer_in_another_protocol_is_translated() {
    let llm = llm(Demo::new().delay(Duration::ZERO));
    let body =
        r#"{"model": "demo", "max_tokens": 99, "messages": [{"role": "user", "content": "a"}]}"#;
    for protocol in [Protocol::OpenAiChat, Protocol::AnthropicMessages, Protocol::OpenAiResponses] {
        let request = RelayRequest::new(protocol, body).unwrap();
        let relayed = llm.relay(request.clone()).await.unwrap();
        let answer = protocol.response_from_json(serde_json::from_slice(&relayed.body).unwrap());
        let answer = answer.unwrap();
        assert!(answer.text().contains("demo"));
        assert_eq!(answer.usage.as_ref().unwrap().output, relayed.usage.unwrap().output);

        let chunks = llm.relay_stream(request).await.unwrap();
        let bytes = chunks.map(|chunk| chunk.map(|chunk| chunk.bytes));
        let streamed = protocol.decode_stream(bytes).accumulate().await.unwrap();
        assert_eq!(streamed.text(), answer.text());
    }
}

fn claude_request(more: &str) -> RelayRequest {
    let body = format!(
        r#"{{"model": "m", "max_tokens": 9, "messages": [{{"role": "user", "content": "Hello there"}}]{more}}}"#
    );
    RelayRequest::new(Protocol::AnthropicMessages, body).unwrap()
}

/// The data of the events.
fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// The protocol of the client has no answer without usage, the provider's may not tell any.
#[tokio::test]
async fn a_translated_answer_without_usage_tells_an_estimate_that_nobody_pays() {
    let fake = FakeProvider::start().await;
    fake.turn().says("Hello");
    let llm = llm(fake.openai());
    let request = claude_request("");
    let answer = llm.relay(request.clone()).await.unwrap();
    let written: Value = serde_json::from_slice(&answer.body).unwrap();
    let estimate = request.chat().unwrap().estimate_tokens();
    assert_eq!(written["usage"], json!({"input_tokens": estimate, "output_tokens": 0}));
    assert_eq!(answer.usage, None);
    fake.finish();
}

/// The protocol of the client wants the tokens of the prompt first, the provider's tells them last.
#[tokio::test]
async fn a_translated_stream_begins_with_an_estimate_of_its_prompt() {
    let answer = [text("a"), stop(), usage(), "data: [DONE]\n\n".to_owned()].concat();
    let server = Server::start(vec![stream_head(), send(&answer)], true).await;
    let llm = llm(OpenAi::new("k").base_url(server.url()));
    let request = claude_request("");
    let estimate = request.chat().unwrap().estimate_tokens();
    assert!(estimate > 0);
    let (passed, failure) = passed_on(&llm, request).await;
    assert_eq!(failure, None);
    let events = events(&passed);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], estimate);
    let end = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(
        (&end["usage"]["input_tokens"], &end["usage"]["output_tokens"]),
        (&json!(3), &json!(2))
    );
}

/// All that a client reads, the words for the failure at the end included.
async fn told(llm: &Llm, request: RelayRequest) -> String {
    let mut bytes = Vec::new();
    let mut stream = llm.relay_stream(request).await.unwrap();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk.bytes),
            Err(error) => bytes.extend_from_slice(&stream.failure(&error)),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[track_caller]
fn ends_as_failed(stream: &str, id: Option<&str>) {
    let events = events(stream);
    let numbers: Vec<u64> =
        events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..events.len() as u64), "{numbers:?}");
    let (first, last) = (&events[0]["response"], events.last().unwrap());
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["id"], first["id"]);
    assert_eq!(last["response"]["created_at"], first["created_at"]);
    assert!(id.is_none_or(|id| last["response"]["id"] == id), "{last}");
}

#[tokio::test]
async fn a_failure_goes_on_where_the_stream_stopped() {
    let body = r#"{"model": "m", "input": "a"}"#;
    let request = RelayRequest::new(Protocol::OpenAiResponses, body).unwrap();

    let translated = Server::start(vec![stream_head(), send(&text("a"))], true).await;
    let openai = OpenAi::new("k").base_url(translated.url());
    ends_as_failed(&told(&llm(openai), request.clone()).await, None);

    let response = json!({"id": "resp_1", "object": "response", "created_at": 7, "model": "m",
        "status": "in_progress", "output": []});
    let delta = json!({"type": "response.output_text.delta", "sequence_number": 1,
        "item_id": "i", "output_index": 0, "content_index": 0,
        "delta": "{\"sequence_number\": 9}"});
    let created = json!({"type": "response.created", "sequence_number": 0, "response": response});
    let passed = [data(&created), data(&delta)].concat();
    let passed = Server::start(vec![stream_head(), send(&passed)], true).await;
    let openai = OpenAi::new("k").base_url(passed.url()).responses();
    ends_as_failed(&told(&llm(openai), request).await, Some("resp_1"));
}

/// A text may lack a word; what a program reads may not.
#[tokio::test]
async fn a_malformed_event_ends_a_translated_stream_that_may_call_tools() {
    let garbled = "data: {oops\n\n".to_owned();
    let answer = [text("a"), garbled.clone(), text("b"), stop(), "data: [DONE]\n\n".to_owned()];
    let server = Server::start(vec![stream_head(), send(&answer.concat())], true).await;
    let llm_of_server = llm(OpenAi::new("k").base_url(server.url()));
    let (passed, failure) = passed_on(&llm_of_server, claude_request("")).await;
    assert_eq!(failure, None);
    assert!(passed.contains("message_stop"), "{passed}");

    let call = |function: Value| {
        let call = json!({"index": 0, "id": "c", "type": "function", "function": function});
        data(&json!({"id": "1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
    };
    let answer = [
        call(json!({"name": "f", "arguments": "{\"a\":"})),
        garbled,
        call(json!({"arguments": "}"})),
        data(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})),
        "data: [DONE]\n\n".to_owned(),
    ];
    let server = Server::start(vec![stream_head(), send(&answer.concat())], true).await;
    let llm_of_server = llm(OpenAi::new("k").base_url(server.url()));
    let tools = r#", "tools": [{"name": "f", "input_schema": {"type": "object"}}]"#;
    let (passed, failure) = passed_on(&llm_of_server, claude_request(tools)).await;
    assert!(matches!(failure, Some(ErrorKind::Stream { .. })), "{failure:?}");
    assert!(passed.contains("tool_use") && !passed.contains("message_stop"), "{passed}");
}
