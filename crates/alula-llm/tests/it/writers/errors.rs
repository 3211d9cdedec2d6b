//! Failures, before and after an answer has begun.

use alula_llm::{Error, ErrorKind, model::Protocol};
use serde_json::{Value, json};

use super::{PROTOCOLS, data, options, read, start, text};

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "words").with_provider("x").with_request_id(Some("req_1".to_owned()))
}

/// An answer that fails after its first word.
fn broken(protocol: Protocol, error: &Error) -> String {
    let mut writer = protocol.stream_writer(options());
    let mut out = Vec::new();
    for event in [start(None, json!({})), text(0, "Hel")] {
        writer.event(&event, &mut out);
    }
    writer.error(error, &mut out);
    writer.event(&text(0, "lo"), &mut out);
    writer.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_failure_in_a_stream_is_read_as_one() {
    let limited = ErrorKind::RateLimited { retry_after: None };
    for protocol in PROTOCOLS {
        for (kind, read_back) in [
            (ErrorKind::ContextTooLong, ErrorKind::ContextTooLong),
            (limited.clone(), limited.clone()),
            (ErrorKind::Auth, ErrorKind::Unavailable),
            (ErrorKind::Stream { events_seen: 2 }, ErrorKind::Unavailable),
        ] {
            // Cohere ends the message by an error that has no kind.
            let is_cohere = protocol == Protocol::CohereChat;
            let read_back = if is_cohere { ErrorKind::Unavailable } else { read_back };
            let written = broken(protocol, &error(kind.clone()));
            let read = read(protocol, &written).await.unwrap_err();
            assert_eq!(read.kind(), &read_back, "{protocol}: {kind:?}: {written}");
            assert!(!written.contains("[DONE]") && !written.contains("\"lo\""), "{written}");
        }
    }
}

#[test]
fn a_mistake_of_the_client_keeps_the_place_and_the_code_that_the_provider_named() {
    let body = r#"{"error": {"message": "words", "param": "top_p", "code": "unsupported_value"}}"#;
    let told = |kind| Protocol::OpenAiChat.error_to_json(&error(kind).with_body(body)).1;
    let mistake = told(ErrorKind::InvalidRequest);
    let (param, code) = (&mistake["error"]["param"], &mistake["error"]["code"]);
    assert_eq!((param, code), (&json!("top_p"), &json!("unsupported_value")));
    let trouble = told(ErrorKind::Auth);
    let (param, code) = (&trouble["error"]["param"], &trouble["error"]["code"]);
    assert_eq!((param, code), (&Value::Null, &Value::Null));
    // Google's code is a number.
    let of_google = r#"{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}"#;
    let error = error(ErrorKind::InvalidRequest).with_body(of_google);
    assert_eq!(Protocol::OpenAiChat.error_to_json(&error).1["error"]["code"], Value::Null);
}

#[test]
fn every_format_has_its_own_form_for_a_failure() {
    let with = |protocol: Protocol, kind| protocol.error_to_json(&error(kind));
    let openai = |message: &str, kind: &str, code: Value| json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    let limited =
        || ErrorKind::RateLimited { retry_after: Some(std::time::Duration::from_millis(1500)) };
    let message = "x is over its rate limit";
    for protocol in [Protocol::OpenAiChat, Protocol::OpenAiResponses] {
        assert_eq!(
            with(protocol, limited()),
            (429, openai(message, "rate_limit_error", json!("rate_limit_exceeded")))
        );
    }
    assert_eq!(
        with(Protocol::OpenAiChat, ErrorKind::ContextTooLong),
        (400, openai("words", "invalid_request_error", json!("context_length_exceeded")))
    );
    let ours = Error::new(ErrorKind::Auth, "no such key");
    assert_eq!(
        Protocol::OpenAiChat.error_to_json(&ours),
        (401, openai("no such key", "invalid_request_error", json!("invalid_api_key")))
    );

    let anthropic = |kind: &str, message: &str| {
        json!({"type": "error", "error": {"type": kind, "message": message},
            "request_id": "req_1"})
    };
    let api = Protocol::AnthropicMessages;
    assert_eq!(with(api, limited()), (429, anthropic("rate_limit_error", message)));
    assert_eq!(
        with(api, ErrorKind::Overloaded { retry_after: None }),
        (529, anthropic("overloaded_error", "x is overloaded"))
    );
    assert_eq!(
        with(api, ErrorKind::ContextTooLong),
        (400, anthropic("invalid_request_error", "prompt is too long: words"))
    );
    let ours = Error::new(ErrorKind::QuotaExceeded, "spent");
    assert_eq!(api.error_to_json(&ours).0, 402);

    assert_eq!(
        with(Protocol::GeminiGenerate, limited()),
        (
            429,
            json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": "1.5s"}]}})
        )
    );
    assert_eq!(
        with(Protocol::GeminiGenerate, ErrorKind::ContentFiltered),
        (400, json!({"error": {"code": 400, "message": "words", "status": "INVALID_ARGUMENT"}}))
    );
    assert_eq!(with(Protocol::CohereChat, limited()), (429, json!({"message": message})));
}

#[test]
fn an_error_is_one_event() {
    for protocol in PROTOCOLS {
        let mut out = Vec::new();
        protocol.stream_writer(options()).error(&error(ErrorKind::Connect), &mut out);
        let written = String::from_utf8(out).unwrap();
        assert!(written.contains("x cannot be reached"), "{written}");
        assert!(!data(&written).is_empty());
    }
}
