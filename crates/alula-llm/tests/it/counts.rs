//! Counting tokens without making the call.

use alula_llm::{
    Anthropic, ChatRequest, Cohere, Demo, ErrorKind, Gemini, Llm, OpenAi, OpenAiResponses,
    Provider, TokenCount, model::FunctionTool,
};
use serde_json::{Value, json};

use crate::server::{Request, Server};

const JSON: &str = "200 OK\r\ncontent-type: application/json";

/// With much of what a call has and a count must not have.
fn request() -> ChatRequest {
    let schema = json!({"type": "object"});
    let mut request = ChatRequest::new("m").system("s").user("u").max_tokens(9).temperature(0.5);
    request.stop = vec!["x".to_owned()];
    request.user = Some("u".to_owned());
    request.stream = Some(true);
    request.tool(FunctionTool::new("f", "d", schema))
}

async fn counted<P: Provider + 'static>(
    answer: Value,
    provider: impl FnOnce(String) -> P,
) -> Request {
    let server = Server::answer(JSON, answer.to_string()).await;
    let llm = Llm::builder().provider(provider(server.url())).build().unwrap();
    let count = llm.count_tokens(request()).await.unwrap();
    assert_eq!((count.tokens, count.exact), (5, true));
    server.requests().remove(0)
}

#[tokio::test]
async fn providers_that_count_are_sent_what_a_count_takes() {
    let count = json!({"input_tokens": 5});
    let sent = counted(count, |url| Anthropic::new("k").base_url(url)).await;
    assert_eq!(sent.line, "POST /v1/messages/count_tokens HTTP/1.1");
    let messages = json!([{"role": "user", "content": "u"}]);
    let tools = json!([{"name": "f", "description": "d", "input_schema": {"type": "object"}}]);
    let expected = json!({"model": "m", "system": "s", "messages": messages, "tools": tools});
    assert_eq!(sent.body, expected);

    let count = json!({"object": "response.input_tokens", "input_tokens": 5});
    let sent = counted(count, |url| OpenAiResponses::compatible("x", url)).await;
    assert_eq!(sent.line, "POST /v1/responses/input_tokens HTTP/1.1");
    let names: Vec<&String> = sent.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["model", "instructions", "input", "tools"]);

    let sent = counted(json!({"totalTokens": 5}), |url| Gemini::new("k").base_url(url)).await;
    assert_eq!(sent.line, "POST /v1beta/models/m:countTokens HTTP/1.1");
    let whole = &sent.body["generateContentRequest"];
    assert_eq!(whole["model"], "models/m");
    assert_eq!(whole["systemInstruction"]["parts"][0]["text"], "s");
    assert_eq!(whole["tools"][0]["functionDeclarations"][0]["name"], "f");
}

#[tokio::test]
async fn who_cannot_count_is_estimated() {
    for provider in [OpenAi::groq("k"), OpenAi::ollama()] {
        let provider = provider.base_url("http://127.0.0.1:1");
        let error = provider.count_tokens(&request()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unsupported);
        let llm = Llm::builder().provider(provider).build().unwrap();
        let count = llm.count_tokens(request()).await.unwrap();
        assert_eq!(count, TokenCount::estimate(request().estimate_tokens()));
    }
    let error = Cohere::new("k").count_tokens(&request()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
    let demo = Llm::builder().provider(Demo::new()).build().unwrap();
    let count = demo.count_tokens(ChatRequest::new("demo").user("two words")).await.unwrap();
    assert_eq!(count, TokenCount::exact(2));
}

#[tokio::test]
async fn an_error_is_no_count() {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#;
    let server = Server::answer("400 X\r\ncontent-type: application/json", body).await;
    let llm = Llm::builder().provider(Anthropic::new("k").base_url(server.url())).build().unwrap();
    let error = llm.count_tokens(request()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (&ErrorKind::InvalidRequest, "no"));
}
