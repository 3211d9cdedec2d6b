//! Requests that are passed on as they are.

use std::{sync::LazyLock, time::Duration};

use alula_llm::{
    Anthropic, ChatRequest, ChatResponse, ChatStream, Cohere, Demo, Error, ErrorKind, Gemini, Http,
    Llm, OpenAi, Provider, RelayRequest, RelayResponse, Result, RetryPolicy, Route,
    model::Protocol, testing::Cassettes,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
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
