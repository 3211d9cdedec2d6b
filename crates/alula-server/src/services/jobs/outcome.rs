//! What the plain call would have been answered with.

use std::sync::Arc;

use alula::{
    Body, HttpError,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};

/// The status, the headers and the body of an answer.
pub(crate) struct Outcome {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Box<RawValue>,
}

impl Outcome {
    /// An answer in JSON. What is none, though a provider said so, becomes a text.
    pub(super) fn of(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &[u8]) -> Self {
        let body = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(_) => raw(&String::from_utf8_lossy(body)),
        };
        Self { status, headers, body }
    }

    /// A good answer.
    pub(super) fn json(body: &impl Serialize) -> Self {
        Self { status: 200, headers: Vec::new(), body: raw(body) }
    }

    /// An error with this body.
    pub(super) fn failed(error: &HttpError, body: &Value) -> Self {
        let headers = error.headers().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { status: error.status().as_u16(), headers, body: raw(body) }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status < 400
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.body.get().len()
    }

    /// The answer itself.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.get().to_owned()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        for (name, value) in &self.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}

/// The body of an answer within another one, byte for byte.
pub(super) struct OutcomeBody(pub(super) Arc<Outcome>);

impl Serialize for OutcomeBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.body.serialize(serializer)
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
        let shown = |body: &[u8]| {
            let outcome = Arc::new(Outcome::of(200, vec![], body));
            serde_json::to_string(&OutcomeBody(outcome)).unwrap()
        };
        assert_eq!(shown(body.as_bytes()), body);
        assert_eq!(shown(b"<html>"), "\"<html>\"");
    }
}
