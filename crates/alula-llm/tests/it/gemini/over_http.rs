//! Calls over HTTP: where they go, what they send, and what comes of errors.

use std::time::Duration;

use alula_llm::{
    ChatRequest, ErrorKind, Gemini, Llm, Provider,
    model::Protocol,
    testing::{Cassettes, Interaction},
};
use serde_json::{Value, json};

use crate::{
    recordings::{assert_same_json, root},
    server::Server,
};

const KEY: &str = "AIza-canary";

fn gemini(server: &Server) -> Gemini {
    Gemini::new(KEY).base_url(server.url())
}

fn asked() -> ChatRequest {
    ChatRequest::new("gemini-2.5-flash").user("hi")
}

/// Every recorded call, sent over TCP and answered as recorded.
#[tokio::test]
async fn recorded_calls_run_over_http() {
    let Some(root) = root() else { return };
    let cassettes = Cassettes::load(root.join("gemini")).unwrap();
    let calls: Vec<_> = cassettes.iter().filter(|call| call.protocol().is_some()).collect();
    assert!(calls.len() >= 19, "{} calls only", calls.len());
    for call in calls {
        recorded(call).await;
    }
}

async fn recorded(call: &Interaction) {
    let file = call.file.display();
    let content_type = call.header("content-type").unwrap();
    let head = format!("{} X\r\ncontent-type: {content_type}", call.status);
    let server = Server::answer(&head, &call.body).await;
    let mut request = Protocol::GeminiGenerate.request_from_json(call.request.clone()).unwrap();
    let (model, _) = call.path.rsplit('/').next().unwrap().split_once(':').unwrap();
    model.clone_into(&mut request.model);
    let answer = if call.is_stream() {
        gemini(&server).stream(&request).await.unwrap().accumulate().await.unwrap()
    } else {
        gemini(&server).chat(&request).await.unwrap()
    };
    let message = answer.message().unwrap();
    assert!(!message.parts.is_empty() || answer.stop().is_some(), "{file}");
    assert!(answer.usage.unwrap().input > 0, "{file}");
    let sent = &server.requests()[0];
    assert_same_json(&sent.body, &call.request, call);
    let query = call.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(sent.line, format!("POST {}{query} HTTP/1.1", call.path), "{file}");
}

#[tokio::test]
async fn the_model_is_in_the_address_and_the_key_in_a_header() {
    let body = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]},
        "finishReason": "STOP"}]});
    let server = Server::answer("200 OK\r\ncontent-type: application/json", body.to_string()).await;
    let llm = Llm::builder()
        .provider(gemini(&server))
        .provider(alula_llm::Demo::new())
        .default_model("demo/demo")
        .build()
        .unwrap();
    assert_eq!(llm.chat(asked()).await.unwrap().text(), "a");
    let fields = json!({"generationConfig": {"temperature": 0.5}});
    let fields = fields.as_object().unwrap().clone();
    let request = llm.request_from_json("gemini/gemini-3-pro", fields).unwrap();
    llm.chat(request.user("hi")).await.unwrap();
    let requests = server.requests();
    let [first, second] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(first.line, "POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1");
    assert_eq!(first.header("x-goog-api-key"), Some(KEY));
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    assert_eq!(first.body, json!({"contents": contents}));
    assert_eq!(second.line, "POST /v1beta/models/gemini-3-pro:generateContent HTTP/1.1");
    let config = json!({"temperature": 0.5});
    assert_eq!(second.body, json!({"contents": contents, "generationConfig": config}));
}

#[tokio::test]
async fn a_stream_is_asked_for_as_events() {
    let body = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\
                \"finishReason\":\"STOP\"}]}\r\n\r\n";
    let server = Server::answer("200 OK\r\ncontent-type: text/event-stream", body).await;
    let answer = gemini(&server).stream(&asked()).await.unwrap().accumulate().await.unwrap();
    assert_eq!(answer.text(), "a");
    let line = &server.requests()[0].line;
    assert!(line.contains("/gemini-2.5-flash:streamGenerateContent?alt=sse "), "{line}");
}

async fn fails(status: &str, error: &Value) -> alula_llm::Error {
    let server =
        Server::answer(&format!("{status}\r\ncontent-type: application/json"), error.to_string())
            .await;
    let whole = gemini(&server).chat(&asked()).await.unwrap_err();
    let streamed = gemini(&server).stream(&asked()).await.err().unwrap();
    assert_eq!(whole.kind(), streamed.kind());
    assert!(!format!("{whole:?} {whole} {streamed:?}").contains("canary"));
    whole
}

#[tokio::test]
async fn every_status_has_its_kind() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"});
    let quota = |id: &str| {
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": id}]})
    };
    let key = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID"});
    let per_minute = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
    let per_day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    let tokens = "The input token count (2000000) exceeds the maximum number of tokens allowed";
    let limited = ErrorKind::RateLimited { retry_after: seconds(34) };
    for (status, code, message, details, kind) in [
        ("429 Too Many", "RESOURCE_EXHAUSTED", "quota", json!([per_minute, retry]), limited),
        (
            "429 Too Many",
            "RESOURCE_EXHAUSTED",
            "quota",
            json!([per_day, retry]),
            ErrorKind::QuotaExceeded,
        ),
        ("402 Pay", "RESOURCE_EXHAUSTED", "no", json!([]), ErrorKind::QuotaExceeded),
        ("400 Bad", "INVALID_ARGUMENT", KEY, json!([key]), ErrorKind::Auth),
        ("400 Bad", "INVALID_ARGUMENT", tokens, json!([]), ErrorKind::ContextTooLong),
        ("400 Bad", "INVALID_ARGUMENT", "no", json!([]), ErrorKind::InvalidRequest),
        (
            "400 Bad",
            "FAILED_PRECONDITION",
            "Please enable billing",
            json!([]),
            ErrorKind::QuotaExceeded,
        ),
        ("403 Forbidden", "PERMISSION_DENIED", "no", json!([]), ErrorKind::Auth),
        ("401 Unauthorized", "UNAUTHENTICATED", "no", json!([]), ErrorKind::Auth),
        ("404 Not Found", "NOT_FOUND", "no", json!([]), ErrorKind::NotFound),
        ("500 Broken", "INTERNAL", "no", json!([]), ErrorKind::Unavailable),
        (
            "503 Busy",
            "UNAVAILABLE",
            "no",
            json!([retry]),
            ErrorKind::Overloaded { retry_after: seconds(34) },
        ),
        ("504 Late", "DEADLINE_EXCEEDED", "no", json!([]), ErrorKind::Unavailable),
    ] {
        let number: u16 = status.split(' ').next().unwrap().parse().unwrap();
        let body = json!({"code": number, "message": message, "status": code, "details": details});
        let error = fails(status, &json!({"error": body})).await;
        assert_eq!(error.kind(), &kind, "{code} {message}");
        assert_eq!(error.status(), Some(number));
    }
    // A call that asked for a list gets its error in one.
    let error = json!({"code": 404, "message": "gone", "status": "NOT_FOUND"});
    assert_eq!(fails("404 Not Found", &json!([{"error": error}])).await.message(), "gone");
}

#[test]
fn no_key_is_shown() {
    let gemini = Gemini::new(KEY).base_url("https://u:canary@x.example?key=canary");
    let shown = format!("{:?}", gemini.header("x", "canary"));
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("x.example"), "{shown}");
}
