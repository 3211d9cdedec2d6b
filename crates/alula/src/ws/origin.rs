//! Which pages may open a WebSocket.

use http::{HeaderMap, HeaderValue, Uri, header};

use crate::error::{HttpError, Result};

/// Refuses the handshake of a page of another site, unless its origin is allowed.
///
/// A browser sends the user's cookies with the handshake, whoever asks for it, and the same-origin
/// policy does not hold for WebSockets: what is not refused here can be read by the page.
pub(super) fn check(headers: &HeaderMap, uri: &Uri, allowed: Option<&[String]>) -> Result<()> {
    // Programs send none; only browsers can be made to act for somebody else.
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let is_allowed = |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(origin);
    if allowed.is_some_and(|allowed| allowed.iter().any(is_allowed)) {
        return Ok(());
    }
    // Who lists origins means these only.
    if allowed.is_none() && is_same(headers, uri, origin) {
        return Ok(());
    }
    Err(HttpError::forbidden("This origin may not open the WebSocket")
        .because(format!("origin `{origin}` is not allowed; see `Route::allowed_origins`")))
}

/// Whether the browser, or the host it asked for, says that the page is of this site.
fn is_same(headers: &HeaderMap, uri: &Uri, origin: &str) -> bool {
    // No page can set this header, and a proxy that changes `Host` does not change it.
    if headers.get("sec-fetch-site") == Some(&HeaderValue::from_static("same-origin")) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    // The scheme is that of a proxy, if there is one.
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match (host, authority) {
        (Some(host), Some(authority)) => host.eq_ignore_ascii_case(authority),
        _ => false,
    }
}

/// What is wrong with an origin that an application allows.
pub(super) fn mistake(origin: &str) -> Option<String> {
    let is_origin = origin.split_once("://").is_some_and(|(scheme, authority)| {
        !scheme.is_empty() && !authority.is_empty() && !authority.contains(['/', '?', '#', ' '])
    });
    (origin != "*" && origin != "null" && !is_origin).then(|| {
        format!("`{origin}` is not an origin; write it as `https://example.com`, without a path")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(headers: &[(&'static str, &'static str)], allowed: Option<&[&str]>) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let allowed: Option<Vec<String>> =
            allowed.map(|list| list.iter().map(|&origin| origin.to_owned()).collect());
        check(&map, &Uri::from_static("/"), allowed.as_deref()).is_ok()
    }

    #[test]
    fn programs_and_own_pages_are_let_in() {
        assert!(allows(&[("host", "a.example")], None));
        assert!(allows(&[("host", "a.example"), ("origin", "https://A.example")], None));
        assert!(allows(&[("host", "localhost:8000"), ("origin", "http://localhost:8000")], None));
        // Behind a proxy that asks for another host.
        let proxied = [("host", "b"), ("origin", "https://a"), ("sec-fetch-site", "same-origin")];
        assert!(allows(&proxied, None));
    }

    #[test]
    fn pages_of_other_sites_are_not() {
        for origin in ["https://evil.example", "http://a.example:81", "null", "", "a.example"] {
            assert!(!allows(&[("host", "a.example"), ("origin", origin)], None), "{origin}");
        }
        let site = [("host", "b"), ("origin", "https://a"), ("sec-fetch-site", "same-site")];
        assert!(!allows(&site, None));
    }

    #[test]
    fn a_list_says_who_else() {
        let page = [("host", "a.example"), ("origin", "https://b.example")];
        assert!(allows(&page, Some(&["https://b.example"])));
        assert!(allows(&page, Some(&["*"])));
        assert!(!allows(&page, Some(&["https://c.example"])));
        // The list takes the place of the default.
        let own = [("host", "a.example"), ("origin", "https://a.example")];
        assert!(!allows(&own, Some(&["https://c.example"])));
        assert!(allows(&[("host", "a.example")], Some(&["https://c.example"])));
    }

    #[test]
    fn an_origin_has_no_path() {
        for good in ["*", "null", "https://example.com", "http://localhost:3000"] {
            assert_eq!(mistake(good), None);
        }
        for bad in ["", "example.com", "https://", "https://example.com/", "https://a b"] {
            assert!(mistake(bad).is_some(), "{bad}");
        }
    }
}
