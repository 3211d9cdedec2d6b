//! Answers as they are kept, and as they are given again.

use alula::{
    Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};

use crate::db::KeptAnswer;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What of the head belongs to the answer, and not to the moment or the connection.
const HEADERS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CACHE_CONTROL,
    header::VARY,
    HeaderName::from_static("x-accel-buffering"),
    HeaderName::from_static("preference-applied"),
];

/// Whether an answer is given again: one to a request that was executed, however that ended.
///
/// A refusal before that is none: whoever repairs the request, or has waited, may ask again. So are
/// 429 and 503 from wherever they come: they say that nobody did anything.
pub(super) fn is_kept(status: StatusCode, has_begun: bool) -> bool {
    let is_refusal =
        matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    status.is_success() || has_begun && !is_refusal
}

/// The lines of the head that are kept.
pub(super) fn lines(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for name in &HEADERS {
        for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
            lines.extend([name.as_str(), ": ", value, "\n"]);
        }
    }
    lines
}

/// The answer once more; nothing if it was too large to be kept.
pub(super) fn response(answer: KeptAnswer) -> Option<Response<Body>> {
    let KeptAnswer { status, headers, body } = answer;
    let mut response = Response::new(Body::from(body?));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for line in headers.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_executed_is_kept() {
        let kept = |status: u16, begun| is_kept(StatusCode::from_u16(status).unwrap(), begun);
        for (status, before, after) in [
            (200, true, true),
            (202, true, true),
            (400, false, true),
            (401, false, true),
            (422, false, true),
            (429, false, false),
            (500, false, true),
            (502, false, true),
            (503, false, false),
            (504, false, true),
        ] {
            assert_eq!((kept(status, false), kept(status, true)), (before, after), "{status}");
        }
    }

    #[test]
    fn a_head_comes_again_without_what_was_of_its_moment() {
        let headers = HeaderMap::from_iter(
            [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::RETRY_AFTER, "5"),
                (header::DATE, "now"),
                (HeaderName::from_static("ratelimit-remaining"), "9"),
            ]
            .map(|(name, value)| (name, HeaderValue::from_static(value))),
        );
        let answer =
            KeptAnswer { status: 504, headers: lines(&headers), body: Some(b"late".to_vec()) };
        let response = response(answer).unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "retry-after", "idempotency-replayed"]);
    }
}
