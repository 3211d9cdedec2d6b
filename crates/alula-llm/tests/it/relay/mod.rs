//! Requests that are passed on as they are.

mod requests;
mod translated;

use std::{sync::LazyLock, time::Duration};

use alula_llm::{
    Anthropic, Cohere, ErrorKind, Gemini, Http, Llm, OpenAi, Provider, RelayRequest, RelayResponse,
    RetryPolicy, Route, model::Protocol, testing::Cassettes,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::{
    recordings::root,
    server::{Server, Step, send, stream_head},
};

const PROTOCOLS: [(&str, Protocol); 5] = [
    ("openai-chat", Protocol::OpenAiChat),
    ("openai-responses", Protocol::OpenAiResponses),
    ("anthropic", Protocol::AnthropicMessages),
    ("gemini", Protocol::GeminiGenerate),
    ("cohere", Protocol::CohereChat),
];

fn llm(provider: impl Provider + 'static) -> Llm {
    let once = RetryPolicy::default().attempts(1);
    Llm::builder().provider(provider).retry(once).build().unwrap()
}

fn llm_of(protocol: Protocol, url: &str) -> Llm {
    // Made once: reading the certificates takes a while.
    static HTTP: LazyLock<Http> = LazyLock::new(Http::default);
    let http = HTTP.clone();
    match protocol {
        Protocol::OpenAiChat => llm(OpenAi::new("k").base_url(url).http(http)),
        Protocol::OpenAiResponses => llm(OpenAi::new("k").base_url(url).http(http).responses()),
        Protocol::AnthropicMessages => llm(Anthropic::new("k").base_url(url).http(http)),
        Protocol::GeminiGenerate => llm(Gemini::new("k").base_url(url).http(http)),
        _ => llm(Cohere::new("k").base_url(url).http(http)),
    }
}

/// All that a stream passes on, and how it ended.
async fn passed_on(llm: &Llm, request: RelayRequest) -> (String, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let mut stream = match llm.relay_stream(request).await {
        Ok(stream) => stream,
        Err(error) => return (String::new(), Some(error.kind().clone())),
    };
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk.bytes),
            Err(error) => {
                return (String::from_utf8(bytes).unwrap(), Some(error.kind().clone()));
            }
        }
    }
    (String::from_utf8(bytes).unwrap(), None)
}

/// The request arrives, and the answer comes back, as the bytes that they are.
#[tokio::test]
async fn recorded_calls_pass_unchanged() {
    let Some(root) = root() else { return };
    let mut passed = 0;
    for (folder, protocol) in PROTOCOLS {
        for call in Cassettes::load(root.join(folder)).unwrap().iter() {
            if call.protocol() != Some(protocol) || call.status != 200 {
                continue;
            }
            let what = call.file.display();
            let is_stream = call.is_stream();
            let content_type = call.header("content-type").unwrap();
            let server =
                Server::answer(&format!("200 OK\r\ncontent-type: {content_type}"), &call.body)
                    .await;
            let llm = llm_of(protocol, &server.url());
            let sent = call.request.to_string();
            let mut request = RelayRequest::new(protocol, sent.clone()).unwrap();
            if protocol == Protocol::GeminiGenerate {
                request = request.with_model("gemini-x");
            }
            if is_stream {
                let (answer, failure) = passed_on(&llm, request).await;
                assert_eq!(failure, None, "{what}");
                let asked = call.request.pointer("/stream_options/include_usage");
                if protocol != Protocol::OpenAiChat || asked == Some(&json!(true)) {
                    let recorded = String::from_utf8(call.body.to_vec()).unwrap();
                    assert_eq!(lines(&answer), lines(&recorded), "{what}");
                }
            } else if call.body.starts_with(b"[") {
                // What Gemini streams as a list is no answer to pass on.
                continue;
            } else {
                let answer = llm.relay(request).await.unwrap();
                assert_eq!(answer.body, call.body, "{what}");
                check_summary(protocol, &answer, &call.body);
            }
            let arrived = &server.requests()[0].body;
            if !is_stream || protocol != Protocol::OpenAiChat {
                assert_eq!(arrived, &call.request, "{what}");
            } else {
                let mut expected = call.request.clone();
                expected["stream_options"]["include_usage"] = true.into();
                assert_eq!(arrived, &expected, "{what}");
            }
            passed += 1;
        }
    }
    assert!(passed > 50, "only {passed} calls were tried");
}

/// The lines that are not blank.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

fn check_summary(protocol: Protocol, relayed: &RelayResponse, body: &[u8]) {
    let answer = protocol.response_from_json(serde_json::from_slice(body).unwrap()).unwrap();
    assert_eq!(relayed.id, answer.id);
    assert_eq!(relayed.model, answer.model);
    assert_eq!(relayed.usage, answer.usage);
}

fn stream_request(more: &str) -> RelayRequest {
    let body = format!(
        r#"{{"model": "m", "messages": [{{"role": "user", "content": "a"}}], "stream": true{more}}}"#
    );
    RelayRequest::new(Protocol::OpenAiChat, body).unwrap()
}

fn data(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn text(text: &str) -> String {
    data(&json!({"id": "1", "choices": [{"index": 0, "delta": {"content": text}, "new": 1}]}))
}

fn stop() -> String {
    data(&json!({"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
}

fn usage() -> String {
    data(&json!({"id": "1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}))
}

#[tokio::test]
async fn usage_that_nobody_asked_for_is_read_and_kept_back() {
    let answer = [text("a"), stop(), usage(), "data: [DONE]\n\n".to_owned()].concat();
    let server = Server::start(vec![stream_head(), send(&answer)], true).await;
    let llm = llm(OpenAi::new("k").base_url(server.url()));
    let (passed, failure) = passed_on(&llm, stream_request("")).await;
    assert_eq!((passed, failure), (answer.replace(&usage(), ""), None));
    let wanted = stream_request(r#", "stream_options": {"include_usage": true}"#);
    let (passed, failure) = passed_on(&llm, wanted).await;
    assert_eq!((passed, failure), (answer, None));
}

#[tokio::test]
async fn comments_and_malformed_events_are_passed_on() {
    let parts = [text("a"), ": busy\n\n".to_owned(), "data: {oops\n\n".to_owned(), stop()];
    let answer = parts.concat() + "data: [DONE]\n\n";
    let server = Server::start(vec![stream_head(), send(&answer)], true).await;
    let llm = llm(OpenAi::new("k").base_url(server.url()));
    let (passed, failure) = passed_on(&llm, stream_request("")).await;
    assert_eq!((lines(&passed), failure), (lines(&answer), None));
}

#[tokio::test]
async fn a_cut_stream_never_ends_well() {
    let half = text("b");
    let (half, _) = half.split_at(half.len() / 2);
    let server = Server::start(vec![stream_head(), send(&(text("a") + half))], true).await;
    let llm = llm(OpenAi::new("k").base_url(server.url()));
    let (passed, failure) = passed_on(&llm, stream_request("")).await;
    // Only whole events are passed on, so that an error can follow them.
    assert_eq!((passed, failure), (text("a"), Some(ErrorKind::Stream { events_seen: 1 })));
}

/// Whoever reads the events and whoever passes the bytes on agree about the end.
#[tokio::test]
async fn a_recorded_stream_that_is_cut_ends_as_for_who_reads_it() {
    const CUTS: usize = 8;
    let Some(root) = root() else { return };
    for (folder, protocol) in PROTOCOLS {
        for call in Cassettes::load(root.join(folder)).unwrap().iter() {
            if call.protocol() != Some(protocol) || call.status != 200 || !call.is_stream() {
                continue;
            }
            for cut in 1..=CUTS {
                let part = call.body.slice(..call.body.len() * cut / CUTS);
                let bytes = futures_util::stream::iter([Ok::<_, std::io::Error>(part.clone())]);
                let mut read = None;
                let mut events = protocol.decode_stream(bytes);
                while let Some(event) = events.next().await {
                    read = event.err().filter(|error| *error.kind() != ErrorKind::Decode).or(read);
                }
                let server =
                    Server::start(vec![stream_head(), Step::Send(part.to_vec())], true).await;
                let llm = llm_of(protocol, &server.url());
                let request = RelayRequest::new(protocol, r#"{"model": "m"}"#).unwrap();
                let (_, passed) = passed_on(&llm, request).await;
                let read = read.map(|error| error.kind().clone());
                assert_eq!(passed, read, "{} cut at {cut}/{CUTS}", call.file.display());
            }
        }
    }
}

#[tokio::test]
async fn pieces_that_are_not_read_hide_nothing() {
    let delta = |index: u32, delta: Value| {
        data(
            &json!({"id": "1", "choices": [{"index": index, "delta": delta, "finish_reason": null}]}),
        )
    };
    // Of two answers one has ended.
    let both = delta(0, json!({"content": "a"})) + &delta(1, json!({"content": "b"}));
    let server = Server::start(vec![stream_head(), send(&(both.clone() + &stop()))], true).await;
    let llm_of_server = llm(OpenAi::new("k").base_url(server.url()));
    let (passed, failure) = passed_on(&llm_of_server, stream_request("")).await;
    assert_eq!(passed, both + &stop());
    assert_eq!(failure, Some(ErrorKind::Stream { events_seen: 3 }));

    // An error without a name, in the middle of content that speaks of one.
    let speaks = delta(0, json!({"content": "{\"error\": 1, \"finish_reason\": \"stop\"}"}));
    let error = data(&json!({"error": {"message": "no", "code": "rate_limit_exceeded"}}));
    let answer = [text("a"), speaks.clone(), speaks.clone(), error].concat();
    let server = Server::start(vec![stream_head(), send(&answer)], true).await;
    let llm_of_server = llm(OpenAi::new("k").base_url(server.url()));
    let (passed, failure) = passed_on(&llm_of_server, stream_request("")).await;
    assert_eq!(passed, [text("a"), speaks.clone(), speaks].concat());
    assert_eq!(failure, Some(ErrorKind::RateLimited { retry_after: None }));
}

#[tokio::test]
async fn an_error_in_an_answer_of_success_is_an_error() {
    for body in [
        r#"{"error": {"message": "no", "code": "rate_limit_exceeded"}}"#,
        r#"{"id": "1", "choices": [{"error": {"message": "no", "code": 429}}]}"#,
    ] {
        let server = Server::answer("200 OK\r\ncontent-type: application/json", body).await;
        let llm = llm(OpenAi::new("k").base_url(server.url()));
        let body = r#"{"model": "m", "messages": []}"#;
        let request = RelayRequest::new(Protocol::OpenAiChat, body).unwrap();
        let error = llm.relay(request).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_failure_before_the_first_content_goes_to_the_next_target() {
    let broken = Server::start(vec![stream_head(), send(": busy\n\n")], true).await;
    let answer = [text("a"), stop(), "data: [DONE]\n\n".to_owned()].concat();
    let healthy = Server::start(vec![stream_head(), send(&answer)], true).await;
    let llm = Llm::builder()
        .provider(OpenAi::new("k").name("broken").base_url(broken.url()))
        .provider(OpenAi::new("k").name("healthy").base_url(healthy.url()))
        .retry(RetryPolicy::default().attempts(1))
        .route("m", Route::to("broken/x").fallback("healthy/y"))
        .build()
        .unwrap();
    let (passed, failure) = passed_on(&llm, stream_request("")).await;
    assert_eq!((passed, failure), (answer, None));
    assert_eq!(healthy.requests()[0].body["model"], "y");
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_connection() {
    let server =
        Server::start(vec![stream_head(), send(&text("a")), Step::UntilClosed], true).await;
    let llm = llm(OpenAi::new("k").base_url(server.url()));
    let mut stream = llm.relay_stream(stream_request("")).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), server.closed()).await.unwrap();
}
