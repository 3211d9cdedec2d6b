//! The opening handshake (RFC 6455, section 4.2).

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{SocketOptions, origin};
use crate::{
    error::{HttpError, Result},
    input::RequestContext,
};

/// A handshake that may be answered with 101.
pub(super) struct Handshake {
    accept: String,
    pub(super) protocol: Option<Arc<str>>,
}

impl Handshake {
    /// Reads the client's part.
    ///
    /// # Errors
    ///
    /// 426 for what is not a handshake, 400 for a broken one, 403 for a page of another site.
    pub(super) fn accept(cx: &RequestContext, options: &SocketOptions) -> Result<Self> {
        let headers = cx.headers();
        let is_upgrade = *cx.method() == Method::GET
            && cx.version() == Version::HTTP_11
            && has_token(headers, &header::CONNECTION, "upgrade")
            && has_token(headers, &header::UPGRADE, "websocket");
        if !is_upgrade {
            return Err(upgrade_required("This path speaks WebSocket"));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&HeaderValue::from_static("13")) {
            let error = upgrade_required("This path speaks version 13 of WebSocket");
            let version = HeaderValue::from_static("13");
            return Err(error.header(header::SEC_WEBSOCKET_VERSION, version));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
        let key = key.ok_or_else(|| HttpError::bad_request("Sec-WebSocket-Key is no key"))?;
        origin::check(headers, cx.uri(), options.origins.as_deref())?;
        let protocol = choose(&options.protocols, headers);
        Ok(Self { accept: derive_accept_key(key.as_bytes()), protocol })
    }

    /// The server's part.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        let protocol = self.protocol.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(protocol)) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

fn upgrade_required(detail: &str) -> HttpError {
    HttpError::new(426, detail)
        .header(header::CONNECTION, HeaderValue::from_static("upgrade"))
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
}

/// The items of a list, over all headers of the name.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// Whether it can be 16 bytes in Base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(is_digit))
}

/// The first protocol of the route that the client speaks, too.
fn choose(known: &[Arc<str>], headers: &HeaderMap) -> Option<Arc<str>> {
    let offers = |protocol: &&Arc<str>| {
        items(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|offer| offer == &***protocol)
    };
    known.iter().find(offers).cloned()
}

/// What is wrong with the name of a subprotocol.
pub(super) fn mistake(protocol: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (protocol.is_empty() || !protocol.bytes().all(is_token))
        .then(|| format!("`{protocol}` is not the name of a WebSocket protocol"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for bad in ["", "==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j!Q==", "YWJj"] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn the_routes_order_decides_on_the_protocol() {
        let known: Vec<Arc<str>> = vec!["b".into(), "a".into()];
        let mut headers = HeaderMap::new();
        assert_eq!(choose(&known, &headers), None);
        headers.append("sec-websocket-protocol", HeaderValue::from_static("x, a"));
        assert_eq!(choose(&known, &headers).as_deref(), Some("a"));
        headers.append("sec-websocket-protocol", HeaderValue::from_static("b"));
        assert_eq!(choose(&known, &headers).as_deref(), Some("b"));
    }

    #[test]
    fn a_protocol_is_a_token() {
        assert_eq!(mistake("chat.v2"), None);
        for bad in ["", "a b", "a,b", "é"] {
            assert!(mistake(bad).is_some(), "{bad}");
        }
    }
}
