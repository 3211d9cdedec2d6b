//! Recorded calls. That nothing of them is lost is part of `alula_llm::testing::check`.

use alula_llm::{
    ChatResponse, ErrorKind, OpenAiResponses, Part, Provider,
    model::Protocol,
    testing::{Cassettes, Interaction},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::{
    recordings::{assert_same_json, root},
    server::Server,
};

const API: Protocol = Protocol::OpenAiResponses;

fn recorded() -> Vec<Interaction> {
    let Some(root) = root() else { return Vec::new() };
    let cassettes = Cassettes::load(root.join("openai-responses")).unwrap();
    let calls: Vec<_> = cassettes.iter().filter(|it| it.protocol() == Some(API)).collect();
    assert!(calls.len() >= 23, "{} calls only", calls.len());
    for call in &calls {
        // Each recording finds itself, as a server that replays them will do.
        assert!(cassettes.find(&call.method, &call.path, &call.request).is_ok());
    }
    calls.into_iter().cloned().collect()
}

/// Sent over TCP and answered as recorded.
#[tokio::test]
async fn recorded_calls_run_over_http() {
    for call in recorded() {
        let content_type = call.header("content-type").unwrap();
        let head = format!("{} X\r\ncontent-type: {content_type}", call.status);
        let server = Server::answer(&head, &call.body).await;
        let provider = OpenAiResponses::new("sk-canary").base_url(server.url());
        let request = API.request_from_json(call.request.clone()).unwrap();
        let answer = if request.stream == Some(true) {
            match provider.stream(&request).await {
                Ok(stream) => stream.accumulate().await,
                Err(error) => Err(error),
            }
        } else {
            provider.chat(&request).await
        };
        let sent = &server.requests()[0];
        assert_same_json(&sent.body, &call.request, &call);
        assert_eq!(sent.line, format!("POST {} HTTP/1.1", call.path));
        if call.status == 200 {
            understood(&call, &answer.unwrap());
        } else {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
            assert_eq!(error.message(), body["error"]["message"]);
        }
    }
}

fn understood(call: &Interaction, answer: &ChatResponse) {
    let file = call.file.display();
    let body = recorded_answer(call);
    let items = |kind: &str| -> Vec<Value> {
        let list = body["output"].as_array().unwrap().iter();
        list.filter(|item| item["type"] == kind).cloned().collect()
    };
    let texts: String = items("message")
        .iter()
        .flat_map(|item| item["content"].as_array().unwrap())
        .map(|content| content["text"].as_str().unwrap())
        .collect();
    assert_eq!(answer.text(), texts, "{file}");
    let calls = items("function_call");
    let found: Vec<_> = answer.tool_calls().collect();
    assert_eq!(found.len(), calls.len(), "{file}");
    for (found, call) in found.iter().zip(calls) {
        assert_eq!((&found.id, &found.name), (&text(&call, "call_id"), &text(&call, "name")));
        assert_eq!(found.arguments, text(&call, "arguments"));
    }
    let others = answer.message().unwrap().parts.iter().filter(|it| matches!(it, Part::Other(_)));
    let known = ["message", "function_call", "reasoning"].map(|kind| items(kind).len());
    let opaque = body["output"].as_array().unwrap().len() - known.iter().sum::<usize>();
    assert_eq!(others.count(), opaque, "{file}");
    assert!(answer.stop().is_some(), "{file}");
    let (usage, counted) = (answer.usage.as_ref().unwrap(), &body["usage"]);
    assert_eq!(usage.input, counted["input_tokens"]);
    assert_eq!(usage.output, counted["output_tokens"]);
    assert_eq!(usage.total(), counted["total_tokens"]);
    assert_eq!(usage.cache_read, counted["input_tokens_details"]["cached_tokens"].as_u64());
    assert_eq!(usage.reasoning, counted["output_tokens_details"]["reasoning_tokens"].as_u64());
}

fn text(item: &Value, name: &str) -> String {
    item[name].as_str().unwrap().to_owned()
}

/// The answer, or the one in the last event of a stream.
fn recorded_answer(call: &Interaction) -> Value {
    let body = str::from_utf8(&call.body).unwrap();
    if !call.is_stream() {
        return serde_json::from_str(body).unwrap();
    }
    let last = body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
    serde_json::from_str::<Value>(last.unwrap()).unwrap()["response"].take()
}

#[tokio::test]
async fn a_recorded_stream_cut_anywhere_is_an_error() {
    for call in recorded().iter().filter(|call| call.is_stream()) {
        let text = str::from_utf8(&call.body).unwrap();
        let end = text.find("event: response.completed").unwrap();
        for cut in (0..end).step_by((end / 50).max(1)) {
            let bytes: Bytes = call.body.slice(..cut);
            let bytes = stream::iter([Ok::<_, std::io::Error>(bytes)]);
            let items: Vec<_> = API.decode_stream(bytes).collect().await;
            let error = items.last().unwrap().as_ref().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Stream { .. }), "cut at {cut}");
            assert!(items.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
