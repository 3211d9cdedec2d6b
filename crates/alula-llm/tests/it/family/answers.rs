//! What the servers answer.

use alula_llm::{
    ChatRequest, ErrorKind, OpenAi, Part, Provider, Usage,
    model::Protocol,
    providers::openai,
    testing::{Interaction, Outcome, canonical, check},
};
use serde_json::{Value, json};

use super::ANSWER;
use crate::server::Server;

/// Reads the usage of an answer, which must be written as it was.
#[track_caller]
fn usage(usage: &Value) -> Usage {
    let mut body: Value = serde_json::from_str(ANSWER).unwrap();
    body["usage"] = usage.clone();
    let response = openai::response_from_json(body.clone()).unwrap();
    assert_eq!(canonical(&openai::response_to_json(&response).unwrap()), canonical(&body));
    response.usage.unwrap()
}

#[test]
fn usage_means_the_same_wherever_it_stands() {
    let mistral = usage(&json!({"prompt_tokens": 64, "completion_tokens": 6, "total_tokens": 70,
        "num_cached_tokens": 32}));
    assert_eq!((mistral.input, mistral.cache_read), (64, Some(32)));
    let deepseek = usage(&json!({"prompt_tokens": 64, "completion_tokens": 6,
        "prompt_cache_hit_tokens": 32, "prompt_cache_miss_tokens": 32}));
    assert_eq!(deepseek.cache_read, Some(32));
    let both = usage(&json!({"prompt_tokens": 64, "completion_tokens": 6,
        "prompt_cache_hit_tokens": 32, "prompt_tokens_details": {"cached_tokens": 32}}));
    assert_eq!(both.cache_read, Some(32));
    let xai = usage(&json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
        "completion_tokens_details": {"reasoning_tokens": 20}}));
    assert_eq!((xai.output, xai.reasoning, xai.total()), (25, Some(20), 35));
    let openai = usage(&json!({"prompt_tokens": 10, "completion_tokens": 25, "total_tokens": 35,
        "completion_tokens_details": {"reasoning_tokens": 20}}));
    assert_eq!((openai.output, openai.reasoning), (25, Some(20)));
    usage(&json!({"prompt_tokens": 1, "completion_tokens": 1, "num_cached_tokens": null}));
}

async fn read(body: String) -> alula_llm::Result<alula_llm::ChatResponse> {
    let bytes = futures_util::stream::iter([Ok::<_, std::io::Error>(body.into())]);
    openai::decode_stream(bytes).accumulate().await
}

fn chunk(delta: Value, more: Value) -> String {
    let mut chunk = json!({"id": "1", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    chunk["choices"][0]["finish_reason"] = more["finish_reason"].clone();
    for name in ["usage", "x_groq"] {
        if let Some(value) = more.get(name) {
            chunk[name] = value.clone();
        }
    }
    format!("data: {chunk}\n\n")
}

async fn passes(body: &str) {
    let call = Interaction {
        file: "f.yaml".into(),
        method: "POST".to_owned(),
        host: "x.example".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        query: None,
        request: json!({"model": "m", "messages": [], "stream": true}),
        status: 200,
        headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
        body: body.to_owned().into(),
        ..Interaction::default()
    };
    assert_eq!(check(&call).await, Outcome::Passed);
}

#[tokio::test]
async fn mistral_thinks_in_its_content() {
    let thinks = |text: &str| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]});
    let says = |part: Value| json!({"content": [part]});
    let body = [
        chunk(json!({"role": "assistant", "content": ""}), json!({})),
        chunk(thinks("h"), json!({})),
        chunk(thinks("m"), json!({})),
        chunk(json!({"content": "He"}), json!({})),
        chunk(says(json!({"type": "text", "text": "llo"})), json!({})),
        chunk(says(json!({"type": "reference", "reference_ids": [1]})), json!({})),
        chunk(json!({"content": " you"}), json!({})),
        chunk(
            json!({"content": ""}),
            json!({"finish_reason": "stop", "usage": {
                "prompt_tokens": 1, "completion_tokens": 2, "num_cached_tokens": 1}}),
        ),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    passes(&body).await;
    let response = read(body).await.unwrap();
    let message = response.message().unwrap();
    assert_eq!((message.reasoning().as_str(), response.text().as_str()), ("hm", "Hello you"));
    assert_eq!(
        openai::response_to_json(&response).unwrap()["choices"][0]["message"]["content"],
        json!([
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "Hello"},
            {"type": "reference", "reference_ids": [1]},
            {"type": "text", "text": " you"},
        ])
    );

    let whole = json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": {
        "role": "assistant", "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]},
            {"type": "text", "text": "b"}]}, "finish_reason": "stop"}]});
    let response = openai::response_from_json(whole.clone()).unwrap();
    assert_eq!(openai::response_to_json(&response).unwrap(), whole);
    assert!(
        matches!(&response.message().unwrap().parts[0], Part::Reasoning(it) if it.text == "hm")
    );
    let elsewhere = Protocol::AnthropicMessages.response_to_json(&response).unwrap();
    let unsealed = json!({"type": "thinking", "thinking": "hm", "signature": ""});
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(elsewhere["content"], json!([unsealed, text("a"), text("b")]));
}

#[tokio::test]
async fn groq_reports_usage_in_a_field_of_its_own() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let body = [
        chunk(json!({"role": "assistant", "content": "a"}), json!({"x_groq": {"id": "r"}})),
        chunk(json!({}), json!({"finish_reason": "stop", "x_groq": {"id": "r", "usage": usage}})),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    passes(&body).await;
    let usage = read(body).await.unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.total), (3, 2, Some(5)));
}

#[tokio::test]
async fn an_error_of_the_provider_behind_comes_in_a_stream_or_in_a_choice() {
    let error = json!({"code": 502, "message": "Provider returned error"});
    let at_top = json!({"id": "1", "error": error,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]});
    let in_choice = json!({"id": "1", "choices": [
        {"index": 0, "delta": {}, "finish_reason": "error", "error": error}]});
    let bare = json!({"object": "error", "message": "Provider returned error", "code": 502});
    for event in [at_top, in_choice, bare] {
        let start = chunk(json!({"content": "a"}), json!({}));
        let found = read(format!("{start}data: {event}\n\n")).await.unwrap_err();
        assert_eq!(found.message(), "Provider returned error");
        assert_eq!((found.kind(), found.status()), (&ErrorKind::Unavailable, Some(502)));
    }
}

#[tokio::test]
async fn the_errors_of_azure_groq_mistral_and_deepseek_have_their_kinds() {
    let wrapped = |error: Value| json!({"error": error});
    let detail = json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "x"],
        "msg": "Extra inputs are not permitted"}]});
    let cases = [
        // Azure.
        (
            404,
            wrapped(json!({"code": "DeploymentNotFound", "message": "no"})),
            ErrorKind::NotFound,
            "no",
        ),
        (401, json!({"statusCode": 401, "message": "no"}), ErrorKind::Auth, "no"),
        (
            400,
            wrapped(json!({"code": "content_filter", "message": "no", "status": 400})),
            ErrorKind::ContentFiltered,
            "no",
        ),
        // Groq.
        (
            400,
            wrapped(json!({"code": "tool_use_failed", "message": "no", "failed_generation": "x"})),
            ErrorKind::InvalidRequest,
            "no",
        ),
        (498, wrapped(json!({"message": "no"})), ErrorKind::Overloaded { retry_after: None }, "no"),
        // Mistral.
        (
            422,
            json!({"object": "error", "message": detail, "type": "invalid_request_error"}),
            ErrorKind::InvalidRequest,
            "body.x: Extra inputs are not permitted",
        ),
        (422, detail.clone(), ErrorKind::InvalidRequest, "body.x: Extra inputs are not permitted"),
        (
            429,
            json!({"object": "error", "message": "no", "type": "rate_limited", "code": "1300"}),
            ErrorKind::RateLimited { retry_after: None },
            "no",
        ),
        // DeepSeek.
        (
            402,
            wrapped(json!({"message": "no", "code": "invalid_request_error"})),
            ErrorKind::QuotaExceeded,
            "no",
        ),
    ];
    check_errors(&cases).await;
}

#[tokio::test]
async fn the_errors_of_the_others_have_their_kinds() {
    let wrapped = |error: Value| json!({"error": error});
    let cases = [
        // OpenRouter.
        (
            403,
            wrapped(json!({"code": 403, "message": "input was flagged"})),
            ErrorKind::ContentFiltered,
            "input was flagged",
        ),
        (
            400,
            wrapped(json!({"code": 400, "message": "the maximum context length is 9"})),
            ErrorKind::ContextTooLong,
            "the maximum context length is 9",
        ),
        (
            200,
            wrapped(json!({"code": 503, "message": "no"})),
            ErrorKind::Overloaded { retry_after: None },
            "no",
        ),
        // Cerebras, xAI, vLLM, llama.cpp, LM Studio.
        (404, json!({"message": "no", "code": "model_not_found"}), ErrorKind::NotFound, "no"),
        (400, json!({"code": "invalid", "error": "no"}), ErrorKind::InvalidRequest, "no"),
        (
            400,
            json!({"object": "error", "message": "no", "code": 400}),
            ErrorKind::InvalidRequest,
            "no",
        ),
        (
            400,
            wrapped(json!({"code": 400, "message": "no", "type": "exceed_context_size_error"})),
            ErrorKind::ContextTooLong,
            "no",
        ),
        (400, json!({"error": "no"}), ErrorKind::InvalidRequest, "no"),
    ];
    check_errors(&cases).await;
}

async fn check_errors(cases: &[(u16, Value, ErrorKind, &str)]) {
    let request = ChatRequest::new("m").user("hi");
    for (status, body, kind, message) in cases {
        let head = format!("{status} X\r\ncontent-type: application/json");
        let server = Server::answer(&head, body.to_string().as_bytes()).await;
        let error = OpenAi::vllm().base_url(server.url()).chat(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, *message), "{body}");
    }
}
