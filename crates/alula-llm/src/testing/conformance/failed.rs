//! Whether an error keeps what it says and what it is.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{Error, model::Protocol, providers::answered, testing::Interaction};

/// What a status may stand for; those that providers use for other things are not in it.
const BY_STATUS: [(u16, &[&str]); 14] = [
    (400, &REFUSED),
    (401, &["auth"]),
    (402, &["quota_exceeded"]),
    (403, &["auth", "content_filtered"]),
    (404, &["not_found"]),
    (408, &["unavailable"]),
    (413, &REFUSED),
    (422, &REFUSED),
    (429, &["rate_limited", "quota_exceeded", "overloaded"]),
    (500, &["unavailable"]),
    (502, &["unavailable"]),
    (503, &["overloaded"]),
    (504, &["unavailable"]),
    (529, &["overloaded"]),
];

/// What may be wrong with a request. Google has one status for it and for wrong keys and accounts.
const REFUSED: [&str; 5] =
    ["invalid_request", "context_too_long", "content_filtered", "auth", "quota_exceeded"];

/// What the code in an error stands for, whatever its status.
const BY_CODE: [(&str, &str); 12] = [
    ("authentication_error", "auth"),
    ("billing_error", "quota_exceeded"),
    ("content_filter", "content_filtered"),
    ("context_length_exceeded", "context_too_long"),
    ("insufficient_quota", "quota_exceeded"),
    ("invalid_api_key", "auth"),
    ("model_not_found", "not_found"),
    ("overloaded_error", "overloaded"),
    ("rate_limit_error", "rate_limited"),
    ("rate_limit_exceeded", "rate_limited"),
    ("tool_use_failed", "invalid_request"),
    ("UNAVAILABLE", "overloaded"),
];

/// The answer of a call that failed; others are fine.
pub(super) fn check(protocol: Protocol, call: &Interaction) -> Result<(), String> {
    if (200..=299).contains(&call.status) {
        return Ok(());
    }
    let headers: HeaderMap = call
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
        })
        .collect();
    let error = answered::failure(protocol, call.status, &headers, &call.body);
    let body = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    said(&body, error.message())?;
    is_kind(&body, Some(call.status), &error)?;
    match error.status() {
        Some(status) if status == call.status => written(protocol, &error),
        status => Err(format!("the error has the status {status:?} and not {}", call.status)),
    }
}

/// An error that an event of a stream tells.
pub(super) fn event(protocol: Protocol, event: &Value, error: &Error) -> Result<(), String> {
    said(event, error.message())?;
    is_kind(event, None, error)?;
    written(protocol, error)
}

/// Whether this message is the one in an error body.
fn said(body: &Value, message: &str) -> Result<(), String> {
    let recorded = errors(body).find_map(|error| {
        let message = error.get("message").unwrap_or(error);
        message.as_str()
    });
    match recorded {
        Some(recorded) if recorded != message => {
            Err(format!("the error says {message:?} and not {recorded:?}"))
        }
        _ => Ok(()),
    }
}

/// The places where an error may be.
fn errors(body: &Value) -> impl Iterator<Item = &Value> {
    // Google wraps some into a list.
    let body = body.get(0).unwrap_or(body);
    const PLACES: [&str; 5] = ["/error", "/response/error", "/delta/error", "/choices/0/error", ""];
    PLACES.iter().filter_map(|place| body.pointer(place))
}

/// Whether the kind is one that the code and the status stand for.
fn is_kind(body: &Value, status: Option<u16>, error: &Error) -> Result<(), String> {
    let kind = error.kind().name();
    let codes = errors(body).flat_map(|error| {
        ["code", "type", "status"].into_iter().filter_map(|name| error.get(name)?.as_str())
    });
    let by_code = codes.into_iter().find_map(|code| {
        BY_CODE.iter().find(|(known, _)| *known == code).map(|(_, kind)| std::slice::from_ref(kind))
    });
    let in_body = || {
        let code = errors(body).find_map(|error| error.get("code")?.as_u64());
        code.and_then(|code| u16::try_from(code).ok())
    };
    let by_status = || {
        let status = status.or_else(in_body)?;
        BY_STATUS.iter().find(|(known, _)| *known == status).map(|(_, kinds)| *kinds)
    };
    match by_code.or_else(by_status) {
        Some(kinds) if !kinds.contains(&kind) => {
            Err(format!("the error is {kind:?} and not {}", kinds.join(" or ")))
        }
        None if kind == "decode" => Err("the error is taken for a malformed answer".to_owned()),
        _ => Ok(()),
    }
}

/// Whether whoever reads the error as it is written again takes it for the same.
fn written(protocol: Protocol, error: &Error) -> Result<(), String> {
    let (status, body) = protocol.error_to_json(error);
    let mut headers = HeaderMap::new();
    if let Some(wait) = error.retry_after() {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        headers.insert("retry-after-ms", wait.into());
    }
    let again = answered::failure(protocol, status, &headers, body.to_string().as_bytes());
    match (again.kind().name(), error.kind().name()) {
        (again, known) if again == known => Ok(()),
        (again, known) => Err(format!("the error is {known:?}, and {again:?} when it is written")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    fn failed(status: u16, body: impl Into<Bytes>) -> Interaction {
        Interaction { status, body: body.into(), ..Interaction::default() }
    }

    #[test]
    fn the_message_and_the_kind_of_an_error_are_kept() {
        let protocols = [
            Protocol::OpenAiChat,
            Protocol::OpenAiResponses,
            Protocol::AnthropicMessages,
            Protocol::GeminiGenerate,
            Protocol::CohereChat,
        ];
        for protocol in protocols {
            for (status, _) in BY_STATUS {
                let body = json!({"error": {"message": "no", "code": "x"}}).to_string();
                assert_eq!(check(protocol, &failed(status, body)), Ok(()), "{protocol} {status}");
                assert_eq!(check(protocol, &failed(status, "busy")), Ok(()), "{protocol} {status}");
            }
        }
        let limited = json!({"error": {"message": "no", "code": "rate_limit_exceeded"}});
        let limited = failed(429, limited.to_string());
        assert_eq!(check(Protocol::OpenAiChat, &limited), Ok(()));
    }

    #[test]
    fn an_error_of_another_kind_is_named() {
        let body = json!({"error": {"message": "no", "type": "overloaded_error"}});
        let wrong = Error::new(ErrorKind::InvalidRequest, "no");
        let reason = event(Protocol::AnthropicMessages, &body, &wrong).unwrap_err();
        assert_eq!(reason, "the error is \"invalid_request\" and not overloaded");
        let decode = Error::new(ErrorKind::Decode, "no");
        event(Protocol::OpenAiChat, &json!({"error": {"message": "no"}}), &decode).unwrap_err();
        let of_status = json!({"error": {"message": "no", "code": 503}});
        event(Protocol::OpenAiChat, &of_status, &wrong).unwrap_err();
        let silent = Error::new(ErrorKind::Overloaded { retry_after: None }, "yes");
        let reason = event(Protocol::OpenAiChat, &of_status, &silent).unwrap_err();
        assert_eq!(reason, "the error says \"yes\" and not \"no\"");
    }
}
