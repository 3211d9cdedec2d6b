//! What goes wrong between here and a provider.

use std::time::{Duration, SystemTime};

use alula_llm::{
    BODY_EXCERPT_BYTES_MAX, ChatEvent, ChatRequest, Deadlines, Error, ErrorKind, Http, HttpLimits,
    Llm, OpenAi, Phase, Provider,
};
use futures_util::{StreamExt, future::join_all};
use tokio::time::timeout;

use crate::{
    recordings::Kind,
    server::{Server, Step, send, stream_head},
};

const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const PING: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
const PATIENCE: Duration = Duration::from_secs(5);

fn request() -> ChatRequest {
    ChatRequest::new("m").user("hi")
}

/// Long enough to connect on a busy machine.
const BRIEF: Duration = Duration::from_millis(400);

fn llm(server: &Server) -> Llm {
    llm_with(server, Deadlines::default())
}

fn llm_with(server: &Server, deadlines: Deadlines) -> Llm {
    let openai = OpenAi::new("sk-canary").base_url(server.url());
    Llm::builder().provider(openai).deadlines(deadlines).build().unwrap()
}

async fn chat_error(kind: Kind, head: &str, body: &str) -> Error {
    let server = Server::answer(head, body).await;
    kind.provider(&server.url()).chat(&request()).await.unwrap_err()
}

async fn last_error(llm: &Llm) -> (usize, Error) {
    let items: Vec<_> = match llm.stream(request()).await {
        Ok(stream) => timeout(PATIENCE, stream.collect::<Vec<_>>()).await.unwrap(),
        Err(error) => vec![Err(error)],
    };
    let texts = items.iter().filter(|item| matches!(item, Ok(ChatEvent::Text { .. }))).count();
    (texts, items.into_iter().next_back().unwrap().unwrap_err())
}

#[tokio::test]
async fn a_stream_that_is_cut_is_an_error() {
    // The connection ends, as it does for a server without chunks.
    let server = Server::start(vec![stream_head(), send(TEXT)], true).await;
    let (texts, error) = last_error(&llm(&server)).await;
    assert_eq!((texts, error.kind()), (1, &ErrorKind::Stream { events_seen: 1 }));
    assert!(error.is_retryable());
    assert_eq!(error.provider(), Some("openai"));

    // The chunks end before their last one.
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{head}{:x}\r\n{TEXT}\r\n", TEXT.len());
    let server = Server::start(vec![send(&chunk)], true).await;
    let (texts, error) = last_error(&llm(&server)).await;
    assert_eq!((texts, error.kind()), (1, &ErrorKind::Stream { events_seen: 1 }));
}

#[tokio::test]
async fn a_stall_before_the_first_token_is_a_timeout() {
    let stalls = [
        vec![Step::UntilClosed],
        vec![stream_head(), Step::UntilClosed],
        vec![stream_head(), send(ROLE), send(": ping\n\n"), send(PING), Step::UntilClosed],
    ];
    join_all(stalls.map(|steps| async {
        let server = Server::start(steps, true).await;
        let deadlines = Deadlines::default().first_token(BRIEF);
        let (texts, error) = last_error(&llm_with(&server, deadlines)).await;
        assert_eq!(texts, 0);
        assert_eq!(error.kind(), &ErrorKind::Timeout { phase: Phase::FirstToken });
        timeout(PATIENCE, server.closed()).await.expect("the upstream connection stays open");
    }))
    .await;
}

#[tokio::test]
async fn a_stall_after_the_first_token_is_idle() {
    let server = Server::start(vec![stream_head(), send(TEXT), Step::UntilClosed], true).await;
    let deadlines = Deadlines::default().idle(BRIEF);
    let (texts, error) = last_error(&llm_with(&server, deadlines)).await;
    assert_eq!((texts, error.kind()), (1, &ErrorKind::Timeout { phase: Phase::Idle }));
}

/// In all three windows: before the headers, before the first token, in the middle.
#[tokio::test]
async fn a_client_that_leaves_closes_the_upstream_connection() {
    let server = Server::start(vec![Step::UntilClosed], true).await;
    let llm_of_server = llm(&server);
    tokio::select! {
        _ = llm_of_server.stream(request()) => panic!("there is no answer"),
        () = server.asked() => {}
    }
    timeout(PATIENCE, server.closed()).await.unwrap();
    tokio::select! {
        _ = llm_of_server.chat(request()) => panic!("there is no answer"),
        () = server.asked() => {}
    }
    timeout(PATIENCE, server.closed()).await.unwrap();

    let server = Server::start(vec![stream_head(), Step::UntilClosed], true).await;
    let llm_of_server = llm(&server);
    tokio::select! {
        _ = llm_of_server.stream(request()) => panic!("there is no content"),
        () = server.asked() => {}
    }
    timeout(PATIENCE, server.closed()).await.unwrap();

    let server = Server::start(vec![stream_head(), send(TEXT), Step::UntilClosed], true).await;
    let mut stream = llm(&server).stream(request()).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    timeout(PATIENCE, server.closed()).await.unwrap();
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let body =
        r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
    for (header, at_least, at_most) in
        [("retry-after: 3".to_owned(), 3, 3), (format!("retry-after: {date}"), 25, 30)]
    {
        for kind in [Kind::OpenAi, Kind::Anthropic] {
            let head = format!("429 Too Many Requests\r\n{header}\r\nx-request-id: req_1");
            let error = chat_error(kind, &head, body).await;
            assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error:?}");
            let seconds = error.retry_after().unwrap().as_secs();
            assert!((at_least..=at_most).contains(&seconds), "{seconds}");
            assert_eq!((error.status(), error.request_id()), (Some(429), Some("req_1")));
            assert_eq!(error.message(), "slow down");
            assert!(error.is_retryable());
        }
    }
}

#[tokio::test]
async fn errors_have_the_kind_that_says_what_to_do() {
    let openai = |code: &str| format!(r#"{{"error":{{"message":"m","code":"{code}"}}}}"#);
    let anthropic = |kind: &str, message: &str| {
        format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#)
    };
    let overloaded = || ErrorKind::Overloaded { retry_after: None };
    for (kind, status, body, expected) in [
        (Kind::OpenAi, "401 X", openai("invalid_api_key"), ErrorKind::Auth),
        (Kind::OpenAi, "403 X", String::new(), ErrorKind::Auth),
        (Kind::OpenAi, "404 X", openai("model_not_found"), ErrorKind::NotFound),
        (Kind::OpenAi, "429 X", openai("insufficient_quota"), ErrorKind::QuotaExceeded),
        (Kind::OpenAi, "400 X", openai("context_length_exceeded"), ErrorKind::ContextTooLong),
        (Kind::OpenAi, "400 X", openai("content_filter"), ErrorKind::ContentFiltered),
        (Kind::OpenAi, "422 X", r#"{"detail":[]}"#.to_owned(), ErrorKind::InvalidRequest),
        (Kind::OpenAi, "500 X", "<html>".to_owned(), ErrorKind::Unavailable),
        (Kind::OpenAi, "503 X", String::new(), overloaded()),
        (Kind::OpenAi, "308 X\r\nlocation: /x", String::new(), ErrorKind::Config),
        (Kind::OpenAi, "200 OK", openai("invalid_api_key"), ErrorKind::Auth),
        (Kind::OpenAi, "200 OK", "{\"cho".to_owned(), ErrorKind::Decode),
        (Kind::OpenAi, "200 OK", "{}".to_owned(), ErrorKind::Decode),
        (Kind::Anthropic, "529 X", anthropic("overloaded_error", "m"), overloaded()),
        (Kind::Anthropic, "529 X", String::new(), overloaded()),
        (Kind::Anthropic, "500 X", anthropic("api_error", "m"), ErrorKind::Unavailable),
        (Kind::Anthropic, "200 OK", anthropic("overloaded_error", "m"), overloaded()),
        (
            Kind::Anthropic,
            "400 X",
            anthropic("invalid_request_error", "prompt is too long: 9 tokens"),
            ErrorKind::ContextTooLong,
        ),
        (
            Kind::Anthropic,
            "400 X",
            anthropic("invalid_request_error", "Your credit balance is too low"),
            ErrorKind::QuotaExceeded,
        ),
    ] {
        let error = chat_error(kind, status, &body).await;
        assert_eq!(error.kind(), &expected, "{status} {body}");
        assert!(error.provider().is_some());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_an_error() {
    for (head, body, expected) in [
        ("200 OK\r\ncontent-type: text/html", "<html>", ErrorKind::Decode),
        ("200 OK\r\ncontent-type: application/json", r#"{"choices":[]}"#, ErrorKind::Decode),
        (
            "200 OK\r\ncontent-type: application/json",
            r#"{"error":{"message":"m","code":"invalid_api_key"}}"#,
            ErrorKind::Auth,
        ),
        ("200 OK\r\ncontent-type: text/event-stream", "", ErrorKind::Stream { events_seen: 0 }),
    ] {
        let server = Server::answer(head, body).await;
        let (_, error) = last_error(&llm(&server)).await;
        assert_eq!(error.kind(), &expected, "{head} {body}");
    }
}

#[tokio::test]
async fn sizes_are_limited() {
    let limits = HttpLimits::default().response_bytes_max(1000).event_bytes_max(1000);
    let provider =
        |server: &Server| OpenAi::new("k").base_url(server.url()).http(Http::new(limits));
    let huge = "x".repeat(5000);
    let server = Server::answer("200 OK\r\ncontent-type: application/json", &huge).await;
    let error = provider(&server).chat(&request()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge);

    let line = format!("{TEXT}data: {huge}");
    let server = Server::start(vec![stream_head(), send(&line), Step::UntilClosed], true).await;
    let stream = provider(&server).stream(&request()).await.unwrap();
    let error = timeout(PATIENCE, stream.accumulate()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge);
    assert!(!error.is_retryable());
    assert_eq!(error.message(), "a server-sent event is longer than 1000 bytes");
    timeout(PATIENCE, server.closed()).await.unwrap();
}

#[tokio::test]
async fn a_stream_without_end_is_cut_at_its_limit() {
    let steps = vec![stream_head(), send(TEXT), send(&TEXT.repeat(100)), Step::UntilClosed];
    let server = Server::start(steps, true).await;
    let provider = OpenAi::new("k").base_url(server.url());
    let builder = Llm::builder().provider(provider).stream_bytes_max(1000);
    let (texts, error) = last_error(&builder.build().unwrap()).await;
    assert!(texts < 100);
    assert_eq!(error.kind(), &ErrorKind::TooLarge);
    assert_eq!(error.message(), "the streamed answer is larger than 1000 bytes");
    timeout(PATIENCE, server.closed()).await.unwrap();
}

/// Asking again gives the same bytes, but reading on must not look like the end of the answer.
#[tokio::test]
async fn a_stream_that_is_no_text_cannot_be_decoded() {
    let bytes = [TEXT.as_bytes(), b"data: \xff\n\n"].concat();
    let server = Server::start(vec![stream_head(), Step::Send(bytes)], true).await;
    let items: Vec<_> = llm(&server).stream(request()).await.unwrap().collect().await;
    let kinds: Vec<_> = items.iter().filter_map(|item| Some(item.as_ref().err()?.kind())).collect();
    assert_eq!(kinds, [&ErrorKind::Decode, &ErrorKind::Stream { events_seen: 1 }]);
}

#[tokio::test]
async fn nobody_there_is_a_connect_error() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Kind::OpenAi.provider(&url).chat(&request()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    assert!(error.message().contains("refused"), "{error}");
}

#[tokio::test]
async fn no_error_holds_the_key() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-canary."}}"#;
    let in_band = format!("data: {body}\n\n");
    for kind in [Kind::OpenAi, Kind::Anthropic] {
        let error = chat_error(kind, "401 X", body).await;
        assert_eq!(error.message(), "Incorrect API key provided: ***.");
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
    let server = Server::start(vec![stream_head(), send(&in_band)], true).await;
    let (_, error) = last_error(&llm(&server)).await;
    assert_eq!(error.message(), "Incorrect API key provided: ***.");
    assert!(!format!("{error:?} {error}").contains("canary"));
}

/// Servers repeat the headers of a request in their errors, wherever that falls in the body.
#[tokio::test]
async fn no_error_holds_a_header_that_was_set() {
    let padding = "x".repeat(BODY_EXCERPT_BYTES_MAX - 30);
    let body = format!("{padding} api-key: sk-canary-1, auth: sk-canary-2, team: blue");
    let server = Server::answer("401 X", &body).await;
    let openai = OpenAi::new("sk-can")
        .base_url(server.url())
        .header("api-key", "sk-canary-1")
        .header("x-auth", "Bearer sk-canary-2")
        .header("x-team", "blue");
    let error = openai.chat(&request()).await.unwrap_err();
    let excerpt = error.body_excerpt().unwrap();
    assert_eq!(excerpt.trim_start_matches('x'), " api-key: ***, auth: ***, team");
    assert!(!format!("{error:?} {error}").contains("can"));
}

/// `Duration::MAX` is no limit, also where a timer is reqwest's.
#[tokio::test]
async fn a_call_may_have_no_deadlines() {
    let never = Duration::MAX;
    let deadlines = Deadlines::default().connect(never).first_token(never).idle(never).total(never);
    let server =
        Server::start(vec![stream_head(), send(TEXT), send("data: [DONE]\n\n")], true).await;
    let stream = llm_with(&server, deadlines).stream(request()).await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.accumulate()).await.unwrap().unwrap().text(), "a");
}
