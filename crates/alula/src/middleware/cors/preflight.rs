//! A browser asks before it lets a page send a request.

use axum::{body::Body, extract::Request};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use super::policy::{PRIVATE_NETWORK, Policy};
use crate::error::{HttpError, answer_for};

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");

/// The origin and the method of a preflight request; nothing for any other request.
pub(super) fn asked<'a>(
    method: &Method,
    headers: &'a HeaderMap,
) -> Option<(&'a HeaderValue, &'a HeaderValue)> {
    let origin = headers.get(header::ORIGIN).filter(|_| method == Method::OPTIONS)?;
    Some((origin, headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?))
}

/// The answer to a preflight request.
///
/// A refusal need not be an error, as it is the browser that keeps the rules; but it tells more.
pub(super) fn answer(
    policy: &Policy,
    (origin, method): (&HeaderValue, &HeaderValue),
    request: &Request,
) -> Response<Body> {
    let sent = request.headers();
    let mut headers = policy.preflight.clone();
    let mut refused = Vec::new();
    match policy.allows_origin(origin) {
        true if policy.rules.any_origin => {}
        true => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        false => refused.push("origin"),
    }
    if !policy.methods.iter().any(|known| known.as_str().as_bytes() == method.as_bytes()) {
        refused.push("method");
    }
    if let Some(asked) = sent.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        if policy.rules.any_header {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        } else if !allows_headers(policy, asked) {
            refused.push("headers");
        }
    }
    if sent.contains_key(REQUEST_PRIVATE_NETWORK) {
        match policy.rules.private_network {
            true => {
                headers.insert(PRIVATE_NETWORK, HeaderValue::from_static("true"));
            }
            false => refused.push("private-network"),
        }
    }
    let mut response = match refused.is_empty() {
        true => allowed(),
        false => {
            let detail = format!("Disallowed CORS {}", refused.join(", "));
            answer_for(request, HttpError::bad_request(detail))
        }
    };
    response.headers_mut().extend(headers);
    response
}

fn allows_headers(policy: &Policy, asked: &HeaderValue) -> bool {
    let is_allowed = |name: &str| {
        let name = name.trim();
        policy.headers.iter().any(|known| known.as_str().eq_ignore_ascii_case(name))
    };
    asked.to_str().is_ok_and(|asked| asked.split(',').all(is_allowed))
}

fn allowed() -> Response<Body> {
    let mut response = Response::new(Body::from("OK"));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
