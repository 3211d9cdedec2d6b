//! The rules, in the form in which they are applied.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::Cors;

/// What `Cors` says, ready to be sent.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) rules: Cors,
    /// With every answer to a page.
    pub(super) answer: HeaderMap,
    /// With every answer to a preflight request.
    pub(super) preflight: HeaderMap,
    /// The methods that pages may use.
    pub(super) methods: Vec<Method>,
    /// The headers that pages may send.
    pub(super) headers: Vec<HeaderName>,
}

const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, \
                              Access-Control-Request-Headers, \
                              Access-Control-Request-Private-Network";

pub(super) const PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

impl Policy {
    pub(super) fn new(mut rules: Cors) -> Self {
        // An app does not start with both; a bare tower service is not checked.
        rules.credentials &= !rules.any_origin;
        let methods = if rules.any_method { all_methods() } else { rules.methods.clone() };
        let safe = ["accept", "accept-language", "content-language", "content-type"];
        let mut headers = safe.map(HeaderName::from_static).to_vec();
        headers.extend(rules.headers.iter().cloned());
        headers.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        headers.dedup();

        let (any, yes) = (HeaderValue::from_static("*"), HeaderValue::from_static("true"));
        let mut answer = HeaderMap::new();
        if rules.any_origin {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        }
        if rules.credentials {
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        let mut preflight = answer.clone();
        if let Some(list) = list(&rules.exposed) {
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, list);
        }
        preflight.insert(header::VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        if let Some(list) = list(&methods) {
            preflight.insert(header::ACCESS_CONTROL_ALLOW_METHODS, list);
        }
        let max_age = HeaderValue::from(rules.max_age.as_secs());
        preflight.insert(header::ACCESS_CONTROL_MAX_AGE, max_age);
        if let Some(list) = list(&headers).filter(|_| !rules.any_header) {
            preflight.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, list);
        }
        Self { rules, answer, preflight, methods, headers }
    }

    pub(super) fn allows_origin(&self, origin: &HeaderValue) -> bool {
        let matches =
            |pattern: &regex::Regex| origin.to_str().is_ok_and(|origin| pattern.is_match(origin));
        self.rules.any_origin
            || self.rules.origins.contains(origin)
            || self.rules.pattern.as_ref().is_some_and(matches)
    }
}

/// Those that FastAPI's middleware means by all.
fn all_methods() -> Vec<Method> {
    let query = Method::from_bytes(b"QUERY").ok();
    let known = [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ];
    known.into_iter().chain(query).collect()
}

/// Names with commas between them; nothing for none.
fn list<T: AsRef<str>>(names: &[T]) -> Option<HeaderValue> {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|list| !list.is_empty())
}

/// An origin as browsers write it: in lower case, without a path.
pub(super) fn origin(text: &str) -> Result<HeaderValue, String> {
    let rest = text.split_once("://").map(|(scheme, rest)| (scheme.is_empty(), rest));
    let problem = match rest {
        _ if text == "null" => None,
        _ if text == "*" => Some("any origin is `.any_origin()`"),
        _ if text.contains('*') => Some("a set of origins is an `.origin_pattern(…)`"),
        Some((false, rest)) if !rest.is_empty() && !rest.contains(['/', '?', '#', '@']) => None,
        Some((false, rest)) if rest.ends_with('/') => Some("an origin has no slash at its end"),
        _ => Some("an origin is a scheme, a host and perhaps a port"),
    };
    let problem = match (problem, HeaderValue::try_from(text.to_ascii_lowercase())) {
        (None, Ok(origin)) => return Ok(origin),
        (Some(problem), _) => problem,
        (None, Err(_)) => "an origin is visible ASCII",
    };
    Err(format!("`Cors`: {text:?} is never the origin of a page: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_would_send() {
        for (text, value) in [
            ("https://app.example", "https://app.example"),
            ("HTTP://LocalHost:3000", "http://localhost:3000"),
            ("tauri://localhost", "tauri://localhost"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("null", "null"),
        ] {
            assert_eq!(origin(text).unwrap(), value);
        }
        for (text, problem) in [
            ("https://app.example/", "no slash at its end"),
            ("https://app.example/path", "a scheme, a host"),
            ("app.example", "a scheme, a host"),
            ("://app.example", "a scheme, a host"),
            ("https://", "a scheme, a host"),
            ("https://*.example", "`.origin_pattern(…)`"),
            ("*", "`.any_origin()`"),
            ("https://a\nb", "visible ASCII"),
        ] {
            let mistake = origin(text).unwrap_err();
            assert!(mistake.contains(problem), "{mistake}");
        }
    }
}
