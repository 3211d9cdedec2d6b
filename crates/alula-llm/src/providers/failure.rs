//! From a provider's error answer to an [`Error`].

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::{Error, ErrorKind};

/// What a provider said about a failure.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
    pub(super) request_id: Option<String>,
    /// The provider's name of the error: `error.code`, else `error.type` or `error.status`.
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) body: String,
}

impl Failure {
    /// Reads the status, the headers and the `{"error": …}` of the body.
    pub(crate) fn of_answer(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body).into_owned();
        let value = serde_json::from_str(&body).unwrap_or(Value::Null);
        let mut failure = Self::of_body(&value);
        failure.body = body;
        failure.status = Some(status);
        failure.retry_after = retry_after(headers, SystemTime::now()).or(failure.retry_after);
        failure.request_id = request_id(headers).or(failure.request_id);
        failure
    }

    /// Reads `{"error": {"type", "code", "message"}, "request_id"}`, or what comes near to it.
    pub(super) fn of_body(value: &Value) -> Self {
        // Google wraps the error of a call that asked for a list into a list.
        let value = value.get(0).unwrap_or(value);
        let error = value.get("error").unwrap_or(value);
        let text = |name| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        // Some servers put the status into the body of a stream's error.
        let status = ["code", "status_code"].into_iter().find_map(|name| {
            let status = error.get(name)?.as_u64()?.try_into().ok()?;
            (300..600).contains(&status).then_some(status)
        });
        // `detail` is what servers on FastAPI say, and Alula itself.
        let message = text("message").or_else(|| error.as_str()).or_else(|| text("detail"));
        // They and Mistral list what is wrong with a request, some in place of the message.
        let listed = || first_detail(error).or_else(|| first_detail(error.get("message")?));
        let message = message.map(str::to_owned).or_else(listed);
        // One that says nothing is none, wherever it stood.
        let message = message.filter(|message| !message.is_empty());
        // Cohere calls it `id`, and has no `error` around its message.
        let bare = value.get("message").is_some_and(Value::is_string);
        let request_id = value.get("request_id").or_else(|| value.get("id").filter(|_| bare));
        Self {
            status,
            retry_after: retry_delay(error),
            request_id: request_id.and_then(Value::as_str).map(str::to_owned),
            code: ["code", "type", "status"].into_iter().find_map(text).map(str::to_owned),
            message,
            body: value.to_string(),
        }
    }

    /// Whether the provider's words hold one of these, in any case.
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        let text = self.message.as_deref().unwrap_or(&self.body).to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// The error; `known` is the kind when the provider's code settles it.
    pub(crate) fn into_error(self, known: Option<ErrorKind>) -> Error {
        let kind = known.unwrap_or_else(|| self.kind_by_status());
        let message = self.message.unwrap_or_else(|| match self.status {
            Some(status) if (300..400).contains(&status) => {
                "the address redirects, which is not followed: correct the base URL".to_owned()
            }
            Some(status) => format!("the provider answered with status {status}"),
            None => "the provider reported an error".to_owned(),
        });
        let error =
            Error::new(kind, message).with_request_id(self.request_id).with_body(&self.body);
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }

    fn kind_by_status(&self) -> ErrorKind {
        let retry_after = self.retry_after;
        match self.status {
            Some(300..=399) => ErrorKind::Config,
            Some(401 | 403) => ErrorKind::Auth,
            Some(402) => ErrorKind::QuotaExceeded,
            Some(404) => ErrorKind::NotFound,
            Some(429) => ErrorKind::RateLimited { retry_after },
            Some(503 | 529) => ErrorKind::Overloaded { retry_after },
            Some(408) | None => ErrorKind::Unavailable,
            Some(400..=499) => ErrorKind::InvalidRequest,
            Some(_) => ErrorKind::Unavailable,
        }
    }
}

/// The message of an error that has no code, so that its reader goes by these words.
pub(super) fn worded<'a>(message: Cow<'a, str>, words: &[&str]) -> Cow<'a, str> {
    let lower = message.to_ascii_lowercase();
    match words.first() {
        Some(first) if !words.iter().any(|word| lower.contains(word)) => {
            format!("{first}: {message}").into()
        }
        _ => message,
    }
}

/// The first of the `detail` that a validation gives: `{"loc": ["body", "x"], "msg"}`.
fn first_detail(error: &Value) -> Option<String> {
    let first = error.get("detail")?.get(0)?;
    let message = first.get("msg")?.as_str()?;
    let name = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let place: Vec<String> =
        first.get("loc").and_then(Value::as_array).into_iter().flatten().map(name).collect();
    let colon = if place.is_empty() { "" } else { ": " };
    Some(format!("{}{colon}{message}", place.join(".")))
}

/// `retry-after-ms`, else `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(Ok(milliseconds)) = text("retry-after-ms").map(str::parse::<f64>) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let value = text("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The `google.rpc.RetryInfo` among the details of an error.
fn retry_delay(error: &Value) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds = delay.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [HeaderName; 2] =
        [HeaderName::from_static("x-request-id"), HeaderName::from_static("request-id")];
    let value = NAMES.iter().find_map(|name| headers.get(name))?;
    value.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_that_says_nothing_is_none() {
        for body in [json!(""), json!({"error": ""}), json!({"detail": [{"msg": ""}]})] {
            let body = body.to_string();
            let error =
                Failure::of_answer(400, &HeaderMap::new(), body.as_bytes()).into_error(None);
            assert_eq!(error.message(), "the provider answered with status 400", "{body}");
        }
    }

    fn after(name: &'static str, value: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(name),
            reqwest::header::HeaderValue::from_static(value),
        )]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(&headers, now)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(after("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(after("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        let date = "Sun, 06 Nov 1994 08:49:47 GMT";
        assert_eq!(after("retry-after", date), Some(Duration::from_secs(10)));
        assert_eq!(after("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "NaN", "1e400"] {
            assert_eq!(after("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_body_says_when_to_try_again_if_no_header_does() {
        let delay = |text: &str| {
            let info = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": text});
            let error = json!({"code": 429, "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.Help"}, info]});
            json!({"error": error}).to_string()
        };
        let of = |headers: &HeaderMap, text: &str| {
            Failure::of_answer(429, headers, delay(text).as_bytes()).retry_after
        };
        let none = HeaderMap::new();
        assert_eq!(of(&none, "34s"), Some(Duration::from_secs(34)));
        assert_eq!(of(&none, "1.5s"), Some(Duration::from_millis(1500)));
        for nonsense in ["34", "s", "-1s", "1e400s"] {
            assert_eq!(of(&none, nonsense), None, "{nonsense}");
        }
        let value = reqwest::header::HeaderValue::from_static("3");
        let header = HeaderMap::from_iter([(HeaderName::from_static("retry-after"), value)]);
        assert_eq!(of(&header, "34s"), Some(Duration::from_secs(3)));
    }

    #[test]
    fn error_bodies_come_in_many_shapes() {
        for (body, message) in [
            (json!({"error": {"message": "no", "code": 502}}), Some("no")),
            (json!({"error": "no"}), Some("no")),
            (json!({"message": "no"}), Some("no")),
            (json!({"detail": "no"}), Some("no")),
            (json!({"detail": [{"msg": "no"}]}), Some("no")),
            (json!({"detail": [{"loc": ["body", 0], "msg": "no"}]}), Some("body.0: no")),
            (json!({"detail": []}), None),
            (json!([{"error": {"message": "no"}}]), Some("no")),
            (json!([]), None),
        ] {
            assert_eq!(Failure::of_body(&body).message.as_deref(), message, "{body}");
        }
        for (error, kind) in [
            (json!({"code": 502}), ErrorKind::Unavailable),
            (json!({"code": "x", "status_code": 400}), ErrorKind::InvalidRequest),
            (json!({"code": 1301}), ErrorKind::Unavailable),
        ] {
            let failure = Failure::of_body(&json!({"error": error}));
            assert_eq!(failure.into_error(None).kind(), &kind);
        }
    }
}
