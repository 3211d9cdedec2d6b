//! What a provider gets of a request that is passed on.

use alula_llm::{
    Anthropic, ChatRequest, ChatResponse, ChatStream, Error, ErrorKind, Llm, OpenAi, Provider,
    RelayRequest, RelayResponse, Result, Route, model::Protocol,
};
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::{llm, passed_on, stop, text};
use crate::server::{Server, send, stream_head};

/// Which of the two is called decides, and the provider is told so.
#[tokio::test]
async fn the_call_says_whether_the_answer_streams() {
    let messages = r#""messages": [{"role": "user", "content": "a"}]"#;
    let answer = [text("a"), stop(), "data: [DONE]\n\n".to_owned()].concat();
    for asked in ["", r#", "stream": false"#, r#", "stream": true"#] {
        let body = format!("{{{messages}{asked}}}");
        let request =
            || RelayRequest::new(Protocol::OpenAiChat, body.clone()).unwrap().with_model("m");

        let server = Server::start(vec![stream_head(), send(&answer)], true).await;
        let (passed, failure) =
            passed_on(&llm(OpenAi::new("k").base_url(server.url())), request()).await;
        assert_eq!((passed, failure), (answer.clone(), None));
        assert_eq!(server.requests()[0].body["stream"], true, "{asked}");

        let head = "200 OK\r\ncontent-type: application/json";
        let server = Server::answer(head, r#"{"id": "1"}"#).await;
        let llm = llm(OpenAi::new("k").base_url(server.url()));
        llm.relay(request()).await.unwrap();
        let sent = &server.requests()[0].body;
        assert!([None, Some(&json!(false))].contains(&sent.get("stream")), "{asked}: {sent}");
    }
}

#[tokio::test]
async fn a_server_that_is_picky_gets_what_it_knows() {
    let server = Server::answer("200 OK\r\ncontent-type: application/json", r#"{"id": "1"}"#).await;
    let llm = llm(OpenAi::mistral("k").base_url(server.url()));
    let body = r#"{"model": "m", "messages": [], "seed": 1, "max_completion_tokens": 5, "new": 2}"#;
    let request = RelayRequest::new(Protocol::OpenAiChat, body).unwrap();
    llm.relay(request).await.unwrap();
    let expected =
        json!({"model": "m", "messages": [], "random_seed": 1, "max_tokens": 5, "new": 2});
    assert_eq!(server.requests()[0].body, expected);
}

/// What nothing must be changed in is the client's own, number for number.
#[tokio::test]
async fn a_server_with_quirks_gets_the_bytes_if_it_takes_them() {
    let messages = r#""messages":  [ {"role": "user", "content": "\u0061"}, {"role": "assistant",
        "content": "b"} ]"#;
    let body = format!(r#"{{ "temperature": 1.00, "model": "m", {messages}, "new": 1e2 }}"#);
    let answer = r#"{"id": "1"}"#;
    for provider in [OpenAi::ollama, OpenAi::vllm, OpenAi::llama_cpp, OpenAi::lm_studio] {
        let server = Server::answer("200 OK\r\ncontent-type: application/json", answer).await;
        let llm = llm(provider().base_url(server.url()));
        let request = RelayRequest::new(Protocol::OpenAiChat, body.clone()).unwrap();
        llm.relay(request).await.unwrap();
        assert_eq!(server.requests()[0].text, body);
    }
    for provider in [OpenAi::mistral, OpenAi::groq, OpenAi::deepseek, OpenAi::together] {
        let server = Server::start(vec![stream_head(), send(&(text("a") + &stop()))], true).await;
        let llm = llm(provider("k").base_url(server.url()));
        let options = r#""stream_options": {"include_usage": true}"#;
        for own in [body.replacen('{', &format!("{{{options}, "), 1), body.clone()] {
            let request = RelayRequest::new(Protocol::OpenAiChat, own.clone()).unwrap();
            passed_on(&llm, request).await;
            let sent = server.requests().pop().unwrap();
            let takes_options = sent.body.get("stream_options").is_some();
            // Only what is added comes before what was there.
            let as_it_was = sent.text.ends_with(own.trim_start_matches('{'));
            assert!(as_it_was || !takes_options && own != body, "{}", sent.text);
        }
    }
}

#[tokio::test]
async fn a_server_of_two_protocols_gets_each_as_it_is() {
    let answer = r#"{"id": "1", "model": "m", "output": [], "new": 1}"#;
    let server = Server::answer("200 OK\r\ncontent-type: application/json", answer).await;
    let body = r#"{"model": "m", "input": "a", "previous_response_id": "0", "store": true}"#;
    let request = RelayRequest::new(Protocol::OpenAiResponses, body).unwrap();
    let openai = OpenAi::compatible("own", server.url());
    // What only responses can say cannot be translated.
    let error = llm(openai.clone()).relay(request.clone()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    let relayed = llm(openai.has_responses(true)).relay(request).await.unwrap();
    assert_eq!(relayed.body, answer);
    let sent = &server.requests()[0];
    assert_eq!(sent.line, "POST /v1/responses HTTP/1.1");
    assert_eq!(sent.body.to_string(), body.replace(": ", ":").replace(", ", ","));
}

#[tokio::test]
async fn headers_go_along_and_the_key_is_ours() {
    let server = Server::answer("200 OK\r\ncontent-type: application/json", r#"{"id": "1"}"#).await;
    let llm = llm(Anthropic::new("sk-ours").beta("a-1").base_url(server.url()));
    let body = r#"{"model": "claude-x", "max_tokens": 9, "messages": []}"#;
    let beta = HeaderName::from_static("anthropic-beta");
    let request = RelayRequest::new(Protocol::AnthropicMessages, body)
        .unwrap()
        .with_headers(&HeaderMap::from_iter([(beta, HeaderValue::from_static("b-2"))]));
    llm.relay(request).await.unwrap();
    let sent = &server.requests()[0];
    let betas: Vec<&str> = sent
        .headers
        .iter()
        .filter(|(name, _)| name == "anthropic-beta")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(betas, ["a-1", "b-2"]);
    assert_eq!(sent.header("x-api-key"), Some("sk-ours"));
}

/// Whoever hands all headers on that came gives nothing of the client away.
#[tokio::test]
async fn a_clients_own_headers_stay_here() {
    let server = Server::answer("200 OK\r\ncontent-type: application/json", r#"{"id": "1"}"#).await;
    let ours = Anthropic::new("sk-ours").header("x-team", "ours").base_url(server.url());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "example.com"),
        ("content-length", "9999"),
        ("transfer-encoding", "chunked"),
        ("content-type", "text/plain"),
        ("connection", "x-hop"),
        ("x-hop", "theirs"),
        ("authorization", "Bearer theirs"),
        ("x-api-key", "theirs"),
        ("cookie", "a=theirs"),
        ("anthropic-version", "theirs"),
        ("x-team", "theirs"),
        ("x-request-id", "7"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let body = r#"{"model": "claude-x", "max_tokens": 9, "messages": []}"#;
    let request =
        RelayRequest::new(Protocol::AnthropicMessages, body).unwrap().with_headers(&headers);
    llm(ours).relay(request).await.unwrap();
    let sent = &server.requests()[0];
    assert!(!format!("{:?}", sent.headers).contains("theirs"), "{:?}", sent.headers);
    assert_eq!(sent.header("x-request-id"), Some("7"));
    assert_eq!(sent.header("x-team"), Some("ours"));
    assert_eq!(sent.header("host"), server.url().strip_prefix("http://"));
    let names = |name: &str| sent.headers.iter().filter(|(known, _)| known == name).count();
    for name in ["x-api-key", "content-type", "content-length", "anthropic-version", "x-team"] {
        assert_eq!(names(name), 1, "{name}");
    }
}

/// A provider of somebody else's, which answers with what it is asked.
#[derive(Debug)]
struct Echo;

impl Provider for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn chat<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        async { Err(Error::new(ErrorKind::Config, "nothing is translated")) }.boxed()
    }

    fn stream<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        async { Err(Error::new(ErrorKind::Config, "nothing is translated")) }.boxed()
    }

    fn relay<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Option<BoxFuture<'a, Result<RelayResponse>>> {
        Some(async { Ok(RelayResponse::new(request.body_for_model())) }.boxed())
    }
}

#[tokio::test]
async fn a_provider_of_ones_own_gets_the_bytes_for_its_model() {
    let llm = Llm::builder().provider(Echo).route("fast", Route::to("echo/m-1")).build().unwrap();
    let body = r#"{"temperature": 1.00, "model": "fast", "stream": true, "new": {} }"#;
    let request = RelayRequest::new(Protocol::OpenAiChat, body).unwrap();
    let answer = llm.relay(request).await.unwrap();
    assert_eq!(answer.body, body.replace("fast", "m-1").replace("true", "false"));
}
