//! What the plain call would have been answered with.

use alula::{
    Body, HttpError,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// The status, the headers and the body of an answer, as the result of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    body: Box<RawValue>,
}

impl Outcome {
    /// An answer in JSON. What is none, though a provider said so, becomes a text.
    pub(super) fn of(status: u16, body: &[u8]) -> Self {
        let body = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(_) => raw(&String::from_utf8_lossy(body)),
        };
        Self { status, headers: Vec::new(), body }
    }

    /// A good answer.
    pub(crate) fn json(body: &impl Serialize) -> Self {
        Self { status: 200, headers: Vec::new(), body: raw(body) }
    }

    /// An error with this body.
    pub(crate) fn failed(error: &HttpError, body: &Value) -> Self {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.to_string(), value.to_str().ok()?.to_owned()))
        };
        let headers = error.headers().filter_map(header).collect();
        Self { status: error.status().as_u16(), headers, body: raw(body) }
    }

    /// Nobody has answered: workers have taken the job, and were gone before they had an answer.
    pub(super) fn lost() -> Self {
        let detail = "The job was begun as often as it may be, and never came to an answer";
        Self { status: 500, ..Self::json(&serde_json::json!({ "detail": detail })) }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status < 400
    }

    /// Seconds after which it may be tried again, if it says so.
    pub(super) fn retry_after(&self) -> Option<u64> {
        let is_wait = |(name, _): &&(String, String)| *name == header::RETRY_AFTER.as_str();
        self.headers.iter().find(is_wait).and_then(|(_, value)| value.parse().ok())
    }

    /// The body of the answer, byte for byte.
    pub(super) fn into_body(self) -> Box<RawValue> {
        self.body
    }

    /// The answer itself.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.get().to_owned()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_stays_as_it_is_and_what_is_no_json_becomes_a_text() {
        let body = r#"{ "a": 1.0, "b":  [] }"#;
        let kept = |body: &[u8]| {
            let kept = serde_json::to_string(&Outcome::of(200, body)).unwrap();
            serde_json::from_str::<Outcome>(&kept).unwrap().into_body().get().to_owned()
        };
        assert_eq!(kept(body.as_bytes()), body);
        assert_eq!(kept(b"<html>"), "\"<html>\"");
    }
}
