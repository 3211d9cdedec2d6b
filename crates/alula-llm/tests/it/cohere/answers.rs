//! Answers, streams and errors.

use alula_llm::{
    ChatRequest, Cohere, ErrorKind, Message, Part, Provider, Role, StopReason,
    model::{Protocol, Reasoning},
    providers::cohere,
    testing::{Interaction, Outcome, canonical, check},
};
use serde_json::{Value, json};

use crate::server::Server;

fn answer() -> Value {
    json!({
        "id": "1", "finish_reason": "COMPLETE",
        "message": {
            "role": "assistant", "tool_plan": "plan", "x": 1,
            "content": [{"type": "thinking", "thinking": "hm", "z": 1},
                {"type": "text", "text": "Hello"}],
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}],
            "citations": [{"start": 0, "end": 5, "text": "Hello", "content_index": 1,
                "type": "TEXT_CONTENT", "sources": [
                    {"type": "document", "id": "d", "document": {
                        "url": "https://x", "title": "T"}}]}],
        },
        "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 2},
            "tokens": {"input_tokens": 100, "output_tokens": 3}, "cached_tokens": 64},
        "logprobs": [{"token_ids": [1], "text": "Hel", "logprobs": [-0.1]}],
        "y": {"z": 1},
    })
}

#[test]
fn answers_are_understood() {
    let response = cohere::response_from_json(answer()).unwrap();
    assert_eq!(cohere::response_to_json(&response).unwrap(), answer());
    let message = response.message().unwrap();
    assert_eq!((message.text().as_str(), message.reasoning().as_str()), ("Hello", "hmplan"));
    assert_eq!(response.tool_calls().count(), 2);
    let citation = message.citations().next().unwrap();
    assert_eq!((citation.url(), citation.title()), (Some("https://x"), Some("T")));
    let usage = response.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.cache_read), (100, 3, Some(64)));

    for (reason, stop) in [
        ("COMPLETE", StopReason::End),
        ("STOP_SEQUENCE", StopReason::StopSequence),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("TOOL_CALL", StopReason::ToolCalls),
        ("TIMEOUT", StopReason::Other("TIMEOUT".to_owned())),
    ] {
        let mut body = answer();
        body["finish_reason"] = reason.into();
        body["usage"] = json!({"billed_units": {"input_tokens": 5, "output_tokens": 2}});
        body["message"] = json!({"role": "assistant", "content": []});
        let response = cohere::response_from_json(body.clone()).unwrap();
        assert_eq!(response.stop(), Some(&stop));
        assert_eq!(response.usage.as_ref().unwrap().input, 5);
        assert_eq!(cohere::response_to_json(&response).unwrap(), body);
    }
    for body in [json!([]), json!({"id": "1"}), json!({"message": "no"})] {
        assert_eq!(cohere::response_from_json(body).unwrap_err().kind(), &ErrorKind::Decode);
    }
}

#[test]
fn answers_are_passed_on_in_other_formats() {
    let response = cohere::response_from_json(answer()).unwrap();
    let written = Protocol::OpenAiChat.response_to_json(&response).unwrap();
    let choice = &written["choices"][0];
    assert_eq!(choice["message"]["content"], "Hello");
    assert_eq!(
        choice["message"]["annotations"],
        json!([{"type": "url_citation", "url_citation": {
            "start_index": 0, "end_index": 5, "url": "https://x", "title": "T"}}])
    );
    assert_eq!(choice.get("logprobs"), None);
    assert_eq!(written["usage"]["prompt_tokens_details"]["cached_tokens"], 64);

    let other = json!({"id": "1", "model": "m", "type": "message", "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}],
        "stop_reason": "max_tokens", "usage": {"input_tokens": 5, "output_tokens": 2}});
    let response = Protocol::AnthropicMessages.response_from_json(other).unwrap();
    assert_eq!(
        cohere::response_to_json(&response).unwrap(),
        json!({"id": "1", "finish_reason": "MAX_TOKENS",
            "message": {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
            "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 2},
                "tokens": {"input_tokens": 5, "output_tokens": 2}}})
    );
}

fn events(events: &[Value]) -> String {
    let line = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    };
    events.iter().map(line).collect()
}

fn told(kind: &str, index: u64, message: Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": message}})
}

/// The pieces of [`answer`].
fn stream() -> Vec<Value> {
    let function = |text: &str| json!({"tool_calls": {"function": {"arguments": text}}});
    let call = |id: &str, name: &str| {
        json!({"tool_calls": {"id": id, "type": "function",
            "function": {"name": name, "arguments": ""}}})
    };
    let mut text = told("content-delta", 1, json!({"content": {"text": "Hel"}}));
    text["logprobs"] = answer()["logprobs"][0].clone();
    vec![
        json!({"type": "message-start", "id": "1", "y": {"z": 1}, "delta": {"message": {
            "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [],
            "citations": [], "x": 1}}}),
        told("content-start", 0, json!({"content": {"type": "thinking", "thinking": "", "z": 1}})),
        told("content-delta", 0, json!({"content": {"thinking": "hm"}})),
        json!({"type": "content-end", "index": 0}),
        told("content-start", 1, json!({"content": {"type": "text", "text": ""}})),
        text,
        told("content-delta", 1, json!({"content": {"text": "lo"}})),
        told("citation-start", 0, json!({"citations": answer()["message"]["citations"][0]})),
        json!({"type": "citation-end", "index": 0}),
        json!({"type": "content-end", "index": 1}),
        told("tool-plan-delta", 0, json!({"tool_plan": "pl"})),
        told("tool-plan-delta", 0, json!({"tool_plan": "an"})),
        told("tool-call-start", 0, call("a", "f")),
        told("tool-call-delta", 0, function("{")),
        told("tool-call-delta", 0, function("}")),
        json!({"type": "tool-call-end", "index": 0}),
        told("tool-call-start", 1, call("b", "g")),
        told("tool-call-delta", 1, function("{}")),
        json!({"type": "tool-call-end", "index": 1}),
        json!({"type": "message-end", "delta": {
            "finish_reason": "COMPLETE", "usage": answer()["usage"]}}),
    ]
}

fn call(status: u16, content_type: &str, body: String) -> Interaction {
    Interaction {
        file: "f.yaml".into(),
        method: "POST".to_owned(),
        host: "x.example".to_owned(),
        path: "/v2/chat".to_owned(),
        query: None,
        request: json!({"model": "m", "messages": [], "stream": content_type != "application/json"}),
        status,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.into(),
        ..Interaction::default()
    }
}

async fn read(body: String) -> alula_llm::Result<alula_llm::ChatResponse> {
    let bytes = futures_util::stream::iter([Ok::<_, std::io::Error>(body.into())]);
    cohere::decode_stream(bytes).accumulate().await
}

#[tokio::test]
async fn a_stream_adds_up_to_the_answer() {
    let response = read(events(&stream())).await.unwrap();
    assert_eq!(canonical(&cohere::response_to_json(&response).unwrap()), canonical(&answer()));
    let outcome = check(&call(200, "text/event-stream", events(&stream()))).await;
    assert_eq!(outcome, Outcome::Passed);

    // Calls in lists, and a source of the plan before there is a text.
    let called = json!({"tool_calls": [{"id": "a", "type": "function",
        "function": {"name": "f", "arguments": "{}"}}]});
    let early = json!({"start": 0, "end": 4, "text": "plan", "type": "PLAN"});
    let list = [
        json!({"type": "message-start", "id": "1"}),
        told("tool-plan-delta", 0, json!({"tool_plan": "plan"})),
        told("citation-start", 0, json!({"citations": early})),
        told("tool-call-start", 0, called),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
    ];
    let response = read(events(&list)).await.unwrap();
    let written = cohere::response_to_json(&response).unwrap();
    assert_eq!(written["message"]["citations"], json!([early]));
    assert_eq!(written["message"].get("content"), None);
    assert_eq!(response.tool_calls().next().unwrap().arguments, "{}");
}

#[tokio::test]
async fn a_cut_stream_and_an_error_in_it_are_errors() {
    let mut cut = stream();
    cut.pop();
    let error = read(events(&cut)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Stream { .. }), "{error}");

    let broken = json!({"type": "message-end",
        "delta": {"finish_reason": "ERROR", "error": "out of luck"}});
    let error = read(events(&[broken])).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (&ErrorKind::Unavailable, "out of luck"));
    for body in [
        "data: {\"message\":\"no\"}\n\n",
        "event: error\ndata: {\"message\":\"no\"}\n\n",
        "event: error\ndata: no\n\n",
    ] {
        assert_eq!(read(body.to_owned()).await.unwrap_err().message(), "no");
    }
}

#[tokio::test]
async fn each_error_body_has_its_kind() {
    let request = ChatRequest::new("m").user("hi");
    for (head, body, kind) in [
        ("400 X", json!({"message": "invalid request: no"}), ErrorKind::InvalidRequest),
        ("400 X", json!({"message": "too many tokens: 9 > 8"}), ErrorKind::ContextTooLong),
        ("401 X", json!({"id": "i", "message": "invalid api token"}), ErrorKind::Auth),
        ("402 X", json!({"message": "billing"}), ErrorKind::QuotaExceeded),
        ("404 X", json!({"id": "i", "message": "model 'm' not found"}), ErrorKind::NotFound),
        ("422 X", json!({"message": "unsupported"}), ErrorKind::InvalidRequest),
        ("429 X", json!({"message": "slow"}), ErrorKind::RateLimited { retry_after: None }),
        ("429 X", json!({"message": "1000 API calls / month"}), ErrorKind::QuotaExceeded),
        ("498 X", json!({"message": "blocked"}), ErrorKind::ContentFiltered),
        ("500 X", json!({"message": "oops"}), ErrorKind::Unavailable),
        ("200 OK", json!({"message": "oops"}), ErrorKind::Unavailable),
    ] {
        let head = format!("{head}\r\ncontent-type: application/json");
        let server = Server::answer(&head, body.to_string().as_bytes()).await;
        let cohere = Cohere::new("co-canary").base_url(server.url());
        let error = cohere.chat(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (&kind, body["message"].as_str().unwrap()));
        assert_eq!(error.request_id(), body["id"].as_str());
    }
}

#[tokio::test]
async fn a_call_goes_where_the_api_is() {
    let server =
        Server::answer("200 OK\r\ncontent-type: application/json", answer().to_string().as_bytes())
            .await;
    let plan = Reasoning {
        text: "p".to_owned(),
        field: Some("tool_plan".to_owned()),
        ..Reasoning::default()
    };
    let request =
        ChatRequest::new("m").message(Message::new(Role::Assistant, vec![Part::Reasoning(plan)]));
    let cohere = Cohere::new("co-key").base_url(server.url()).header("X-Client-Name", "t");
    assert_eq!(cohere.chat(&request).await.unwrap().text(), "Hello");
    let sent = &server.requests()[0];
    assert_eq!(sent.line, "POST /v2/chat HTTP/1.1");
    assert_eq!(sent.header("authorization"), Some("Bearer co-key"));
    assert_eq!(sent.header("x-client-name"), Some("t"));
    assert_eq!(sent.body["messages"], json!([{"role": "assistant", "tool_plan": "p"}]));
}
