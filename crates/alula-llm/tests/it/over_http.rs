//! Recorded calls, over real connections.

use alula_llm::{
    ChatRequest, Error, ErrorKind, Llm, OpenAi, Proxies, RetryPolicy, testing::Cassettes,
};
use serde_json::{Value, json};

use crate::{
    recordings::{Kind, assert_same_json, root},
    server::{Server, Step},
};

/// Every recorded call, sent over TCP and answered as recorded.
#[tokio::test]
async fn recorded_calls_run_over_http() {
    let Some(root) = root() else { return };
    for (folder, kind) in [("openai-chat", Kind::OpenAi), ("anthropic", Kind::Anthropic)] {
        let cassettes = Cassettes::load(root.join(folder)).unwrap();
        for call in cassettes.iter() {
            let content_type = call.header("content-type").unwrap();
            let head = format!("{} X\r\ncontent-type: {content_type}", call.status);
            let server = Server::answer(&head, &call.body).await;
            let provider = kind.provider(&server.url());
            let request = kind.read_request(call.request.clone()).unwrap();
            let answer = if request.stream == Some(true) {
                provider.stream(&request).await.unwrap().accumulate().await
            } else {
                provider.chat(&request).await
            };
            let sent = &server.requests()[0];
            assert_same_json(&sent.body, &call.request, call);
            assert_eq!(sent.line, format!("POST {} HTTP/1.1", call.path));
            if call.status == 200 {
                assert!(!answer.unwrap().choices.is_empty(), "{}", call.file.display());
            } else {
                let body: Value = serde_json::from_slice(&call.body).unwrap();
                check_error(&answer.unwrap_err(), call.status, &body);
            }
        }
        // Each recording finds itself, as a server that replays them will do.
        for call in cassettes.iter() {
            assert!(cassettes.find(&call.method, &call.path, &call.request).is_ok());
        }
        assert_eq!(cassettes.unused().count(), 0);
    }
}

fn check_error(error: &Error, status: u16, body: &Value) {
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    assert_eq!(error.message(), body["error"]["message"]);
    assert_eq!(error.status(), Some(status));
    assert_eq!(error.request_id(), body["request_id"].as_str());
    assert!(!error.is_retryable());
}

const OPENAI: &str = r#"{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
const ANTHROPIC: &str =
    r#"{"id":"1","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}"#;

#[tokio::test]
async fn headers_and_paths_are_those_of_the_api() {
    let json = "200 OK\r\ncontent-type: application/json";
    let server = Server::answer(json, OPENAI).await;
    let request = ChatRequest::new("m").user("hi");
    Kind::OpenAi.provider(&format!("{}/v1/", server.url())).chat(&request).await.unwrap();
    let sent = &server.requests()[0];
    assert_eq!(sent.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(sent.header("authorization"), Some("Bearer sk-canary"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("accept-encoding"), None);

    let server = Server::answer(json, ANTHROPIC).await;
    let anthropic = alula_llm::Anthropic::new("sk-canary")
        .base_url(server.url())
        .beta("a-1")
        .beta("b-2")
        .header("x-team", "red");
    let llm = Llm::builder().provider(anthropic).build().unwrap();
    assert_eq!(llm.chat(request).await.unwrap().text(), "hi");
    let sent = &server.requests()[0];
    assert_eq!(sent.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(sent.header("x-api-key"), Some("sk-canary"));
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.header("anthropic-beta"), Some("a-1,b-2"));
    assert_eq!(sent.header("x-team"), Some("red"));
    assert_eq!(sent.body["max_tokens"], 4096);
}

#[tokio::test]
async fn a_prefix_is_not_sent() {
    let server = Server::answer("200 OK\r\ncontent-type: application/json", OPENAI).await;
    let openai = OpenAi::compatible("local", server.url());
    let llm = Llm::builder().provider(openai).build().unwrap();
    llm.chat(ChatRequest::new("local/org/model").user("hi")).await.unwrap();
    let sent = &server.requests()[0];
    assert_eq!(
        sent.body,
        json!({"model": "org/model", "messages": [{"role": "user", "content": "hi"}]})
    );
    assert_eq!(sent.header("authorization"), None);
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream() {
    let body =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n";
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let server = Server::start(vec![Step::Send(answer.into_bytes())], false).await;
    let llm = Llm::builder().provider(OpenAi::new("k").base_url(server.url())).build().unwrap();
    for _ in 0..3 {
        let answer = llm.stream(ChatRequest::new("m").user("hi")).await.unwrap().accumulate().await;
        assert_eq!(answer.unwrap().text(), "a");
    }
    assert_eq!((server.requests().len(), server.connections()), (3, 1));
}

/// The environment is not asked, and no proxy sees what stays on this machine.
#[tokio::test]
async fn a_proxy_is_used_for_other_machines_only() {
    let json = "200 OK\r\ncontent-type: application/json";
    let proxy = Server::answer(json, OPENAI).await;
    let here = Server::answer(json, OPENAI).await;
    let url = proxy.url().replace("http://", "http://user:pass@");
    let llm = Llm::builder()
        .provider(OpenAi::compatible("here", here.url()))
        .provider(OpenAi::compatible("localhost", here.url().replace("127.0.0.1", "localhost")))
        .provider(OpenAi::compatible("there", "http://llm.invalid"))
        .proxies(Proxies::default().all(url))
        .build()
        .unwrap();
    for model in ["here/m", "localhost/m", "there/m"] {
        llm.chat(ChatRequest::new(model).user("hi")).await.unwrap();
    }
    assert_eq!((here.requests().len(), proxy.requests().len()), (2, 1));
    let sent = &proxy.requests()[0];
    assert_eq!(sent.line, "POST http://llm.invalid/v1/chat/completions HTTP/1.1");
    assert_eq!(sent.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[tokio::test]
async fn a_proxy_is_used_only_for_what_it_is_for() {
    let proxy = Server::answer("200 OK\r\ncontent-type: application/json", OPENAI).await;
    let reach = async |address: &str, proxies: Proxies| {
        let llm = Llm::builder()
            .provider(OpenAi::compatible("there", address))
            .retry(RetryPolicy::default().attempts(1))
            .proxies(proxies)
            .build()
            .unwrap();
        let before = proxy.connections();
        // What is not answered by the proxy is answered by nobody.
        let _ = llm.chat(ChatRequest::new("m").user("hi")).await;
        proxy.connections() > before
    };
    let (plain, secure) = ("http://llm.invalid", "https://llm.invalid");
    let https = || Proxies::default().https(proxy.url());
    let all = || Proxies::default().all(proxy.url());
    assert!(!reach(plain, https()).await);
    assert!(reach(secure, https()).await);
    assert!(reach(plain, all()).await);
    assert!(reach(secure, all()).await);
    assert!(reach("http://llm.invalid", all().except("other.invalid")).await);
    assert!(!reach("http://api.llm.invalid", all().except("other.invalid, llm.invalid")).await);
    assert!(!reach(secure, https().except("*")).await);
}
